"""Separating marks of line errors from data."""

import errno
import threading
import time
from itertools import pairwise
from typing import Any

import pytest
from anyserial.config import LineErrors, SerialConfig
from anyserial.exceptions import LineError, SerialError
from anyserial_posix._line_status import LineDecoder, change_over
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
    """Bytes that were queued before the marking was switched on are not valid marks."""
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


def _as_read_without_marks(line: list[bytes | tuple[int] | None]) -> bytes:
    """Return what a tty without PARMRK makes of it."""
    return b"".join(b"\0" if event is None else bytes(event) for event in line)


@given(line=events, cuts=st.lists(st.integers(0, 100), max_size=30))
def test_ignore_takes_the_marks_out_and_leaves_the_bytes(
    line: list[bytes | tuple[int] | None], cuts: list[int]
) -> None:
    raw = _marked(line)
    decoder = LineDecoder(LineErrors.IGNORE, "/dev/x")
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    items = [item for start, end in pairwise(edges) for item in decoder(raw[start:end])]
    assert b"".join(item for item in items if isinstance(item, bytes)) == _as_read_without_marks(line)


modes = st.sampled_from([None, LineErrors.DISCARD, LineErrors.RAISE])


def _received(line: list[bytes | tuple[int] | None], mode: LineErrors | None) -> bytes:
    """Return what a tty queues in a mode; None for one that marks nothing."""
    return _as_read_without_marks(line) if mode is None else _marked(line)


def _told(line: list[bytes | tuple[int] | None], mode: LineErrors | None) -> list[bytes | tuple[int] | None]:
    """Return what a caller hears of it in a mode."""
    if mode is None:
        return [_as_read_without_marks(line)] if line else []
    return [event for event in line if mode is LineErrors.RAISE or isinstance(event, bytes)]


@given(changes=st.lists(st.tuples(modes, events), min_size=1, max_size=4), size=st.integers(1, 50), taken=st.data())
def test_every_byte_is_decoded_as_it_was_marked(
    changes: list[tuple[LineErrors | None, list[bytes | tuple[int] | None]]], size: int, taken: st.DataObject
) -> None:
    """However often the mode changes, and however much of the queue is read in between."""
    queue = b""
    decoder: Any = None
    items: list[bytes | LineError] = []

    def read(count: int) -> None:
        nonlocal queue
        data, queue = queue[:count], queue[count:]
        if data:
            items.extend([data] if decoder is None else decoder(data))

    for mode, line in changes:
        after = None if mode is None else LineDecoder(mode, "/dev/x")
        decoder = change_over(decoder, len(queue), after)
        queue += _received(line, mode)
        for _ in range(taken.draw(st.integers(0, 3))):
            read(size)
    while queue:
        read(size)
    assert _plain(items) == _joined([event for mode, line in changes for event in _told(line, mode)])


def _queue(kernel: Any, data: bytes) -> None:
    kernel.far.send(data)


def _read_all(port: Any) -> list[bytes | str]:
    """Return what a caller gets: data joined, and the kind of each error."""
    found: list[bytes | str] = []
    while (data := port.read(2)) is not None:
        for item in [data] if port.line_decoder is None else port.line_decoder(data):
            if isinstance(item, LineError):
                found.append(item.kind)
            elif found and isinstance(found[-1], bytes):
                found[-1] += item
            else:
                found.append(item)
    return found


@pytest.mark.parametrize(
    ("modes", "queued", "later", "expected"),
    [
        (("discard", "ignore"), b"A\xff\xffB", b"\xffC", [b"A\xffB\xffC"]),
        (("discard", "ignore"), b"A\xff\x00XB", b"\xff\x00Y", [b"AB\xff\x00Y"]),
        (("ignore", "raise"), b"\xff\x00\x42", b"\xff\x00\x43", [b"\xff\x00\x42", "parity_or_framing"]),
        (("ignore", "discard"), b"\xff\xff", b"\xff\xff", [b"\xff\xff\xff"]),
        (("discard", "raise"), b"A\xff\x00XB", b"\xff\x00Y", [b"AB", "parity_or_framing"]),
        (("raise", "discard"), b"A\xff\x00XB", b"\xff\x00YC", [b"A", "parity_or_framing", b"BC"]),
        (("raise", "ignore"), b"", b"\xff\xff", [b"\xff\xff"]),
    ],
)
def test_what_is_queued_is_decoded_as_it_was_marked(
    simulated: Any, modes: tuple[str, str], queued: bytes, later: bytes, expected: list[bytes | str]
) -> None:
    before, after = modes
    kernel = simulated()
    port = kernel.open_backend(line_errors=before)
    _queue(kernel, queued)
    port.configure(SerialConfig(line_errors=LineErrors(after)))
    assert port.input_waiting() == len(queued)
    _queue(kernel, later)
    assert _read_all(port) == expected


