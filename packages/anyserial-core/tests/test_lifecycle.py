"""Every cell of the lifecycle's table, brought about as a program does it, for the async port."""

import errno
import gc
import os
import threading
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyserial import SerialConfig, SerialPort, open_serial_port
from anyserial._port.lifecycle import CLOSED, DISCONNECTED, FOREIGN, OPEN, TABLE, State
from anyserial.exceptions import SerialClosedError, SerialDisconnectedError, SerialError
from backends import Far, PtyBackend, until
from children import fork, join

pytestmark = pytest.mark.anyio

STUCK = 1000  # bytes of output that do not leave, so that the ways to end differ


class Cell(NamedTuple):
    """What an event in a state leads to."""

    state: State
    backend: tuple[str, ...]  # what it is asked for, in order, of what ends it
    error: type[SerialError] | None  # a call's


GENTLY = "reset_output_buffer", "close"  # stuck output is thrown away
LEFT = ("close",)

# As the documentation promises it, and not as the code has it.
EXPECTED: dict[tuple[State, str], Cell] = {
    (OPEN, "close"): Cell(CLOSED, GENTLY, SerialClosedError),
    (OPEN, "unplug"): Cell(DISCONNECTED, LEFT, SerialDisconnectedError),
    (OPEN, "fork"): Cell(FOREIGN, (), SerialClosedError),
    (OPEN, "forget"): Cell(CLOSED, LEFT, None),
    (DISCONNECTED, "close"): Cell(CLOSED, (), SerialClosedError),
    (DISCONNECTED, "unplug"): Cell(DISCONNECTED, (), SerialDisconnectedError),
    (DISCONNECTED, "fork"): Cell(FOREIGN, (), SerialClosedError),
    (DISCONNECTED, "forget"): Cell(CLOSED, (), None),
    (CLOSED, "close"): Cell(CLOSED, (), SerialClosedError),
    (CLOSED, "unplug"): Cell(CLOSED, (), SerialClosedError),
    (CLOSED, "fork"): Cell(FOREIGN, (), SerialClosedError),
    (CLOSED, "forget"): Cell(CLOSED, (), None),
    (FOREIGN, "close"): Cell(FOREIGN, (), SerialClosedError),
    (FOREIGN, "unplug"): Cell(FOREIGN, (), SerialClosedError),
    (FOREIGN, "fork"): Cell(FOREIGN, (), SerialClosedError),
    (FOREIGN, "forget"): Cell(FOREIGN, (), None),
}


def test_every_cell_is_tried() -> None:
    assert TABLE.keys() == EXPECTED.keys()
    assert {(state, event): cell.state for (state, event), cell in EXPECTED.items()} == {
        key: state for key, (state, _) in TABLE.items()
    }


def _ending(backend: PtyBackend) -> tuple[str, ...]:
    """What was asked of the backend that ends it or throws something away."""
    return tuple(name for name in backend.names() if name in ("reset_output_buffer", "close", "set_break", "configure"))


async def _in_child(check: Callable[[], Awaitable[object]]) -> None:
    """Await *check* in a forked child, and fail if it raises there."""
    readable, writable = os.pipe()
    child = fork()
    if not child:
        try:
            await check()
        except BaseException as exc:  # noqa: BLE001  # told to the parent
            os.write(writable, repr(exc).encode())
        finally:
            os._exit(0)
    os.close(writable)
    try:
        join(child)
        failure = os.read(readable, 4096).decode()
    finally:
        os.close(readable)
    assert not failure, failure


async def _happen(port: SerialPort, far: Far, event: str) -> None:
    """Have *event* happen by public means; a fork is the caller's."""
    if event == "close":
        await port.aclose()
    elif event == "unplug":
        far.hang_up()
        with pytest.raises(SerialError):
            await port.receive()
        # What a call does that began before and finds out only now.
        port._port.unplug(SerialDisconnectedError(errno.ENODEV, "gone", far.path))


async def _check(held: list[SerialPort], far: Far, backend: PtyBackend, state: State, event: str) -> None:
    """Have *event* happen to the port in *held*, which is in *state*, and compare with the table."""
    cell = EXPECTED[state, event]
    assert held[0]._lifecycle.state == state
    backend.calls.clear()
    if event == "forget":
        _forget(held, warns=state == OPEN)
    else:
        await _happen(held[0], far, event)
        await _check_refused(held[0], cell)
    if cell.backend:
        await until(lambda: not backend.is_open)
    assert _ending(backend) == cell.backend


