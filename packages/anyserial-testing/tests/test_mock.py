import errno
import gc
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyserial.capabilities import ControlLines, LineCounters, ModemLines
from anyserial.config import LineErrors, SerialConfig
from anyserial.exceptions import (
    LineError,
    PortBusyError,
    PortNotFoundError,
    SerialClosedError,
    SerialDisconnectedError,
    SerialError,
)
from anyserial_testing import FaultPlan, MockBackend

if TYPE_CHECKING:
    from anyserial.backend import SerialBackend

type Pair = tuple[MockBackend, MockBackend]

# Every call that needs an open port, as a user's port makes it.
CALLS: dict[str, Callable[[MockBackend], Any]] = {
    "read": lambda mock: mock.read(16),
    "read_into": lambda mock: mock.read_into(memoryview(bytearray(16))),
    "write": lambda mock: mock.write(b"x"),
    "input_waiting": lambda mock: mock.input_waiting(),
    "output_waiting": lambda mock: mock.output_waiting(),
    "configure": lambda mock: mock.configure(SerialConfig()),
    "reset_input_buffer": lambda mock: mock.reset_input_buffer(),
    "reset_output_buffer": lambda mock: mock.reset_output_buffer(),
    "drain": lambda mock: mock.drain(),
    "transmitter_empty": lambda mock: mock.transmitter_empty(),
    "set_break": lambda mock: mock.set_break(True),
    "modem_lines": lambda mock: mock.modem_lines(),
    "control_lines": lambda mock: mock.control_lines(),
    "set_control_lines": lambda mock: mock.set_control_lines(rts=True),
    "line_counters": lambda mock: mock.line_counters(),
}


@pytest.fixture
def pair() -> Iterator[Pair]:
    a, b = MockBackend.pair()
    a.open(a.path, SerialConfig())
    b.open(b.path, SerialConfig())
    yield a, b
    a.close()
    b.close()


def readable(mock: MockBackend) -> bool:
    return bool(select.select([mock], [], [], 0)[0])


def read_all(mock: MockBackend, size: int = 65536) -> bytes:
    found = bytearray()
    while readable(mock):
        found += mock.read(size) or b""
    return bytes(found)


def read_pieces(mock: MockBackend, size: int) -> list[bytes | LineError]:
    """Read what is there through the decoder; join data that lies side by side."""
    pieces: list[bytes | LineError] = []
    decoder = mock.line_decoder
    assert decoder is not None
    while readable(mock):
        for piece in decoder(mock.read(size) or b""):
            if isinstance(piece, bytes) and pieces and isinstance(last := pieces[-1], bytes):
                pieces[-1] = last + piece
            else:
                pieces.append(piece)
    return pieces


def test_it_is_a_serial_backend() -> None:
    backend: SerialBackend = MockBackend.pair()[0]
    assert not backend.is_open


def test_pair_is_unopened_and_knows_its_paths() -> None:
    a, b = MockBackend.pair(path_a="/dev/ttyA", path_b="/dev/ttyB")
    assert (a.path, b.path) == ("/dev/ttyA", "/dev/ttyB")
    assert not a.is_open
    assert not b.is_open
    assert a.last_config is None
    assert a.actual_baudrate is None
    assert a.faults == FaultPlan()
    assert a.faults is not b.faults
    assert repr(a) == "<MockBackend '/dev/ttyA' closed>"


def test_open_reports_the_path_and_settings_it_was_given(pair: Pair) -> None:
    a, _ = pair
    a.close()
    config = SerialConfig(baudrate=31250)
    a.open("/dev/ttyUSB7", config)
    assert (a.path, a.is_open, a.last_config, a.actual_baudrate) == ("/dev/ttyUSB7", True, config, 31250)


def test_second_open_is_refused_and_harms_nothing(pair: Pair) -> None:
    a, b = pair
    with pytest.raises(PortBusyError, match="open already") as caught:
        a.open(a.path, SerialConfig())
    assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, "/dev/mockA")
    b.write(b"still here")
    assert a.read(64) == b"still here"


def test_bytes_cross_both_ways(pair: Pair) -> None:
    a, b = pair
    assert a.write(b"ping") == 4
    assert b.write(memoryview(b"pong")) == 4
    assert (a.read(64), b.read(64)) == (b"pong", b"ping")


