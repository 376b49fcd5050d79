# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# A lambda has nowhere to say what it takes.
"""Settings, queues, lines: the steps of the operations, carried out by a thread."""

import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from anyserial.capabilities import ModemLines
from anyserial.exceptions import (
    SerialCancelledError,
    SerialDisconnectedError,
    SerialError,
    UnsupportedConfigurationError,
)
from anyserial_sync._bell import Bell
from anyserial_sync._runner import perform

type Rig = Any  # conftest's, which has no name to import it by


def test_configure_changes_config_only_on_success(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    new = rig.port.config.with_changes(baudrate=9600)
    rig.port.configure(new)
    assert rig.port.config is new

    def refuse(_config: object) -> None:
        raise UnsupportedConfigurationError(22, "no", rig.port.path)

    monkeypatch.setattr(rig.backend, "configure", refuse)
    for timeout in (None, 0, 5.0):
        with pytest.raises(UnsupportedConfigurationError):
            rig.port.configure(new.with_changes(baudrate=1200), timeout=timeout)
    assert rig.port.config is new
    with pytest.raises(TypeError, match="config must be"):
        rig.port.configure("9600")


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("configure", lambda port: port.configure(port.config.with_changes(baudrate=50), timeout=0.02)),
        ("set_control_lines", lambda port: port.set_control_lines(rts=True, timeout=0.02)),
        ("modem_lines", lambda port: port.modem_lines(timeout=0.02)),
        ("drain", lambda port: port.drain_exact(timeout=0.02)),
        ("drain", lambda port: port.drain_exact(timeout=0)),
        ("set_break", lambda port: port.send_break(60, timeout=0.02)),
    ],
)
def test_a_timeout_is_kept_though_the_driver_does_not_come_back(rig: Rig, name: str, call: Any) -> None:
    rig.backend.hold[name] = threading.Event()
    with pytest.raises(TimeoutError):
        call(rig.port)
    assert rig.port.is_open
    rig.port.send(b"usable")
    rig.backend.hold[name].set()
    if name == "set_break":
        deadline = time.monotonic() + 5
        while rig.backend.calls[-1] != ("set_break", False):
            assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("configure", lambda port: port.configure(port.config.with_changes(baudrate=50), timeout=0.02)),
        ("reset_input_buffer", lambda port: port.reset_input_buffer(timeout=0.02)),
        ("reset_output_buffer", lambda port: port.reset_output_buffer(timeout=0.02)),
        ("set_control_lines", lambda port: port.set_control_lines(rts=True, timeout=0.02)),
        ("set_break", lambda port: port.set_break(True, timeout=0.02)),
    ],
)
def test_a_change_that_has_begun_is_over_when_its_time_is_up(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, name: str, call: Any
) -> None:
    rig.backend.hold[name] = go = threading.Event()
    over: list[bool] = []
    real = Bell.wait_until

    def wait_until(bell: Bell, condition: Any, _seconds: float) -> bool:
        assert not condition()
        go.set()
        over.append(real(bell, condition, 5))
        return over[-1]

    monkeypatch.setattr(Bell, "wait_until", wait_until)
    with pytest.raises(TimeoutError):
        call(rig.port)
    assert over == [True]


@pytest.mark.parametrize("timeout", [None, 0, 5.0])
def test_a_driver_is_called_on_a_worker_where_no_signal_interrupts_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, timeout: float | None
) -> None:
    seen: list[tuple[str, bool]] = []

    def note(**_lines: bool | None) -> None:
        thread = threading.current_thread()
        seen.append((thread.name, thread.daemon))

    monkeypatch.setattr(rig.backend, "set_control_lines", note)
    rig.port.set_control_lines(rts=True, timeout=timeout)
    assert seen == [("anyserial-worker", True)]


