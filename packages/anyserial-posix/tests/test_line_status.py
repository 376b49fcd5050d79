"""Separating marks of line errors from data."""

from itertools import pairwise
from typing import Any

import pytest
from anyserial.config import LineErrors
from anyserial.exceptions import LineError
from anyserial_posix._line_status import LineDecoder
from hypothesis import given
from hypothesis import strategies as st

# What the line gave: good bytes, (byte,) for one with a parity or framing error, None for a break.
# A NUL with a parity error is marked as a break is (termios(3)), so there is none.
# Few values, so that marks, doubled marks and what looks like them meet often.
good = st.lists(st.sampled_from([0x00, 0x41, 0xFF]), min_size=1, max_size=6).map(bytes)
bad = st.tuples(st.sampled_from([0x41, 0xFF]))
events = st.lists(st.one_of(good, bad, st.none()), max_size=30)


def _marked(line: list[bytes | tuple[int] | None]) -> bytes:
    """Return what a tty with PARMRK makes of it (drivers/tty/n_tty.c)."""
    out = b""
    for event in line:
        if event is None:
            out += b"\xff\x00\x00"
        elif isinstance(event, tuple):
            out += b"\xff\x00" + bytes(event)
        else:
            out += event.replace(b"\xff", b"\xff\xff")
    return out


def _plain(items: list[bytes | LineError]) -> list[bytes | tuple[int] | None]:
    """Return decoded items as events, good bytes in a row joined."""
    found: list[bytes | tuple[int] | None] = []
    for item in items:
        if isinstance(item, LineError):
            assert item.byte is not None
            found.append(None if item.kind == "break" else (item.byte,))
        elif found and isinstance(found[-1], bytes):
            found[-1] += item
        else:
            assert item
            found.append(item)
    return found


def _joined(line: list[bytes | tuple[int] | None]) -> list[bytes | tuple[int] | None]:
    found: list[bytes | tuple[int] | None] = []
    for event in line:
        if isinstance(event, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += event
        else:
            found.append(event)
    return found


@given(line=events, cuts=st.lists(st.integers(0, 100), max_size=30))
def test_marks_are_read_over_any_cut(line: list[bytes | tuple[int] | None], cuts: list[int]) -> None:
    raw = _marked(line)
    decoder = LineDecoder(LineErrors.RAISE, "/dev/x")
    items: list[bytes | LineError] = []
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    for start, end in pairwise(edges):
        items += decoder(raw[start:end])
    assert _plain(items) == _joined(line)


@given(line=events, cut=st.integers(0, 200))
def test_discard_leaves_the_good_bytes(line: list[bytes | tuple[int] | None], cut: int) -> None:
    raw = _marked(line)
    decoder = LineDecoder(LineErrors.DISCARD, "/dev/x")
    items = [*decoder(raw[:cut]), *decoder(raw[cut:])]
    assert b"".join(item for item in items if isinstance(item, bytes)) == b"".join(
        event for event in line if isinstance(event, bytes)
    )
    assert not any(isinstance(item, LineError) for item in items)


@given(data=st.binary(max_size=300))
def test_any_bytes_at_all_are_taken(data: bytes) -> None:
    """Bytes that were queued before the marking was switched on are no valid marks."""
    decoder = LineDecoder(LineErrors.RAISE, "/dev/x")
    items = decoder(data)
    assert all(isinstance(item, LineError) or item for item in items)


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([b"plain"], [b"plain"]),
        ([b""], []),
        ([b"a\xff\xffb"], [b"a\xffb"]),
        ([b"\xff", b"\xff"], [b"\xff"]),
        ([b"\xff\xff", b"A"], [b"\xff", b"A"]),
        ([b"\xff\xff\xff", b"\xff"], [b"\xff", b"\xff"]),
        ([b"\xff\xff\x00"], [b"\xff\x00"]),
        ([b"a\xff\x00Xb"], [b"a", "parity_or_framing", b"b"]),
        ([b"a\xff", b"\x00", b"X", b"b"], [b"a", "parity_or_framing", b"b"]),
        ([b"\xff\x00\xff\xff\xff"], ["parity_or_framing", b"\xff"]),
        ([b"\xff\x00\x00"], ["break"]),
        ([b"\xff\x00\x00\xff\x00\x00"], ["break", "break"]),
        ([b"\xffA"], [b"\xffA"]),
        ([b"\xffA\xff\x00B"], [b"\xffA", "parity_or_framing"]),
    ],
)
def test_single_marks(reads: list[bytes], expected: list[bytes | str]) -> None:
    decoder = LineDecoder(LineErrors.RAISE, "/dev/x")
    items = [item for read in reads for item in decoder(read)]
    assert [item.kind if isinstance(item, LineError) else item for item in items] == expected


@pytest.mark.parametrize(("cut", "queued"), [(b"A\xff", b"\xffB"), (b"A\xff\x00", b"XB")])
def test_a_mark_cut_off_by_a_reset_does_not_touch_what_comes_next(simulated: Any, cut: bytes, queued: bytes) -> None:
    """FF FF and FF 00 X, of which the kernel holds the rest when the queue is thrown away."""
    kernel = simulated()
    port = kernel.open_backend(line_errors="raise")
    kernel.far.send(cut + queued)
    assert port.line_decoder(port.read(len(cut))) == [b"A"]
    assert kernel.near.recv(100) == queued  # the flush, which the simulated kernel only notes
    port.reset_input_buffer()
    kernel.far.send(b"next")
    assert port.line_decoder(port.read(100)) == [b"next"]


def test_an_error_carries_its_byte_and_the_path() -> None:
    (error,) = LineDecoder(LineErrors.RAISE, "/dev/ttyS9")(b"\xff\x00A")
    assert isinstance(error, LineError)
    assert (error.kind, error.byte, error.filename) == ("parity_or_framing", 0x41, "/dev/ttyS9")
    assert "0x41" in str(error)
