# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# A lambda has nowhere to say what it takes.
"""Receiving and sending on a descriptor, in one thread."""

import math
import os
import pickle
import signal
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyserial.exceptions import LineError, SerialClosedError, SerialDisconnectedError

if TYPE_CHECKING:
    from collections.abc import Callable


type Rig = Any  # conftest's, which has no name to import it by


def test_bytes_go_both_ways(rig: Rig) -> None:
    rig.port.send(b"to the far end")
    assert os.read(rig.master, 64) == b"to the far end"
    rig.write(b"and back")
    assert rig.port.receive(3) == b"and"
    assert rig.port.receive() == b" back"
    statistics = rig.port.statistics
    assert (statistics.bytes_sent, statistics.bytes_received) == (14, 8)


def test_a_receive_waits_first_and_reads_once(rig: Rig) -> None:
    rig.write(b"abc")
    rig.backend.calls.clear()
    assert rig.port.receive(64) == b"abc"
    assert rig.backend.calls == ["read"]


def test_it_tries_first_only_after_a_full_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.write(b"abcdef")
    assert rig.port.receive(3) == b"abc"
    # No wait now: the turnstile's would fail the test.
    monkeypatch.setattr(rig.port._receiving, "wait", None)
    monkeypatch.setattr(type(rig.port._receiving), "arm", lambda *_: pytest.fail("it waited"))
    assert rig.port.receive(64) == b"def"


def test_a_send_makes_the_next_receive_wait_first(rig: Rig) -> None:
    rig.write(b"abc")
    assert rig.port.receive(3) == b"abc"
    rig.port.send(b"question")
    rig.backend.calls.clear()
    with pytest.raises(TimeoutError):
        rig.port.receive(3, timeout=0.001)
    assert rig.backend.calls == []


def test_receive_into_and_available(rig: Rig) -> None:
    rig.write(b"0123456789")
    buffer = bytearray(4)
    assert rig.port.receive_into(buffer) == 4
    assert buffer == b"0123"
    view = memoryview(bytearray(16))
    assert rig.port.receive_into(view[:2]) == 2
    assert rig.port.receive_available(limit=1) == b"6"
    assert rig.port.receive_available() == b"789"
    with pytest.raises(TimeoutError):
        rig.port.receive_into(buffer, timeout=0)
    with pytest.raises(TimeoutError):
        rig.port.receive_into(buffer, timeout=0.001)


def test_send_buffer_takes_any_buffer(rig: Rig) -> None:
    import array  # noqa: PLC0415

    rig.port.send_buffer(array.array("H", [0x4142, 0x4344]))
    assert os.read(rig.master, 64) == array.array("H", [0x4142, 0x4344]).tobytes()
    rig.port.send_buffer(memoryview(b"b.y.t.e.s.")[::2])
    assert os.read(rig.master, 64) == b"bytes"
    wrong: Any
    for wrong in ("text", "", None, 5):
        with pytest.raises(TypeError, match=r"^data must be bytes or another buffer \(got "):
            rig.port.send_buffer(wrong)
    rig.port.send_buffer(array.array("H"))
    rig.port.send(b"")
    rig.port.send_eof()
    rig.port.send(b"still usable")
    assert os.read(rig.master, 64) == b"still usable"


def test_a_send_that_does_not_fit_goes_on_when_there_is_room(rig: Rig) -> None:
    from threading import Thread  # noqa: PLC0415

    payload = os.urandom(200_000)
    got = bytearray()

    def drain() -> None:
        while len(got) < len(payload):
            got.extend(os.read(rig.master, 65536))

    reader = Thread(target=drain)
    reader.start()
    rig.port.send(payload, timeout=30)
    reader.join(30)
    assert got == payload


@pytest.mark.parametrize("timeout", [0, 0.0, 0.001, 1e-9])
def test_a_timeout_leaves_everything_as_it_was(rig: Rig, timeout: float) -> None:
    with pytest.raises(TimeoutError) as caught:
        rig.port.receive(timeout=timeout)
    assert type(caught.value) is TimeoutError
    assert caught.value.filename == rig.port.path
    rig.write(b"later")
    assert rig.port.receive(timeout=timeout if timeout == 0 else None) == b"later"


def test_a_timeout_is_kept_in_spite_of_wakings_for_nothing(rig: Rig) -> None:
    rig.write(b"x")
    rig.port._port.transport.read_onto = lambda _items, _size: False  # the driver's data was noise
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        rig.port.receive(timeout=0.05)
    assert 0.05 <= time.monotonic() - start < 5


def test_timeout_0_sends_what_fits(rig: Rig) -> None:
    with pytest.raises(TimeoutError):
        rig.port.send(bytes(1_000_000), timeout=0)
    assert 0 < rig.port.statistics.bytes_sent < 1_000_000


