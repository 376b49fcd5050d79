# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# A lambda has nowhere to say what it takes.
"""Several threads on one port: one in each direction, cancelling, closing."""

import gc
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyserial._port.pushback import Pushback
from anyserial.exceptions import (
    SerialCancelledError,
    SerialClosedError,
    SerialDisconnectedError,
    UnsupportedFeatureError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

type Rig = Any  # conftest's, which has no name to import it by

MANY = 1_000_000  # bytes: more than a pty takes


@pytest.fixture
def threads(rig: Rig) -> "Iterator[ThreadPoolExecutor]":
    with ThreadPoolExecutor(8) as pool:
        yield pool
        rig.port.close(timeout=0)  # or a failed test waits for ever for the threads that it left


def _begun(port: Any, role: str, future: "Future[Any]") -> None:
    """Wait until a call has the turn of *role*."""
    deadline = time.monotonic() + 5
    while role not in port._turns:
        assert not future.done(), future.result()
        assert time.monotonic() < deadline
        os.sched_yield()


RECEIVING: "list[Callable[[Any], Any]]" = [
    lambda port: port.receive(),
    lambda port: port.receive(timeout=60),
    lambda port: port.receive_into(bytearray(4)),
    lambda port: port.receive_exactly(4),
    lambda port: next(iter(port)),
]
SENDING: "list[Callable[[Any], Any]]" = [
    lambda port: port.send(bytes(MANY)),
    lambda port: port.send_buffer(bytearray(MANY), timeout=60),
    lambda port: port.drain(),
    lambda port: port.drain_exact(timeout=60),
    lambda port: port.send_break(60),
]
OTHER: "list[Callable[[Any], Any]]" = [
    lambda port: port.wait_modem_change(),
    lambda port: next(port.modem_changes(timeout=60)),
]


@pytest.mark.parametrize("call", [*RECEIVING, *SENDING, *OTHER])
def test_close_wakes_a_blocked_call_at_once(
    rig: Rig, threads: ThreadPoolExecutor, call: "Callable[[Any], Any]"
) -> None:
    rig.backend.queued = 5
    future = threads.submit(call, rig.port)
    if call in OTHER:
        deadline = time.monotonic() + 5
        while not rig.port._lifecycle.calls:
            assert time.monotonic() < deadline
    else:
        _begun(rig.port, "receiver" if call in RECEIVING else "sender", future)
    with pytest.warns(RuntimeWarning, match="5 bytes of output not sent"):
        rig.port.close()
    with pytest.raises(SerialClosedError):
        future.result(5)
    assert [name for name in rig.backend.calls if name == ("close",)] == [("close",)]
    if ("set_break", True) in rig.backend.calls:
        assert rig.backend.calls.index(("set_break", False)) < rig.backend.calls.index(("close",))


@pytest.mark.parametrize("call", RECEIVING)
def test_cancel_receive(rig: Rig, threads: ThreadPoolExecutor, call: "Callable[[Any], Any]") -> None:
    for _ in range(3):
        future = threads.submit(call, rig.port)
        _begun(rig.port, "receiver", future)
        rig.port.cancel_send()
        rig.port.cancel_receive()
        with pytest.raises(SerialCancelledError, match="cancel_receive"):
            future.result(5)
    rig.port.cancel_receive()  # there is nobody now
    rig.write(b"abc\n")
    call(rig.port)


@pytest.mark.parametrize("call", SENDING)
def test_cancel_send(rig: Rig, threads: ThreadPoolExecutor, call: "Callable[[Any], Any]") -> None:
    rig.backend.queued = 5
    for _ in range(3):
        future = threads.submit(call, rig.port)
        _begun(rig.port, "sender", future)
        rig.port.cancel_receive()
        rig.port.cancel_send()
        with pytest.raises(SerialCancelledError, match="cancel_send"):
            future.result(5)
    rig.port.cancel_send()
    if ("set_break", True) in rig.backend.calls:
        assert rig.backend.calls[-1] == ("set_break", False)
    rig.backend.queued = 0
    rig.port.drain()


def test_a_cancellation_is_for_the_call_under_way_or_nobody(rig: Rig) -> None:
    for _ in range(3):
        rig.port.cancel_receive()
        rig.port.cancel_send()
        with pytest.raises(TimeoutError):
            rig.port.receive(timeout=0.001)
        rig.port.send(b"x")
        rig.port.drain()


POLLS: dict[str, tuple["Callable[[Any], object]", object]] = {
    "receive": (lambda port: port.receive(timeout=0), b"ab\n"),
    "receive_into": (lambda port: port.receive_into(bytearray(8), timeout=0), 3),
    "receive_available": (lambda port: port.receive_available(timeout=0), b"ab\n"),
    "receive_exactly": (lambda port: port.receive_exactly(3, timeout=0), b"ab\n"),
    "receive_until": (lambda port: port.receive_until(b"\n", 8, timeout=0), b"ab"),
    "lines": (lambda port: next(port.lines(timeout=0)), b"ab\n"),
}


@pytest.mark.parametrize("name", POLLS)
def test_a_poll_beside_a_change_of_line_errors_finds_what_has_arrived(
    rig: Rig, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rig.write(b"ab\n")
    rig.backend.hold["configure"] = threading.Event()
    begun = rig.backend.entered["configure"] = threading.Event()
    change = threads.submit(rig.port.configure, rig.config.with_changes(line_errors="discard"))
    assert begun.wait(10)
    call, expected = POLLS[name]
    # It waits for the change, but not for ever.
    monkeypatch.setattr("anyserial_sync._waiting.GRACE", 0.0)
    with pytest.raises(TimeoutError):
        call(rig.port)
    monkeypatch.undo()

    def finish(_seconds: float) -> None:
        rig.backend.hold["configure"].set()
        change.result(10)

    monkeypatch.setattr("anyserial_sync._waiting.sleep", finish)
    assert call(rig.port) == expected
    with pytest.raises(TimeoutError):
        call(rig.port)


def test_a_cancellation_that_came_too_late_does_not_reach_the_next_call(rig: Rig) -> None:
    rig.write(b"ab")
    rig.port.receive(1)
    # Between the read and the return of a receive.
    rig.backend.on_read = rig.port.cancel_receive
    assert rig.port.receive(1) == b"b"
    rig.backend.on_read = None
    with pytest.raises(TimeoutError):
        rig.port.receive(timeout=0.01)
    rig.write(b"c")
    assert rig.port.receive(timeout=5) == b"c"


def test_a_second_call_is_refused_at_once_and_full_duplex_works(rig: Rig, threads: ThreadPoolExecutor) -> None:
    receiving = threads.submit(rig.port.receive)
    _begun(rig.port, "receiver", receiving)
    for call in RECEIVING:
        with pytest.raises(anyio.BusyResourceError, match="receiving"):
            call(rig.port)
    sending = threads.submit(rig.port.send, bytes(MANY))
    _begun(rig.port, "sender", sending)
    for call in SENDING:
        with pytest.raises(anyio.BusyResourceError, match="sending"):
            call(rig.port)
    assert rig.port.modem_lines() is not None
    os.write(rig.master, b"in the meantime")
    assert receiving.result(5) == b"in the meantime"
    assert not sending.done()
    rig.port.cancel_send()
    with pytest.raises(SerialCancelledError):
        sending.result(5)
    assert 0 < rig.port.statistics.bytes_sent < MANY


def test_a_hang_up_wakes_both_directions(rig: Rig, threads: ThreadPoolExecutor) -> None:
    receiving, sending = threads.submit(rig.port.receive), threads.submit(rig.port.send, bytes(MANY))
    _begun(rig.port, "receiver", receiving)
    _begun(rig.port, "sender", sending)
    rig.hang_up()
    for future in (receiving, sending):
        with pytest.raises(SerialDisconnectedError):
            future.result(5)
    assert not rig.port.is_open
    with pytest.raises(SerialDisconnectedError):
        rig.port.fileno()


def test_close_waits_for_a_call_that_nothing_interrupts(rig: Rig, threads: ThreadPoolExecutor) -> None:
    rig.backend.hold["modem_lines"] = threading.Event()
    future = threads.submit(rig.port.modem_lines)
    deadline = time.monotonic() + 5
    while "modem_lines" not in rig.backend.entered:
        assert time.monotonic() < deadline
    rig.port.close()  # comes back within close_timeout all the same
    assert rig.backend.fd >= 0
    rig.backend.hold["modem_lines"].set()
    with pytest.raises(SerialClosedError):
        future.result(5)
    while rig.backend.fd >= 0:
        assert time.monotonic() < deadline + 5


def test_close_from_many_threads_and_many_times(rig: Rig, threads: ThreadPoolExecutor) -> None:
    for future in [threads.submit(rig.port.close) for _ in range(8)]:
        future.result(5)
    rig.port.close()
    assert rig.backend.calls.count(("close",)) == 1
    assert not rig.port.is_open


def test_close_lets_output_leave_but_not_for_ever(rig: Rig) -> None:
    rig.backend.queued = 1
    start = time.monotonic()
    with pytest.warns(RuntimeWarning, match=f"{rig.port.path}: 1 byte of output not sent"):
        rig.port.close()
    assert 0.2 <= time.monotonic() - start < 5
    assert rig.backend.calls == [("reset_output_buffer",), ("close",)]


def test_close_takes_a_time_of_its_own(rig: Rig) -> None:
    rig.port._port.config = rig.port.config.with_changes(close_timeout=60)
    rig.backend.queued = 1
    with pytest.raises(ValueError, match="timeout must be"):
        rig.port.close(timeout=-1)
    assert rig.port.is_open
    start = time.monotonic()
    rig.port.close(timeout=0)
    assert time.monotonic() - start < 5
    assert not rig.port.is_open


def test_close_does_not_hang_with_the_driver(rig: Rig) -> None:
    rig.backend.hold["close"] = threading.Event()
    start = time.monotonic()
    rig.port.close()
    assert time.monotonic() - start < 5
    rig.backend.hold["close"].set()
    deadline = time.monotonic() + 5
    while rig.backend.fd >= 0:
        assert time.monotonic() < deadline


def test_a_forgotten_port_warns_and_closes(rig: Rig) -> None:
    backend, path = rig.backend, rig.port.path
    with pytest.warns(ResourceWarning, match=path):
        del rig.port
        gc.collect()
    deadline = time.monotonic() + 5
    while backend.fd >= 0:
        assert time.monotonic() < deadline
    rig.port = type("Closed", (), {"close": lambda _self, **_: None})()  # for the fixture


def test_the_block_closes_and_the_attributes_tell(rig: Rig) -> None:
    from anyio.streams.file import FileStreamAttribute  # noqa: PLC0415
    from anyserial.stream import SerialStreamAttribute  # noqa: PLC0415

    with rig.port as port:
        assert port.fileno() == rig.backend.fd
        assert port.extra(FileStreamAttribute.fileno) == rig.backend.fd
        assert str(port.extra(FileStreamAttribute.path)) == port.path
        assert port.extra(SerialStreamAttribute.config) is port.config
        assert port.extra(SerialStreamAttribute.capabilities) is port.capabilities
        assert port.extra(SerialStreamAttribute.port_info, None) is None
    assert not port.is_open
    assert port.extra(FileStreamAttribute.fileno, None) is None
    with pytest.raises(SerialClosedError):
        port.fileno()


# The pool has a thread at this moment; from Python 3.15 on, the warning about that reaches the parent.
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_is_refused_and_does_not_hold_the_device(rig: Rig, threads: ThreadPoolExecutor) -> None:
    future = threads.submit(rig.port.receive)
    _begun(rig.port, "receiver", future)
    report, answer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            messages: list[str] = []
            calls: list[Callable[[Any], Any]] = [
                *RECEIVING,
                *SENDING,
                *OTHER,
                lambda port: port.fileno(),
                lambda port: port.input_waiting(),
            ]
            for call in calls:
                try:
                    call(rig.port)
                except SerialClosedError as exc:
                    messages.append(str(exc))
            held = str(Path(f"/proc/self/fd/{rig.backend.fd}").readlink())
            rig.port.cancel_receive()
            rig.port.close()
            assert len(messages) == len(RECEIVING) + len(SENDING) + len(OTHER) + 2
            assert all("before fork" in message for message in messages)
            assert held == os.devnull
            assert ("close",) not in rig.backend.calls
            code = 0
        except BaseException as exc:  # noqa: BLE001
            os.write(answer, repr(exc).encode())
        finally:
            os._exit(code)
    os.close(answer)
    _, status = os.waitpid(child, 0)
    message = os.read(report, 4096)
    os.close(report)
    assert status == 0, message
    # The parent did not notice.
    os.write(rig.master, b"for the parent")
    assert future.result(5) == b"for the parent"


def test_what_the_backend_lacks_is_said(rig: Rig) -> None:
    with pytest.raises(UnsupportedFeatureError):
        rig.port.line_counters()
    rig.port.send(b"usable")


@pytest.mark.parametrize("into", [False, True])
def test_close_leaves_to_a_receive_what_it_has_read(rig: Rig, into: bool) -> None:
    # The receive stands between its read and the taking of what it has read while the port is closed.
    rig.write(b"read")

    class ClosedMeanwhile(Pushback):
        __slots__ = ()

        def take(self, size: int) -> bytes:
            closing.start()
            while rig.port.is_open:
                os.sched_yield()
            return super().take(size)

    closing = threading.Thread(target=rig.port.close)
    rig.port._port.pushback = rig.port._pushback = ClosedMeanwhile()
    buffer = bytearray(4)
    if into:
        assert rig.port.receive_into(buffer, timeout=0) == 4
    else:
        buffer[:] = rig.port.receive(timeout=0)
    assert buffer == b"read"
    closing.join()
    with pytest.raises(SerialClosedError):
        rig.port.receive(timeout=0)