def test_the_marks_change_back_and_forth_with_nothing_read(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    for mode, data in (("discard", b"1\xff\xff"), ("ignore", b"2\xff"), ("raise", b"3\xff\xff"), ("ignore", b"4\xff")):
        port.configure(SerialConfig(line_errors=LineErrors(mode)))
        _queue(kernel, data)
    assert _read_all(port) == [b"1\xff2\xff3\xff4\xff"]


@pytest.mark.parametrize(
    ("found", "line_errors", "queued", "expected"),
    [
        (0, "discard", b"A\xff\x00B\xff\xff", [b"A\xff\x00B\xff\xff"]),
        (0x18, "ignore", b"A\xff\xff\xff\x00X", [b"A\xffX"]),
        (0x18, "raise", b"A\xff\xff\xff\x00X", [b"A\xff", "parity_or_framing"]),
        (0x18, "discard", b"A\xff\xff\xff\x00X", [b"A\xff"]),
        (0, "ignore", b"A\xff\xff", [b"A\xff\xff"]),
    ],
)
def test_what_is_queued_at_the_open_is_decoded_as_it_was_marked(
    simulated: Any, found: int, line_errors: str, queued: bytes, expected: list[bytes | str]
) -> None:
    kernel = simulated()
    kernel.make_raw()
    kernel.attributes = kernel.attributes._replace(iflag=found)
    _queue(kernel, queued)
    port = kernel.open_backend(line_errors=line_errors)
    assert _read_all(port) == expected


def test_the_queue_is_counted_only_when_the_marking_changes(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    port.configure(SerialConfig(baudrate=300))
    assert not {"fionread", "pause"} & set(kernel.names())
    port.configure(SerialConfig(line_errors="raise"))
    assert kernel.names().count("fionread") == 1
    assert port.line_decoder is not None
    port.configure(SerialConfig())
    assert port.line_decoder is None  # nothing was queued: reads need no decoder any more


def test_a_driver_that_does_not_count_its_queue_is_taken_for_empty(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    kernel.refused["fionread"] = errno.ENOTTY
    port.configure(SerialConfig(line_errors="raise"))
    _queue(kernel, b"A\xff\xff")
    assert _read_all(port) == [b"A\xff"]
    kernel.refused["fionread"] = errno.EIO
    with pytest.raises(SerialError):
        port.configure(SerialConfig())
    assert kernel.attributes.iflag & 0x18 == 0x18


def test_nothing_is_read_while_the_marking_changes(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    kernel.held["pause"] = threading.Event()
    change = threading.Thread(target=port.configure, args=(SerialConfig(line_errors="raise"),))
    change.start()
    try:
        deadline = time.monotonic() + 5
        while "pause" not in kernel.names():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        _queue(kernel, b"\xff")
        assert port.read(16) is None
        assert port.read_into(memoryview(bytearray(16))) is None
    finally:
        kernel.held["pause"].set()
        change.join()
    assert _read_all(port) == [b"\xff"]


def test_a_reset_forgets_what_was_queued_before_the_change(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    _queue(kernel, b"\xff\xff")
    port.configure(SerialConfig(line_errors="raise"))
    assert kernel.near.recv(100) == b"\xff\xff"  # the flush, which the simulated kernel only notes
    port.reset_input_buffer()
    _queue(kernel, b"\xff\xffnext")
    assert _read_all(port) == [b"\xffnext"]


def test_discarding_on_open_forgets_what_was_queued(simulated: Any) -> None:
    kernel = simulated()
    kernel.make_raw()
    _queue(kernel, b"\xff\xff")
    plain = kernel.flush
    flushed: list[bytes] = []

    def flush(fd: int, queue: int) -> None:
        plain(fd, queue)
        if count := kernel.input_waiting():
            flushed.append(kernel.near.recv(count))

    kernel.flush = flush
    port = kernel.open_backend(line_errors="raise", discard_input_on_open=True)
    assert flushed == [b"\xff\xff"]
    _queue(kernel, b"\xff\xffnext")
    assert _read_all(port) == [b"\xffnext"]


def test_an_error_carries_its_byte_and_the_path() -> None:
    (error,) = LineDecoder(LineErrors.RAISE, "/dev/ttyS9")(b"\xff\x00A")
    assert isinstance(error, LineError)
    assert (error.kind, error.byte, error.filename) == ("parity_or_framing", 0x41, "/dev/ttyS9")
    assert "0x41" in str(error)