CALLS: "list[tuple[str, Callable[[Any, Any], Any]]]" = [
    ("receive", lambda port, timeout: port.receive(timeout=timeout)),
    ("receive_into", lambda port, timeout: port.receive_into(bytearray(4), timeout=timeout)),
    ("receive_available", lambda port, timeout: port.receive_available(timeout=timeout)),
    ("receive_exactly", lambda port, timeout: port.receive_exactly(4, timeout=timeout)),
    ("receive_until", lambda port, timeout: port.receive_until(b"\n", 10, timeout=timeout)),
    ("lines", lambda port, timeout: next(port.lines(timeout=timeout))),
    ("send", lambda port, timeout: port.send(b"x", timeout=timeout)),
    ("send_buffer", lambda port, timeout: port.send_buffer(b"x", timeout=timeout)),
    ("send_eof", lambda port, timeout: port.send_eof(timeout=timeout)),
    ("drain", lambda port, timeout: port.drain(timeout=timeout)),
    ("drain_exact", lambda port, timeout: port.drain_exact(timeout=timeout)),
    ("send_break", lambda port, timeout: port.send_break(0, timeout=timeout)),
    ("set_break", lambda port, timeout: port.set_break(False, timeout=timeout)),
    ("configure", lambda port, timeout: port.configure(port.config, timeout=timeout)),
    ("reset_input_buffer", lambda port, timeout: port.reset_input_buffer(timeout=timeout)),
    ("reset_output_buffer", lambda port, timeout: port.reset_output_buffer(timeout=timeout)),
    ("modem_lines", lambda port, timeout: port.modem_lines(timeout=timeout)),
    ("control_lines", lambda port, timeout: port.control_lines(timeout=timeout)),
    ("set_control_lines", lambda port, timeout: port.set_control_lines(rts=True, timeout=timeout)),
    ("wait_modem_change", lambda port, timeout: port.wait_modem_change(timeout=timeout)),
    ("modem_changes", lambda port, timeout: next(port.modem_changes(timeout=timeout))),
    ("line_counters", lambda port, timeout: port.line_counters(timeout=timeout)),
]


@pytest.mark.parametrize("call", [call for _, call in CALLS], ids=[name for name, _ in CALLS])
@pytest.mark.parametrize(
    ("timeout", "error"),
    [(-1, ValueError), (math.nan, ValueError), ("1", TypeError), (True, TypeError)],
)
def test_a_wrong_timeout_is_refused_by_name(
    rig: Rig, call: "Callable[[Any, Any], Any]", timeout: Any, error: type[Exception]
) -> None:
    rig.backend.counts = {}
    rig.write(b"line\n")
    with pytest.raises(error, match=r"^timeout must be"):
        call(rig.port, timeout)
    assert rig.port.receive() == b"line\n"


@pytest.mark.parametrize("call", [call for _, call in CALLS], ids=[name for name, _ in CALLS])
def test_every_call_on_a_closed_port_says_so(rig: Rig, call: "Callable[[Any, Any], Any]") -> None:
    rig.port.close()
    for timeout in (None, 0, 1.0):
        with pytest.raises(SerialClosedError):
            call(rig.port, timeout)


@pytest.mark.parametrize("size", [0, -1, True, "1", 1.5])
def test_a_wrong_size_is_refused_by_name(rig: Rig, size: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="max_bytes must be"):
        rig.port.receive(size)
    with pytest.raises((TypeError, ValueError), match="limit must be"):
        rig.port.receive_available(limit=size)
    with pytest.raises((TypeError, ValueError), match="nbytes must be"):
        rig.port.receive_exactly(size)
    with pytest.raises((TypeError, ValueError), match="max_bytes must be"):
        rig.port.receive_until(b"\n", size)


def test_wrong_buffers_are_refused(rig: Rig) -> None:
    with pytest.raises(TypeError, match="writable"):
        rig.port.receive_into(memoryview(b"abc"))
    with pytest.raises(ValueError, match="at least one byte"):
        rig.port.receive_into(bytearray())
    with pytest.raises(TypeError, match="encode text first"):
        rig.port.send("text")
    rig.port.send(b"usable")


def test_receive_exactly_takes_its_time_and_keeps_what_came(rig: Rig) -> None:
    rig.write(b"abcde")
    assert rig.port.receive_exactly(3) == b"abc"
    with pytest.raises(TimeoutError):
        rig.port.receive_exactly(3, timeout=0.01)
    assert rig.port.input_waiting() == 2
    rig.write(b"fgh")
    assert rig.port.receive_exactly(3, timeout=1) == b"def"
    assert rig.port.receive_exactly(2, timeout=0) == b"gh"
    assert rig.port.statistics.bytes_received == 8


