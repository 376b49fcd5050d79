# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# A lambda has nowhere to say what it takes.
"""Timeouts of every size, opens that are given up, and drivers that do not come back."""

import copy
import math
import os
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from anyserial.config import SerialConfig
from anyserial.exceptions import SerialCancelledError, SerialClosedError
from anyserial_sync import SerialPort, open_serial_port

type Rig = Any  # conftest's, which has no name to import it by

CALLS: dict[str, Callable[[Any, Any], object]] = {
    "receive": lambda port, timeout: port.receive(timeout=timeout),
    "receive_into": lambda port, timeout: port.receive_into(bytearray(4), timeout=timeout),
    "receive_exactly": lambda port, timeout: port.receive_exactly(4, timeout=timeout),
    "lines": lambda port, timeout: next(port.lines(timeout=timeout)),
    "send": lambda port, timeout: port.send(bytes(1_000_000), timeout=timeout),
    "drain": lambda port, timeout: port.drain(timeout=timeout),
    "drain_exact": lambda port, timeout: port.drain_exact(timeout=timeout),
    "send_break": lambda port, timeout: port.send_break(60, timeout=timeout),
    "modem_lines": lambda port, timeout: port.modem_lines(timeout=timeout),
    "configure": lambda port, timeout: port.configure(port.config, timeout=timeout),
    "wait_modem_change": lambda port, timeout: port.wait_modem_change(timeout=timeout),
}
LONG = [10**400, 1e10, math.inf]


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


@pytest.mark.parametrize("timeout", LONG, ids=["10**400", "1e10", "inf"])
@pytest.mark.parametrize("name", CALLS)
def test_the_longest_timeouts_wait_until_somebody_ends_the_call(rig: Rig, name: str, timeout: float) -> None:
    if "drain" in name:
        rig.backend.queued = 5
    for each in ("modem_lines", "configure"):
        if name == each:
            rig.backend.hold[each] = threading.Event()
    raised: list[BaseException] = []

    def call() -> None:
        try:
            CALLS[name](rig.port, timeout)
        except BaseException as exc:  # noqa: BLE001  # looked at below
            raised.append(exc)

    thread = threading.Thread(target=call)
    thread.start()
    _until(lambda: rig.port._lifecycle.turns or rig.port._lifecycle.calls)
    thread.join(0.01)
    assert thread.is_alive()
    rig.backend.queued = 0
    if "drain" in name:
        thread.join(5)
        assert not raised
        return
    rig.port.close(timeout=0)
    thread.join(5)
    assert [type(exc) for exc in raised] == [SerialClosedError]


@pytest.mark.parametrize("timeout", LONG, ids=["10**400", "1e10", "inf"])
def test_a_close_without_limit_waits_for_output(rig: Rig, timeout: float) -> None:
    rig.backend.queued = 5
    thread = threading.Thread(target=rig.port.close, kwargs={"timeout": timeout})
    thread.start()
    _until(lambda: not rig.port.is_open)
    thread.join(0.3)  # longer than close_timeout
    assert thread.is_alive()
    assert rig.backend.is_open
    rig.backend.queued = 0
    thread.join(5)
    assert not rig.backend.is_open
    assert ("reset_output_buffer",) not in rig.backend.calls


@pytest.mark.parametrize("timeout", LONG, ids=["10**400", "1e10", "inf"])
def test_an_open_without_limit(exact_rig: Rig, timeout: float) -> None:
    backend = type(exact_rig.backend)()
    with open_serial_port(exact_rig.port.path, backend=backend, timeout=timeout):
        pass
    assert not backend.is_open


@pytest.mark.parametrize("end", ["close", "cancel_send"])
def test_a_break_behind_stuck_output_is_ended(rig: Rig, end: str) -> None:
    """A driver that waits for output before a break (TIOCSBRK), with output that came after the look at the queue."""
    held = rig.backend.hold["set_break"] = threading.Event()
    flush = rig.backend.reset_output_buffer

    def reset_output_buffer() -> None:
        flush()
        rig.backend.queued = 0
        held.set()

    rig.backend.reset_output_buffer = reset_output_buffer
    raised: list[BaseException] = []

    def call() -> None:
        try:
            rig.port.send_break(60)
        except BaseException as exc:  # noqa: BLE001  # looked at below
            raised.append(exc)

    thread = threading.Thread(target=call)
    thread.start()
    _until(lambda: ("set_break", True) in rig.backend.calls)
    rig.backend.queued = 5
    if end == "cancel_send":
        rig.port.cancel_send()
        thread.join(5)
        assert [type(exc) for exc in raised] == [SerialCancelledError]
    with pytest.warns(RuntimeWarning, match="5 bytes of output not sent"):
        rig.port.close()
    thread.join(5)
    _until(lambda: not rig.backend.is_open)
    assert [type(exc) for exc in raised] == [SerialCancelledError if end == "cancel_send" else SerialClosedError]
    assert rig.backend.calls[-2:] == [("set_break", False), ("close",)]


def test_a_close_is_not_held_up_by_a_backend_that_waits_itself(queue_backend: Any) -> None:
    import anyio  # noqa: PLC0415

    closed = threading.Event()

    async def aclose() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.5)
        queue_backend.is_open = False
        closed.set()

    queue_backend.aclose = aclose
    port = open_serial_port("queue", SerialConfig(close_timeout=0.05), backend=queue_backend)
    start = time.monotonic()
    port.close()
    assert time.monotonic() - start < 0.4
    assert closed.wait(5)
    _until(lambda: port._lifecycle.closing.finished)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_port_cannot_be_copied(rig: Rig, copied: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="cannot be copied or pickled"):
        copied(rig.port)
    rig.port.send(b"usable")


class RefusesBefore(SerialPort):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        raise LookupError("before")


class RefusesAfter(SerialPort):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        raise LookupError("after")


@pytest.mark.parametrize("cls", [RefusesBefore, RefusesAfter])
def test_a_constructor_that_raises_leaves_nothing_open(
    exact_rig: Rig, monkeypatch: pytest.MonkeyPatch, cls: type[SerialPort]
) -> None:
    backend = type(exact_rig.backend)()
    monkeypatch.setattr("anyserial._drivers.backend_for", lambda _path: backend)
    with pytest.raises(LookupError):
        cls.open(exact_rig.port.path)
    assert not backend.is_open
    assert backend.calls.count(("close",)) == 1


def test_a_driver_stuck_in_open_holds_its_caller_no_longer_than_a_close(exact_rig: Rig) -> None:
    backend = type(exact_rig.backend)()
    go = backend.hold["open"] = threading.Event()
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        open_serial_port(exact_rig.port.path, SerialConfig(close_timeout=0.1), backend=backend, timeout=0.1)
    assert 0.2 <= time.monotonic() - start < 1  # the driver is in its open by the timeout, also on a busy machine
    go.set()
    _until(lambda: ("close",) in backend.calls and not backend.is_open)