def test_a_driver_that_comes_back_with_an_error_in_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise SerialError(5, "a USB transfer failed", rig.port.path)

    monkeypatch.setattr(rig.backend, "modem_lines", fail)
    for timeout in (None, 0, 5.0):
        with pytest.raises(SerialError, match="USB"):
            rig.port.modem_lines(timeout=timeout)
    assert rig.port.is_open


def test_drain_polls_the_queue(rig: Rig) -> None:
    rig.backend.queued = 3
    with pytest.raises(TimeoutError):
        rig.port.drain(timeout=0)
    with pytest.raises(TimeoutError):
        rig.port.drain(timeout=0.01)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(rig.port.drain)
        rig.backend.queued = 0
        future.result(5)


def test_drain_exact_asks_the_transmitter_where_it_can(rig: Rig) -> None:
    rig.backend.transmitter = [False, False, True]
    rig.port.drain_exact()
    assert rig.backend.transmitter == []
    assert ("drain",) not in rig.backend.calls
    rig.port.drain_exact(timeout=5)
    assert rig.backend.calls == [("drain",)]


def test_a_break_is_held_and_released(rig: Rig) -> None:
    start = time.monotonic()
    rig.port.send_break(0.03)
    assert time.monotonic() - start >= 0.03
    assert rig.backend.calls == [("set_break", True), ("set_break", False)]
    with pytest.raises(TimeoutError):
        rig.port.send_break(60, timeout=0.02)
    assert rig.backend.calls[-1] == ("set_break", False)
    rig.port.set_break(True)
    assert rig.backend.calls[-1] == ("set_break", True)
    with pytest.raises(ValueError, match="duration"):
        rig.port.send_break(-1)
    with pytest.raises(TypeError, match="on must be"):
        rig.port.set_break(1)


@pytest.mark.parametrize("timeout", [None, 60])
def test_a_break_that_is_cancelled_while_it_begins_is_released(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, timeout: float | None
) -> None:
    set_break = rig.backend.set_break

    def begin(on: bool) -> None:
        set_break(on)
        if on:
            rig.port.cancel_send()

    monkeypatch.setattr(rig.backend, "set_break", begin)
    with pytest.raises(SerialCancelledError):
        rig.port.send_break(60, timeout=timeout)
    if timeout is not None:
        rig.port.close()  # which waits for the thread that the call was made on
    assert rig.backend.calls[:2] == [("set_break", True), ("set_break", False)]


def test_modem_changes_misses_no_pulse(rig: Rig) -> None:
    rig.backend.counts = {"cts": 0}
    with ThreadPoolExecutor(1) as pool:
        changes = rig.port.modem_changes(interval=0.001)
        first = pool.submit(next, changes)
        while not rig.backend.calls:
            assert not first.done()
        rig.backend.counts = {"cts": 2}  # there and back again between two looks
        assert first.result(5) == rig.backend.lines
        rig.backend.lines = ModemLines(cts=True, dsr=False, ri=False, cd=False)
        assert next(changes).cts
    with pytest.raises(TimeoutError):
        rig.port.wait_modem_change(timeout=0.01)
    with pytest.raises(TimeoutError):
        rig.port.wait_modem_change(timeout=0)
    with pytest.raises(ValueError, match="interval"):
        rig.port.wait_modem_change(interval=0)


def test_an_unplug_is_noticed_while_waiting(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> int:
        raise SerialDisconnectedError(19, "gone", rig.port.path)

    monkeypatch.setattr(rig.backend, "output_waiting", gone)
    with pytest.raises(SerialDisconnectedError):
        rig.port.send_break(60)
    assert not rig.port.is_open
    with pytest.raises(SerialDisconnectedError):
        rig.port.output_waiting()


def test_the_steps_of_an_operation_that_is_given_up_are_closed(rig: Rig) -> None:
    closed: list[bool] = []

    def steps() -> Generator[float, Any]:
        try:
            yield 60.0
        finally:
            closed.append(True)

    with pytest.raises(TimeoutError):
        perform(rig.port._port, steps(), 0.01)
    assert closed == [True]
