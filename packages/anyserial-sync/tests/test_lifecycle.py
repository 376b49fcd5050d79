"""Every cell of the lifecycle's table, brought about as a program does it, for the blocking port."""

import errno
import gc
import os
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from anyserial._port.lifecycle import CLOSED, DISCONNECTED, FOREIGN, OPEN, TABLE
from anyserial.exceptions import SerialClosedError, SerialDisconnectedError, SerialError

type Rig = Any  # conftest's, which has no name to import it by
type RunInChild = Callable[[Callable[[], object]], None]

STUCK = 1000  # bytes of output that do not leave, so that the ways to end differ
GENTLY = ("reset_output_buffer",), ("close",)  # stuck output is thrown away
LEFT = (("close",),)

# As the documentation promises it, and not as the code has it: the next state, what is asked of the backend,
# and what a call raises.
EXPECTED: dict[Any, tuple[Any, tuple[Any, ...], type[SerialError]]] = {
    (OPEN, "close"): (CLOSED, GENTLY, SerialClosedError),
    (OPEN, "unplug"): (DISCONNECTED, LEFT, SerialDisconnectedError),
    (OPEN, "fork"): (FOREIGN, (), SerialClosedError),
    (OPEN, "forget"): (CLOSED, LEFT, SerialClosedError),
    (DISCONNECTED, "close"): (CLOSED, (), SerialClosedError),
    (DISCONNECTED, "unplug"): (DISCONNECTED, (), SerialDisconnectedError),
    (DISCONNECTED, "fork"): (FOREIGN, (), SerialClosedError),
    (DISCONNECTED, "forget"): (CLOSED, (), SerialClosedError),
    (CLOSED, "close"): (CLOSED, (), SerialClosedError),
    (CLOSED, "unplug"): (CLOSED, (), SerialClosedError),
    (CLOSED, "fork"): (FOREIGN, (), SerialClosedError),
    (CLOSED, "forget"): (CLOSED, (), SerialClosedError),
    (FOREIGN, "close"): (FOREIGN, (), SerialClosedError),
    (FOREIGN, "unplug"): (FOREIGN, (), SerialClosedError),
    (FOREIGN, "fork"): (FOREIGN, (), SerialClosedError),
    (FOREIGN, "forget"): (FOREIGN, (), SerialClosedError),
}
CALLS: list[Callable[[Any], object]] = [
    lambda port: port.receive(timeout=0),
    lambda port: port.receive_into(bytearray(1)),
    lambda port: port.receive_exactly(1),
    lambda port: next(iter(port)),
    lambda port: port.send(b"x"),
    lambda port: port.drain(),
    lambda port: port.send_break(0),
    lambda port: port.modem_lines(),
    lambda port: port.input_waiting(),
    lambda port: port.output_waiting(),
    lambda port: port.fileno(),
]


def test_every_cell_is_tried() -> None:
    assert {key: state for key, (state, _, _) in EXPECTED.items()} == {key: state for key, (state, _) in TABLE.items()}


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def _happen(rig: Rig, event: str) -> None:
    """Have *event* happen by public means; a fork is the caller's."""
    if event == "close":
        rig.port.close(timeout=0)
    elif event == "unplug":
        rig.hang_up()
        with pytest.raises(SerialError):
            rig.port.receive()
        # What a call does that began before and finds out only now.
        rig.port._port.unplug(SerialDisconnectedError(errno.ENODEV, "gone", rig.port.path))


def _check(rig: Rig, state: Any, event: str) -> None:
    """Have *event* happen to a port in *state*, and compare with the table."""
    after, backend, error = EXPECTED[state, event]
    assert rig.port._lifecycle.state == state
    rig.backend.calls.clear()
    if event == "forget":
        happened = rig.port._lifecycle._happened
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            del rig.port
            # The worker that closed it may have it for a moment longer.
            _until(lambda: gc.collect() >= 0 and "forget" in happened)
        assert [warning.category for warning in told] == ([ResourceWarning] if state == OPEN else [])
    else:
        _happen(rig, event)
        _check_refused(rig, after, error)
    if backend:
        _until(lambda: not rig.backend.is_open)
    assert [call for call in rig.backend.calls if call != "read"] == list(backend)