def _forget(held: list[SerialPort], *, warns: bool) -> None:
    happened = held[0]._lifecycle._happened
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        held.clear()
        deadline = time.monotonic() + 5
        while "forget" not in happened:  # the worker that closed it may have it for a moment longer
            assert time.monotonic() < deadline
            gc.collect()
    assert [warning.category for warning in told] == ([ResourceWarning] if warns else [])


async def _check_refused(port: SerialPort, cell: Cell) -> None:
    calls = port.receive, lambda: port.send(b"x"), port.modem_lines, port.drain, lambda: port.send_break(0)
    for call in calls:
        with pytest.raises(SerialError) as caught:
            await call()
        assert type(caught.value) is cell.error
        assert ("before fork()" in str(caught.value)) == (cell.state == FOREIGN)
    for query in (port.input_waiting, port.output_waiting):
        with pytest.raises(SerialError) as caught:
            query()
        assert type(caught.value) is cell.error
    assert port._lifecycle.state == cell.state
    assert not port.is_open


@pytest.mark.parametrize(("state", "event"), [key for key in EXPECTED if "fork" not in key and key[0] != FOREIGN])
async def test_what_happens_to_a_port(far: Far, backend: PtyBackend, state: State, event: str) -> None:
    held = [await open_serial_port(far.path, SerialConfig(close_timeout=0), backend=backend)]
    if state == DISCONNECTED:
        await _happen(held[0], far, "unplug")
    elif state == CLOSED:
        await _happen(held[0], far, "close")
    if state:
        await until(lambda: not backend.is_open)
    backend.queued = STUCK
    await _check(held, far, backend, state, event)
    for port in held:
        await port.aclose()


@pytest.mark.parametrize("event", ["close", "unplug"])
async def test_what_happens_to_a_parked_receive(far: Far, backend: PtyBackend, event: str) -> None:
    woken: list[type[SerialError]] = []

    async def receive() -> None:
        with pytest.raises(SerialError) as caught:
            await port.receive()
        woken.append(type(caught.value))

    async with await open_serial_port(far.path, SerialConfig(close_timeout=0), backend=backend) as port:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(receive)
                await wait_all_tasks_blocked()
                if event == "close":
                    await port.aclose()
                else:
                    far.hang_up()
                    with pytest.raises(SerialDisconnectedError):
                        port.output_waiting()
        assert woken == [EXPECTED[OPEN, event].error]


@pytest.mark.parametrize("state", [OPEN, DISCONNECTED, CLOSED])
async def test_a_fork_in_every_state(far: Far, backend: PtyBackend, state: State) -> None:
    """A port is the parent's for as long as its descriptor is open, whatever has happened to it."""
    go = threading.Event()
    backend.hooks["close"] = lambda: go.wait(5)
    port = await open_serial_port(far.path, SerialConfig(close_timeout=0), backend=backend)

    async def check() -> None:
        backend.calls.clear()
        await _check_refused(port, EXPECTED[state, "fork"])
        await port.aclose()
        assert not backend.calls

    try:
        if state:
            await _happen(port, far, "unplug" if state == DISCONNECTED else "close")
        await until(lambda: not state or "close" in backend.names())
        await _in_child(check)
        assert port._lifecycle.state == state
    finally:
        go.set()
        await port.aclose()
        await until(lambda: not backend.is_open)
    assert backend.names().count("close") == 1


@pytest.mark.parametrize("event", ["close", "unplug", "fork", "forget"])
async def test_what_happens_in_a_forked_child(far: Far, backend: PtyBackend, event: str) -> None:
    held = [await open_serial_port(far.path, SerialConfig(close_timeout=0), backend=backend)]

    async def check() -> None:
        backend.queued = STUCK
        if event == "fork":
            await _in_child(lambda: _check(held, far, backend, FOREIGN, event))
        await _check(held, far, backend, FOREIGN, event)

    await _in_child(check)
    assert backend.is_open
    await held[0].send(b"still the parent's")
    assert far.read(18) == b"still the parent's"
    await held[0].aclose()