def test_read_gives_none_when_nothing_is_there_and_respects_its_limit(pair: Pair) -> None:
    a, b = pair
    assert a.read(10) is None
    buffer = bytearray(4)
    assert a.read_into(memoryview(buffer)) is None
    b.write(b"abcdefg")
    assert a.input_waiting() == 7
    assert a.read(2) == b"ab"
    assert a.read_into(memoryview(buffer)) == 4
    assert buffer == b"cdef"
    assert a.input_waiting() == 1


def test_readiness_is_the_kernels(pair: Pair) -> None:
    a, b = pair
    assert not readable(a)
    b.write(b"x")
    assert readable(a)
    a.read(1)
    assert not readable(a)


def test_writing_more_than_the_far_end_reads_is_pushed_back_and_loses_nothing(pair: Pair) -> None:
    a, b = pair
    sent = bytearray()
    chunk = bytes(range(256)) * 64
    while (count := a.write(chunk)) is not None:
        sent += chunk[:count]
    assert not select.select([], [a], [], 0)[1]
    assert read_all(b) == sent
    assert select.select([], [a], [], 0)[1]


def test_bytes_sent_before_the_far_end_opens_wait_for_it() -> None:
    a, b = MockBackend.pair()
    a.open(a.path, SerialConfig())
    a.write(b"early")
    b.open(b.path, SerialConfig())
    assert b.read(64) == b"early"
    a.close()
    b.close()


def test_discard_input_on_open_throws_away_what_came_before() -> None:
    a, b = MockBackend.pair()
    a.open(a.path, SerialConfig())
    a.write(b"early")
    b.open(b.path, SerialConfig(discard_input_on_open=True))
    assert b.read(64) is None
    a.close()
    b.close()


@pytest.mark.parametrize(("line", "far"), [("rts", {"cts"}), ("dtr", {"dsr", "cd"})])
def test_lines_cross(pair: Pair, line: str, far: set[str]) -> None:
    a, b = pair
    off = ModemLines(cts=False, dsr=False, ri=False, cd=False)
    assert b.modem_lines() == off
    a.set_control_lines(**{line: True})
    assert {name for name in ("cts", "dsr", "ri", "cd") if getattr(b.modem_lines(), name)} == far
    assert a.modem_lines() == off
    assert getattr(a.control_lines(), line)
    a.set_control_lines(**{line: False})
    assert b.modem_lines() == off


def test_setting_one_line_leaves_the_other(pair: Pair) -> None:
    a, _ = pair
    a.set_control_lines(rts=True, dtr=True)
    a.set_control_lines(rts=False)
    assert a.control_lines() == ControlLines(rts=False, dtr=True)


@pytest.mark.parametrize("hangup_on_close", [True, False])
def test_lines_on_open_and_on_close(*, hangup_on_close: bool) -> None:
    a, b = MockBackend.pair()
    b.open(b.path, SerialConfig())
    a.open(a.path, SerialConfig(rts_on_open=True, dtr_on_open=True, hangup_on_close=hangup_on_close))
    assert b.modem_lines() == ModemLines(cts=True, dsr=True, ri=False, cd=True)
    a.close()
    b.close()
    b.open(b.path, SerialConfig())
    up = not hangup_on_close
    assert b.modem_lines() == ModemLines(cts=up, dsr=up, ri=False, cd=up)
    b.close()


def test_break_is_seen_on_this_side_and_counted_on_the_other(pair: Pair) -> None:
    a, b = pair
    a.set_break(True)
    a.set_break(True)
    assert (a.break_asserted, b.break_asserted) == (True, False)
    a.set_break(False)
    assert not a.break_asserted
    assert (a.line_counters().brk, b.line_counters().brk) == (0, 1)


def test_counters_count_bytes_changes_and_damage(pair: Pair) -> None:
    a, b = pair
    a.set_control_lines(rts=True, dtr=True)
    a.set_control_lines(rts=False)
    b.faults.parity_errors = 1
    a.write(b"12345")
    b.read(3)
    expected = {"cts": 2, "dsr": 1, "ri": 0, "cd": 1, "rx": 3, "tx": 0, "frame": 0, "overrun": 0}
    assert b.line_counters() == LineCounters(**expected, parity=1, brk=0, buf_overrun=0)
    assert a.line_counters().tx == 5


def test_configure_records(pair: Pair) -> None:
    a, _ = pair
    config = SerialConfig(baudrate=9600, parity="even")
    a.configure(config)
    assert a.last_config == config
    assert a.actual_baudrate == 9600


