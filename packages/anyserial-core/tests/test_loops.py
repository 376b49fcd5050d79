"""A port and several event loops: it follows its caller, and is refused to two at once."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.from_thread
import pytest
from anyio import wait_all_tasks_blocked
from anyserial import SerialPort, _readiness, open_serial_port
from anyserial._readiness.portable import PortableWaiter
from anyserial.exceptions import SerialClosedError, SerialDisconnectedError, UnsupportedAsyncBackendError
from backends import Far, PtyBackend, until
from event_loops import KINDS

# Each loop of a pair is of another kind, or another of the same kind.
OWN = [kind for kind in KINDS if kind != "portable"]
PAIRS = [(first, second) for first in OWN for second in OWN]


async def _use(port: SerialPort, far: Far) -> None:
    """Everything that leaves something behind in an event loop."""
    with anyio.move_on_after(0.005):
        await port.receive()
    far.write(b"in")
    assert await port.receive() == b"in"
    before = port.statistics.bytes_sent
    with anyio.move_on_after(0.005):
        await port.send(bytes(200_000))
    far.read(port.statistics.bytes_sent - before)
    await port.configure(port.config)
    await port.modem_lines()
    with anyio.move_on_after(0.005):
        await port.receive()


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_port_follows_its_caller_to_another_loop(far: Far, backend: PtyBackend, first: str, second: str) -> None:
    async def begin() -> SerialPort:
        port = await open_serial_port(far.path, backend=backend)
        await _use(port, far)
        return port

    async def go_on() -> None:
        await _use(port, far)
        await port.aclose()

    port = anyio.run(begin, **KINDS[first])
    anyio.run(go_on, **KINDS[second])
    assert not backend.is_open


class Other:
    """Another event loop, in a thread of its own."""

    def __init__(self, kind: str) -> None:
        self._portal_provider = anyio.from_thread.start_blocking_portal(**KINDS[kind])
        self.portal = self._portal_provider.__enter__()

    def stop(self) -> None:
        self._portal_provider.__exit__(None, None, None)

    def call(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Call it there and wait; by a thread, for trio lets no task of its own do that."""
        with ThreadPoolExecutor(1) as executor:
            return executor.submit(self.portal.call, function).result(10)


@pytest.fixture(params=OWN)
def other(request: pytest.FixtureRequest) -> Any:
    loop = Other(request.param)
    yield loop
    loop.stop()


@pytest.mark.anyio
@pytest.mark.parametrize("use", ["receive", "send", "send_break"])
async def test_a_port_in_use_is_refused_to_another_loop(far: Far, backend: PtyBackend, other: Other, use: str) -> None:
    uses: dict[str, Callable[[SerialPort], Coroutine[Any, Any, Any]]] = {
        "receive": lambda port: port.receive(),
        "send": lambda port: port.send(bytes(200_000)),
        "send_break": lambda port: port.send_break(60),
    }
    async with await open_serial_port(far.path, backend=backend) as port:
        async with anyio.create_task_group() as group:
            group.start_soon(uses[use], port)
            await wait_all_tasks_blocked()
            if use == "send_break":
                await until(lambda: backend.break_on)
            calls: tuple[Callable[[], Coroutine[Any, Any, Any]], ...] = (port.receive, port.drain, port.modem_lines)
            for call in calls:
                with pytest.raises(anyio.BusyResourceError):
                    other.call(call)
            group.cancel_scope.cancel()
        far.read(port.statistics.bytes_sent)
        far.write(b"free")
        assert other.call(port.receive) == b"free"
        far.write(b"and back")
        assert await port.receive() == b"and back"


@pytest.mark.anyio
@pytest.mark.parametrize("use", ["receive", "send", "send_break", "wait_modem_change"])
async def test_a_port_closed_from_another_loop_wakes_who_waits(
    far: Far, backend: PtyBackend, other: Other, use: str
) -> None:
    uses: dict[str, Callable[[SerialPort], Coroutine[Any, Any, Any]]] = {
        "receive": lambda port: port.receive(),
        "send": lambda port: port.send(bytes(200_000)),
        "send_break": lambda port: port.send_break(60),
        "wait_modem_change": lambda port: port.wait_modem_change(interval=30),
    }
    port = await open_serial_port(far.path, backend=backend)
    ended = threading.Event()

    async def wait() -> None:
        with pytest.raises(SerialClosedError):
            await uses[use](port)
        ended.set()

    closed = threading.Event()

    def close() -> None:
        other.call(port.aclose)
        closed.set()

    thread = threading.Thread(target=close)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await wait_all_tasks_blocked()
            if use == "send_break":
                await until(lambda: backend.break_on)
            thread.start()
            await until(ended.is_set)
    await until(closed.is_set)
    thread.join()
    await until(lambda: not backend.is_open)
    if use == "send_break":
        assert backend.breaks == [True, False]


@pytest.mark.anyio
async def test_a_hang_up_noticed_in_another_loop_is_known_everywhere(
    far: Far, backend: PtyBackend, other: Other
) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.move_on_after(0.005):
            await port.receive()
        far.hang_up()
        with pytest.raises(SerialDisconnectedError):
            other.call(port.receive)
        with pytest.raises(SerialDisconnectedError):
            await port.send(b"x")
    assert not backend.is_open


def test_a_port_closed_where_no_loop_of_its_runs_any_more(far: Far, backend: PtyBackend) -> None:
    """An asyncio loop that stands still between two runs: nobody can be asked to unregister."""
    loop = asyncio.new_event_loop()

    async def begin() -> SerialPort:
        port = await open_serial_port(far.path, backend=backend)
        with anyio.move_on_after(0.005):
            await port.receive()
        return port

    port = loop.run_until_complete(begin())
    anyio.run(port.aclose)
    assert not backend.is_open
    loop.close()


@pytest.mark.anyio
async def test_the_portable_waiter_is_taken_where_descriptors_are_not_watched(
    far: Far, backend: PtyBackend, anyio_backend: Any
) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        await port.send(b"x")
        portable = "loop_factory" in (anyio_backend[1] or {})
        assert isinstance(port._waiter, PortableWaiter) is portable


class _Idle:
    """A `Watch` that takes no notice."""

    def on_idle(self) -> None:
        pass

    def on_release(self) -> None:
        pass


IDLE = _Idle()


def test_nothing_waits_without_an_event_loop() -> None:
    for make in (_readiness.signal, lambda: _readiness.waiter(0, IDLE)):
        with pytest.raises(UnsupportedAsyncBackendError, match="running"):
            make()


def test_an_interrupt_ends_a_receive_in_trio(far: Far, backend: PtyBackend) -> None:
    async def receive() -> None:
        async with await open_serial_port(far.path, backend=backend) as port, anyio.create_task_group() as tasks:

            async def interrupt() -> None:
                await wait_all_tasks_blocked()
                signal.raise_signal(signal.SIGINT)

            tasks.start_soon(interrupt)
            await port.receive()

    with pytest.raises(BaseExceptionGroup) as caught:
        anyio.run(receive, backend="trio")
    assert caught.value.split(KeyboardInterrupt)[1] is None
    assert not backend.is_open