def _check_refused(rig: Rig, state: Any, error: type[SerialError]) -> None:
    for call in CALLS:
        with pytest.raises(SerialError) as caught:
            call(rig.port)
        assert type(caught.value) is error
        assert ("before fork()" in str(caught.value)) == (state == FOREIGN)
    assert rig.port._lifecycle.state == state
    assert not rig.port.is_open
    assert not rig.port._lifecycle.turns
    assert not rig.port._lifecycle.calls


@pytest.mark.parametrize(("state", "event"), [key for key in EXPECTED if "fork" not in key and key[0] != FOREIGN])
def test_what_happens_to_a_port(rig: Rig, state: Any, event: str) -> None:
    if state:
        _happen(rig, "unplug" if state == DISCONNECTED else "close")
        _until(lambda: not rig.backend.is_open)
    rig.backend.queued = STUCK
    _check(rig, state, event)


@pytest.mark.parametrize("event", ["close", "unplug"])
def test_what_happens_to_a_parked_receive(rig: Rig, event: str) -> None:
    woken: list[type[SerialError]] = []

    def receive() -> None:
        with pytest.raises(SerialError) as caught:
            rig.port.receive()
        woken.append(type(caught.value))

    thread = threading.Thread(target=receive)
    thread.start()
    _until(lambda: "receiver" in rig.port._turns)
    if event == "close":
        rig.port.close()
    else:
        rig.port._port.unplug(SerialDisconnectedError(errno.ENODEV, "gone", rig.port.path))
    thread.join(5)
    assert woken == [EXPECTED[OPEN, event][2]]
    _until(lambda: not rig.backend.is_open)


@pytest.mark.parametrize("state", [OPEN, DISCONNECTED, CLOSED])
def test_a_fork_in_every_state(rig: Rig, run_in_child: RunInChild, state: Any) -> None:
    """A port is the parent's for as long as its descriptor is open, whatever has happened to it."""
    go = rig.backend.hold["close"] = threading.Event()

    def check() -> None:
        rig.backend.calls.clear()
        _check_refused(rig, FOREIGN, SerialClosedError)
        rig.port.close()
        assert not rig.backend.calls

    if state:
        _happen(rig, "unplug" if state == DISCONNECTED else "close")
        _until(lambda: ("close",) in rig.backend.calls)
    run_in_child(check)
    assert rig.port._lifecycle.state == state
    go.set()
    rig.port.close()
    _until(lambda: not rig.backend.is_open)
    assert rig.backend.calls.count(("close",)) == 1


@pytest.mark.parametrize("event", ["close", "unplug", "fork", "forget"])
def test_what_happens_in_a_forked_child(rig: Rig, run_in_child: RunInChild, event: str) -> None:
    def check() -> None:
        rig.backend.queued = STUCK
        if event == "fork":
            run_in_child(lambda: _check(rig, FOREIGN, event))
        _check(rig, FOREIGN, event)

    run_in_child(check)
    assert rig.backend.is_open
    rig.port.send(b"still the parent's")
    assert os.read(rig.master, 100) == b"still the parent's"


@pytest.mark.parametrize("name", ["receive", "send", "configure"])
def test_a_port_that_was_unplugged_and_closed_needs_no_collector(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def gone(*_: object) -> None:
        raise SerialDisconnectedError(errno.ENODEV, "gone", rig.port.path)

    backend: object = rig.backend
    monkeypatch.setattr(type(backend), "configure", gone)  # which a worker calls
    rig.hang_up()
    with pytest.raises(SerialDisconnectedError):
        {
            "receive": rig.port.receive,
            "send": lambda: rig.port.send(b"x"),
            "configure": lambda: rig.port.configure(rig.port.config),
        }[name]()
    with pytest.raises(SerialDisconnectedError):
        rig.port.receive()
    rig.port.close()
    seen = weakref.ref(rig.port)
    gc.disable()
    try:
        del rig.port
        _until(lambda: seen() is None)  # a worker may have it for a moment
    finally:
        gc.enable()