def test_what_was_written_has_left_although_nobody_read_it(pair: Pair) -> None:
    a, b = pair
    a.write(b"unread")
    assert a.output_waiting() == 0
    a.drain()
    assert a.transmitter_empty() is True
    a.reset_output_buffer()
    assert b.read(64) == b"unread"


def test_reset_input_buffer_of_a_port_that_is_hung_up_is_refused(pair: Pair) -> None:
    a, b = pair
    b.write(b"unread")
    b.close()
    with pytest.raises(SerialDisconnectedError):
        a.reset_input_buffer()
    assert a.read(64) == b"unread"


def test_reset_input_buffer_empties_it(pair: Pair) -> None:
    a, b = pair
    b.write(bytes(100_000))
    a.reset_input_buffer()
    assert a.input_waiting() == 0
    assert not readable(a)


@pytest.mark.parametrize("name", CALLS)
def test_closed_side_refuses(name: str) -> None:
    a, _ = MockBackend.pair()
    for _ in ("never opened", "closed"):
        with pytest.raises(SerialClosedError) as caught:
            CALLS[name](a)
        assert caught.value.filename == "/dev/mockA"
        with pytest.raises(SerialClosedError):
            a.fileno()
        a.open(a.path, SerialConfig())
        a.close()
        a.close()


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("how", ["far end closed", "far end closed with input unread", "unplugged"])
def test_every_call_notices_that_the_device_is_gone(pair: Pair, name: str, how: str) -> None:
    a, b = pair
    if how == "unplugged":
        a.faults.disconnected = True
    else:
        if "unread" in how:
            a.write(b"never read")
        b.close()
    assert a.hung_up()
    with pytest.raises(SerialDisconnectedError) as caught:
        CALLS[name](a)
    assert caught.value.filename == "/dev/mockA"
    # Not an input error of the call: the next one is answered alike.
    with pytest.raises(SerialDisconnectedError):
        CALLS[name](a)


def test_what_came_before_the_hangup_is_read_first(pair: Pair) -> None:
    a, b = pair
    b.write(b"last words")
    b.close()
    assert a.input_waiting() == 10
    assert a.read(4) == b"last"
    assert a.read(64) == b" words"
    with pytest.raises(SerialDisconnectedError):
        a.read(64)


def test_unplugging_wakes_both_sides(pair: Pair) -> None:
    a, b = pair
    assert not readable(a)
    assert not readable(b)
    a.faults.disconnected = True
    assert readable(a)
    assert readable(b)
    with pytest.raises(SerialDisconnectedError):
        b.read(1)
    a.faults.disconnected = True  # once more harms nothing


def test_both_sides_may_open_again_after_a_hangup(pair: Pair) -> None:
    a, b = pair
    a.faults.disconnected = True
    a.close()
    with pytest.raises(PortNotFoundError):
        a.open(a.path, SerialConfig())
    assert not a.is_open
    a.faults.disconnected = False
    a.open(a.path, SerialConfig())
    a.write(b"new conversation")
    with pytest.raises(SerialDisconnectedError):
        b.read(64)
    b.close()
    b.open(b.path, SerialConfig())
    assert b.read(64) == b"new conversation"


def test_no_descriptor_is_left() -> None:
    before = set(Path("/dev/fd").iterdir())
    a, b = MockBackend.pair()
    for first, second in ((a, b), (b, a)):
        first.open(first.path, SerialConfig())
        first.close()  # the far end never opened
        first.open(first.path, SerialConfig())
        second.open(second.path, SerialConfig())
        first.close()
        first.open(first.path, SerialConfig())  # the far end is in the old conversation still
        second.close()
        second.open(second.path, SerialConfig())
        second.close()
        first.close()
    gc.collect()
    assert set(Path("/dev/fd").iterdir()) == before


@pytest.mark.parametrize("fault", ["eagain_reads", "eintr_reads"])
def test_faulty_reads_lose_nothing(pair: Pair, fault: str) -> None:
    a, b = pair
    setattr(a.faults, fault, 3)
    b.write(b"payload")
    answers: list[bytes | None] = []
    while readable(a):
        answers.append(a.read(64))
    assert answers == ([None] * 3 + [b"payload"] if fault == "eagain_reads" else [b"payload"])
    assert getattr(a.faults, fault) == 0


