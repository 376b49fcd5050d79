"""Every framing: frames through any split of the bytes, hostile input, encoding, arguments."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from anyserial.framing import (
    Cobs,
    Delimited,
    FixedSize,
    FrameDamaged,
    FrameTooLong,
    Framing,
    FramingError,
    LengthPrefixed,
    Silence,
    Slip,
)
from hypothesis import given, settings
from hypothesis import strategies as st

MAKERS: dict[str, Callable[[], Framing]] = {
    "delimited": lambda: Delimited(b"\n", max_size=40),
    "delimited by two": lambda: Delimited(b"\r\n", max_size=40),
    "delimited by a run": lambda: Delimited(b"aaa", max_size=40),
    "fixed": lambda: FixedSize(5),
    "prefixed": lambda: LengthPrefixed(1, max_size=40),
    "prefixed little": lambda: LengthPrefixed(2, byteorder="little", header=3, trailer=2, max_size=40),
    "prefixed whole": lambda: LengthPrefixed(3, counts_itself=True, max_size=40),
    "slip": lambda: Slip(max_size=40),
    "cobs": lambda: Cobs(max_size=40),
    "cobs long": lambda: Cobs(max_size=1200),
    "silence": lambda: Silence(seconds=1, max_size=40),
}
# Bytes that mean something in some framing are frequent.
BYTES = st.lists(st.sampled_from([0, 1, 3, 10, 13, 97, 0xC0, 0xDB, 0xDC, 0xDD, 0xFF]), max_size=60).map(bytes)
every_framing = pytest.mark.parametrize("name", MAKERS)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[a:b] for a, b in pairwise(places) if a < b]


def fed(framing: Framing, pieces: list[bytes]) -> list[bytes | tuple[type, bytes]]:
    found = [item for piece in pieces for item in framing.feed(piece)]
    return [(type(item), item.partial) if isinstance(item, FramingError) else item for item in found]


def encodable(framing: Framing, frames: list[bytes]) -> list[tuple[bytes, bytes]]:
    pairs: list[tuple[bytes, bytes]] = []
    for frame in frames:
        try:
            pairs.append((frame, framing.encode(frame)))
        except ValueError:
            continue
    return pairs


@every_framing
@settings(deadline=None)  # a loaded machine is not a failure
@given(frames=st.lists(BYTES | st.binary(max_size=40), max_size=8), cuts=st.lists(st.integers(0, 500), max_size=12))
def test_frames_come_out_equal_through_any_split(name: str, frames: list[bytes], cuts: list[int]) -> None:
    framing = MAKERS[name]()
    if name == "fixed":
        frames = [frame[:5].ljust(5, b"x") for frame in frames]
    pairs = encodable(framing, frames)
    if name == "silence":
        pieces = [piece for _, encoded in pairs for piece in (*split(encoded, cuts), b"")]
    else:
        pieces = split(b"".join(encoded for _, encoded in pairs), cuts)
    assert fed(framing, pieces) == [frame for frame, _ in pairs]
    assert framing.reset() == b""


@settings(deadline=None)  # a loaded machine is not a failure
@given(frame=st.binary(max_size=1200))
def test_cobs_of_any_length(frame: bytes) -> None:
    encoded = Cobs().encode(frame)
    assert encoded.index(0) == len(encoded) - 1
    assert len(encoded) <= len(frame) + len(frame) // 254 + 2
    assert Cobs().feed(encoded) == [frame]


@pytest.mark.parametrize("size", [253, 254, 255, 507, 508, 509])
@pytest.mark.parametrize("end", [b"", b"\0"])
def test_cobs_where_blocks_are_full(size: int, end: bytes) -> None:
    frame = b"x" * size + end
    assert Cobs().feed(Cobs().encode(frame)) == [frame]


@pytest.mark.parametrize(
    ("frame", "encoded"),
    [  # the examples of the paper and of common tables
        (b"\0", b"\x01\x01\0"),
        (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33\0"),
        (b"", b"\x01\0"),
        (bytes(range(1, 255)), b"\xff" + bytes(range(1, 255)) + b"\0"),
        (bytes(range(255)), b"\x01\xff" + bytes(range(1, 255)) + b"\0"),
        (bytes(range(1, 256)), b"\xff" + bytes(range(1, 255)) + b"\x02\xff\0"),
    ],
)
def test_cobs_on_the_line(frame: bytes, encoded: bytes) -> None:
    assert Cobs().encode(frame) == encoded
    assert Cobs().feed(encoded) == [frame]


def test_slip_on_the_line() -> None:
    assert Slip().encode(b"\xc0a\xdb") == b"\xc0\xdb\xdca\xdb\xdd\xc0"


@every_framing
@settings(deadline=None)  # a loaded machine is not a failure
@given(data=st.lists(BYTES | st.binary(max_size=200), max_size=5).map(b"".join), cuts=st.lists(st.integers(0, 999)))
def test_any_bytes_mean_the_same_through_any_split(name: str, data: bytes, cuts: list[int]) -> None:
    assert fed(MAKERS[name](), split(data, cuts)) == fed(MAKERS[name](), [data] if data else [])


@every_framing
def test_hostile_input_stays_bounded(name: str) -> None:
    """128 KiB of one byte, 50 times what any framing may hold: memory and the number of errors are bounded."""
    for byte in (0x00, 0x01, 0x0A, 0x41, 0xC0, 0xDB, 0xFF):
        framing = MAKERS[name]()
        errors = 0
        for _ in range(32):
            found = framing.feed(bytes([byte]) * 4096)
            errors += sum(isinstance(item, FramingError) for item in found)
            assert all(len(item.partial) <= 2500 for item in found if isinstance(item, FramingError))
            assert len(getattr(framing, "_pending")) <= 2500  # noqa: B009  # each has one, of its own
        assert errors <= 1 or byte in {0x0A, 0x00, 0xC0, 0x01}, (byte, errors)


def test_what_comes_byte_by_byte_takes_no_quadratic_time() -> None:
    framing = Delimited(b"\r\n", max_size=1_000_000)
    for _ in range(200_000):  # a search from the beginning each time would look at 20 GB
        framing.feed(b"\r")
    assert framing.feed(b"\n") == [b"\r" * 199_999]


@pytest.mark.parametrize(
    ("framing", "pieces", "expected"),
    [
        (Delimited(b"\n", max_size=3), [b"abc\nabcd\nx\n"], [b"abc", (FrameTooLong, b"abc"), b"x"]),
        (Delimited(b"\n", max_size=3), [b"abcdefgh", b"ijk\nx\n"], [(FrameTooLong, b"abc"), b"x"]),
        (Delimited(b"\r\n", max_size=3), [b"abc\r", b"\n"], [b"abc"]),
        (Delimited(b"\r\n", max_size=3), [b"abcd\r", b"\nx\r\n"], [(FrameTooLong, b"abc"), b"x"]),
        (Delimited(b"\r\n", max_size=3), [b"abcdefg\r", b"\nx\r\n"], [(FrameTooLong, b"abc"), b"x"]),
        (Delimited(b"\n"), [b"\n\n"], [b"", b""]),
        (Slip(max_size=3), [b"\xc0ab\xdbc\xc0de\xc0"], [(FrameDamaged, b"ab"), b"de"]),
        (Slip(max_size=3), [b"abcd\xc0\xc0x\xc0"], [(FrameTooLong, b"abc"), b"x"]),
        (Slip(max_size=3), [b"\xdb\xc0x\xc0"], [(FrameDamaged, b""), b"x"]),
        (Slip(max_size=3), [b"1234567", b"89\xc0x\xc0"], [(FrameTooLong, b"123"), b"x"]),
        (Cobs(max_size=3), [b"\x09ab\0\x02x\0"], [(FrameDamaged, b""), b"x"]),
        (Slip(max_size=3), [b"\xdb\xdc\xdb\xddab", b"cd\xc0x\xc0"], [(FrameTooLong, b"\xc0\xdba"), b"x"]),
        (Cobs(max_size=3), [b"\x05abcd\0\x02x\0"], [(FrameTooLong, b"abc"), b"x"]),
        (Cobs(max_size=3), [b"\x01\x09abcd", b"ef\0\x02x\0"], [(FrameTooLong, b"\0ab"), b"x"]),
        (Cobs(max_size=3), [b"\0\0\x02x\0"], [b"x"]),
        (LengthPrefixed(1, max_size=3), [b"\x09\x08\x02ab"], [(FrameTooLong, b"\x09"), b"ab"]),
        (LengthPrefixed(2, counts_itself=True), [b"\x00\x01\x00\x03a"], [(FrameDamaged, b"\x00\x01")]),
        (LengthPrefixed(1, max_size=3, silence=1), [b"\x09ab", b"c", b"", b"\x01x"], [(FrameTooLong, b"\x09"), b"x"]),
        (LengthPrefixed(1, silence=1), [b"\x05ab", b"", b"\x01x"], [(FrameDamaged, b"\x05ab"), b"x"]),
        (LengthPrefixed(1, silence=1), [b"\x01x", b""], [b"x"]),
        (FixedSize(3, silence=1), [b"abcd", b"", b"xyz"], [b"abc", (FrameDamaged, b"d"), b"xyz"]),
        (Silence(seconds=1, max_size=3), [b"ab", b"cd", b"e", b"", b"x", b""], [(FrameTooLong, b"abc"), b"x"]),
        (Silence(seconds=1), [b""], []),
    ],
)
def test_what_is_not_a_frame(framing: Framing, pieces: list[bytes], expected: list[Any]) -> None:
    assert fed(framing, pieces) == expected


@pytest.mark.parametrize(
    ("framing", "damaged", "after", "expected"),
    [
        (Delimited(b"\n"), b"a", b"b\nc\n", [b"c"]),
        (Delimited(b"\r\n"), b"a", b"b\r", []),
        (Slip(), b"\xc0a", b"b\xc0c\xc0", [b"c"]),
        (Cobs(), b"\x05a", b"b\0\x02c\0", [b"c"]),
        (FixedSize(3), b"a", b"xyz", [b"xyz"]),
        (LengthPrefixed(1), b"\x04a", b"\x01x", [b"x"]),
    ],
)
def test_after_a_damaged_byte_the_next_frame_is_whole(
    framing: Framing, damaged: bytes, after: bytes, expected: list[bytes]
) -> None:
    framing.feed(damaged)
    assert framing.resync() == damaged.lstrip(b"\xc0")
    assert framing.feed(after) == expected


def test_a_pause_ends_what_is_skipped() -> None:
    for framing in (Silence(seconds=1), FixedSize(1, silence=1), LengthPrefixed(1, silence=1)):
        framing.feed(b"\x05")
        framing.resync()
        assert framing.silence == 1
        assert framing.feed(b"abc") == []
        assert framing.feed(b"") == []
        assert framing.silence is None


@pytest.mark.parametrize(
    ("framing", "frame"),
    [
        (Delimited(b"\n"), b"a\nb"),
        (Delimited(b"aa"), b"xa"),
        (Delimited(b"\n", max_size=2), b"abc"),
        (FixedSize(3), b"ab"),
        (LengthPrefixed(1, max_size=1000), b"x" * 256),
        (LengthPrefixed(1, counts_itself=True), b"x" * 255),
        (LengthPrefixed(1, header=2, trailer=1), b"ab"),
        (LengthPrefixed(1, max_size=2), b"abc"),
        (Slip(), b""),
        (Slip(max_size=2), b"abc"),
        (Cobs(max_size=2), b"abc"),
        (Silence(seconds=1), b""),
        (Silence(seconds=1, max_size=2), b"abc"),
    ],
)
def test_what_cannot_be_sent_is_refused(framing: Framing, frame: bytes) -> None:
    with pytest.raises(ValueError, match="frame must be"):
        framing.encode(frame)


@pytest.mark.parametrize("framing", [make() for make in MAKERS.values()], ids=MAKERS)
def test_text_is_no_frame(framing: Framing) -> None:
    with pytest.raises(TypeError, match=r"frame must be .*encode text first"):
        framing.encode("text")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Delimited(b""), ValueError, "delimiter"),
        (lambda: Delimited("\n"), TypeError, "delimiter"),  # type: ignore[arg-type]
        (lambda: Delimited(b"\n", max_size=0), ValueError, "max_size"),
        (lambda: FixedSize(0), ValueError, "size"),
        (lambda: FixedSize(2, silence=0), ValueError, "silence"),
        (lambda: LengthPrefixed(0), ValueError, "size"),
        (lambda: LengthPrefixed(9), ValueError, "size must be an integer from 1 to 8"),
        (lambda: LengthPrefixed(1, byteorder="native"), ValueError, "byteorder"),  # type: ignore[arg-type]
        (lambda: LengthPrefixed(1, counts_itself=1), TypeError, "counts_itself"),  # type: ignore[arg-type]
        (lambda: LengthPrefixed(1, header=-1), ValueError, "header"),
        (lambda: LengthPrefixed(1, header=4, trailer=4, max_size=7), ValueError, "max_size"),
        (lambda: Slip(max_size=0), ValueError, "max_size"),
        (lambda: Cobs(max_size=True), TypeError, "max_size"),
        (lambda: Silence(0), ValueError, "characters"),
        (lambda: Silence(float("nan")), ValueError, "characters"),
        (lambda: Silence("3.5"), TypeError, "characters"),  # type: ignore[arg-type]
        (lambda: Silence(minimum=-1), ValueError, "minimum"),
        (lambda: Silence(seconds=0), ValueError, "seconds"),
        (lambda: Silence(low_latency=1), TypeError, "low_latency"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()