def test_receive_until_in_every_way_that_it_can_arrive(rig: Rig) -> None:
    rig.write(b"one\r\ntwo\r")
    assert rig.port.receive_until(b"\r\n", 3) == b"one"
    with pytest.raises(TimeoutError):
        rig.port.receive_until(b"\r\n", 3, timeout=0.01)
    rig.write(b"\nx\r\n")
    assert rig.port.receive_until(b"\r\n", 3) == b"two"
    assert rig.port.receive() == b"x\r\n"
    rig.write(b"\r\n")
    assert rig.port.receive_until(b"\r\n", 1) == b""


def test_no_delimiter_where_it_should_be(rig: Rig) -> None:
    rig.write(b"abcdefgh\n")
    with pytest.raises(anyio.DelimiterNotFound):
        rig.port.receive_until(b"\n", 7)
    assert rig.port.receive_until(b"\n", 8) == b"abcdefgh"
    assert rig.port.statistics.bytes_received == 9


@pytest.mark.parametrize("delimiter", [b"", "\n", None])
def test_a_wrong_delimiter_is_refused(rig: Rig, delimiter: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="delimiter must be"):
        rig.port.receive_until(delimiter, 8)


def test_lines(rig: Rig) -> None:
    rig.write(b"one\ntwo\n\nthr")
    lines = iter(rig.port)
    assert [next(lines) for _ in range(3)] == [b"one\n", b"two\n", b"\n"]
    with pytest.raises(TimeoutError):
        next(rig.port.lines(timeout=0))
    rig.write(b"ee\n")
    assert next(lines) == b"three\n"


def test_a_damaged_byte_in_the_middle_loses_nothing(rig: Rig) -> None:
    error = LineError(None, "parity", rig.port.path, byte=0x55)
    rig.port._pushback.extend([b"ab", error, b"cd"])
    with pytest.raises(LineError):
        rig.port.receive_exactly(4)
    assert rig.port.input_waiting() == 4
    assert rig.port.receive_exactly(4) == b"abcd"


def test_a_hang_up_comes_after_the_bytes(rig: Rig) -> None:
    rig.write(b"abc")
    assert rig.port.receive_until(b"b", 5) == b"a"
    rig.hang_up()
    with pytest.raises(SerialDisconnectedError) as caught:
        rig.port.receive_exactly(4, timeout=5)
    assert isinstance(caught.value, anyio.IncompleteRead)
    assert caught.value.filename == rig.port.path
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert copy.args == caught.value.args
    assert not rig.port.is_open
    assert rig.port.input_waiting() == 1
    assert rig.port.receive() == b"c"
    for _ in range(2):
        with pytest.raises(SerialDisconnectedError):
            rig.port.receive()
        with pytest.raises(SerialDisconnectedError):
            rig.port.send(b"x")
    rig.port.close()
    with pytest.raises(SerialClosedError):
        rig.port.receive()


def test_ctrl_c_interrupts_and_loses_nothing(rig: Rig) -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        calls: list[tuple[Callable[[], Any], bytes]] = [
            (rig.port.receive, b""),
            (lambda: rig.port.receive_exactly(10), b"abc"),
            (lambda: rig.port.receive_until(b"\n", 10), b"abc"),
            (lambda: rig.port.send(bytes(1_000_000)), b""),
            (rig.port.wait_modem_change, b""),
            (lambda: rig.port.send_break(60), b""),
        ]
        for call, data in calls:
            if data:
                rig.write(data)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                call()
            if data:
                assert rig.port.receive() == data
        assert rig.backend.calls[-2:] == [("set_break", True), ("set_break", False)]
        rig.write(b"usable")
        assert rig.port.receive() == b"usable"
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_handler_that_returns_does_not_end_a_call(rig: Rig) -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: rig.write(b"from the handler"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert rig.port.receive(timeout=5) == b"from the handler"
    finally:
        signal.signal(signal.SIGALRM, before)


def test_reset_input_buffer_takes_what_was_carried_over(rig: Rig) -> None:
    rig.write(b"abc")
    with pytest.raises(TimeoutError):
        rig.port.receive_exactly(4, timeout=0.01)
    assert rig.port.input_waiting() == 3
    rig.port.reset_input_buffer()
    assert rig.port.input_waiting() == 0
    with pytest.raises(TimeoutError):
        rig.port.receive(timeout=0)


@pytest.mark.parametrize("call", [lambda port: port.receive(4), lambda port: port.receive_into(bytearray(4))])
def test_bytes_that_another_thread_discards_before_they_are_taken_are_waited_for_again(rig: Rig, call: Any) -> None:
    read_onto = rig.port._port.transport.read_onto
    discards = iter((True,))

    def read_and_discard(items: Any, size: int) -> bool:
        found = bool(read_onto(items, size))
        if found and next(discards, False):
            rig.port._pushback.clear()
            rig.write(b"next")
        return found

    rig.port._port.transport.read_onto = read_and_discard
    rig.write(b"gone")
    assert call(rig.port) in (b"next", 4)