@pytest.mark.parametrize("fault", ["eagain_writes", "eintr_writes"])
def test_faulty_writes_lose_nothing(pair: Pair, fault: str) -> None:
    a, b = pair
    setattr(a.faults, fault, 2)
    answers = [a.write(b"payload")]
    while answers[-1] is None:
        assert select.select([], [a], [], 0)[1]
        answers.append(a.write(b"payload"))
    assert answers == ([None, None, 7] if fault == "eagain_writes" else [7])
    assert b.read(64) == b"payload"


def test_short_writes(pair: Pair) -> None:
    a, b = pair
    a.faults.short_write_max = 3
    assert [a.write(b"1234567"), a.write(b"12")] == [3, 2]
    a.faults.short_write_max = None
    assert a.write(b"1234567") == 7
    assert b.read(64) == b"123121234567"


def test_faults_are_one_sides_own(pair: Pair) -> None:
    a, b = pair
    a.faults.eagain_reads = a.faults.eagain_writes = 1
    assert b.write(b"x") == 1
    assert b.read(1) is None
    assert b.faults == FaultPlan()
    assert a.faults.eagain_writes == 1


def test_eio_on_read_is_no_disconnect_and_passes(pair: Pair) -> None:
    a, b = pair
    b.write(b"kept")
    a.faults.raise_eio_on_read = True
    for _ in range(2):
        with pytest.raises(SerialError) as caught:
            a.read(64)
        assert type(caught.value) is SerialError
        assert (caught.value.errno, caught.value.filename) == (errno.EIO, "/dev/mockA")
        assert isinstance(caught.value.__cause__, OSError)
    assert not a.hung_up()
    a.faults.raise_eio_on_read = False
    assert a.read(64) == b"kept"


@pytest.mark.parametrize(
    ("line_errors", "expected"), [(LineErrors.IGNORE, b"ABCDEF"), (LineErrors.DISCARD, b"CDEF")], ids=str
)
def test_damaged_bytes_without_marks(pair: Pair, line_errors: LineErrors, expected: bytes) -> None:
    a, b = pair
    a.configure(SerialConfig(line_errors=line_errors))
    a.faults.parity_errors = 2
    assert a.line_decoder is None
    b.write(b"@CCDEF")
    assert read_all(a) == expected
    assert a.faults.parity_errors == 0
    assert a.line_counters().parity == 2


def test_discarding_all_that_came_is_as_if_nothing_came(pair: Pair) -> None:
    a, b = pair
    a.configure(SerialConfig(line_errors="discard"))
    a.faults.parity_errors = 3
    b.write(b"123")
    assert a.read(64) is None
    assert a.input_waiting() == 0


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 64])
def test_marks_are_right_across_any_read_boundary(pair: Pair, size: int) -> None:
    a, b = pair
    a.configure(SerialConfig(line_errors="raise"))
    b.write(b"\xff\x00before\xff")
    assert read_pieces(a, size) == [b"\xff\x00before\xff"]
    a.faults.parity_errors = 2
    b.write(b"@\xfe\xff\xff\x00after")
    first, second, data = read_pieces(a, size)
    assert data == b"\xff\xff\x00after"
    for error, byte in ((first, 0x41), (second, 0xFF)):
        assert isinstance(error, LineError)
        assert (error.kind, error.byte, error.filename) == ("parity_or_framing", byte, "/dev/mockA")
    assert a.input_waiting() == 0


def test_marked_reads_never_exceed_their_limit(pair: Pair) -> None:
    a, b = pair
    a.configure(SerialConfig(line_errors="raise"))
    a.faults.parity_errors = 50
    b.write(b"\xff" * 100)
    for size in range(1, 20):
        data = a.read(size)
        assert data is not None
        assert 1 <= len(data) <= size


def test_reset_in_the_middle_of_a_mark_begins_afresh(pair: Pair) -> None:
    a, b = pair
    a.configure(SerialConfig(line_errors="raise"))
    a.faults.parity_errors = 1
    b.write(b"AB")
    decoder = a.line_decoder
    assert decoder is not None
    assert decoder(a.read(1) or b"") == []
    a.reset_input_buffer()
    b.write(b"fresh")
    assert decoder(a.read(64) or b"") == [b"fresh"]


def test_import_is_slim() -> None:
    code = (
        "import sys, anyserial_testing, anyserial.testing\n"
        "print([m for m in ('asyncio', 'ctypes', 'importlib.metadata', 'pytest', 'trio') if m in sys.modules])"
    )
    argv = [sys.executable, "-c", code]
    shown = subprocess.run(argv, check=True, capture_output=True, text=True)  # our own words
    assert shown.stdout.strip() == "[]"
