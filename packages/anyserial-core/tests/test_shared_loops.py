"""A port beside other users of its descriptor, its event loop and its thread."""

import asyncio
import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest
import trio
from anyio import wait_all_tasks_blocked
from anyio.streams.file import FileStreamAttribute
from anyserial import SerialPort, open_serial_port
from backends import Far, PtyBackend, until

# The descriptor is the caller's too.


async def _wait_readable(fd: int, far: Far) -> None:
    far.write(b"seen")
    with anyio.fail_after(5):
        await anyio.wait_readable(fd)


async def _give_up_waiting(fd: int, _far: Far) -> None:
    with anyio.move_on_after(0.005):
        await anyio.wait_readable(fd)


async def _add_and_remove(fd: int, _far: Far) -> None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return  # trio has no such calls
    with suppress(NotImplementedError):
        loop.add_reader(fd, lambda: None)
        loop.remove_reader(fd)


USES = [_wait_readable, _give_up_waiting, _add_and_remove]


@pytest.mark.anyio
@pytest.mark.parametrize("use", USES)
async def test_a_caller_that_watches_the_descriptor_between_two_receives(
    far: Far, backend: PtyBackend, use: Callable[[int, Far], Awaitable[None]]
) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        far.write(b"first")
        with anyio.fail_after(5):
            assert await port.receive() == b"first"
        with anyio.move_on_after(0.005):
            await port.receive()
        fd = port.extra(FileStreamAttribute.fileno)
        for _ in range(3):
            await use(fd, far)
            if port.input_waiting():
                with anyio.fail_after(5):
                    assert await port.receive() == b"seen"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_answer_a_waiting_receive, far)
                with anyio.fail_after(5):
                    assert await port.receive() == b"answer"


async def _answer_a_waiting_receive(far: Far) -> None:
    await wait_all_tasks_blocked()
    far.write(b"answer")


# Event loops that come and go.


def test_a_loop_closed_under_a_receive_leaves_the_port_to_the_next(far: Far, backend: PtyBackend) -> None:
    loop = asyncio.new_event_loop()
    tasks: list[asyncio.Task[bytes]] = []

    async def begin() -> SerialPort:
        port = await open_serial_port(far.path, backend=backend)
        tasks.append(asyncio.create_task(port.receive()))
        while getattr(port._waiter, "_future", None) is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
        return port

    async def go_on(port: SerialPort) -> None:
        async with port, anyio.create_task_group() as group:
            group.start_soon(_answer_a_waiting_receive, far)
            with anyio.fail_after(5):
                assert await port.receive() == b"answer"

    port = loop.run_until_complete(begin())
    loop.close()
    anyio.run(go_on, port)
    assert not backend.is_open
    tasks[0]._log_destroy_pending = False  # type: ignore[attr-defined]  # it is the test's point


def test_a_port_that_moves_a_thousand_times_between_two_live_loops_keeps_nothing(far: Far, backend: PtyBackend) -> None:
    loops = [asyncio.new_event_loop(), asyncio.new_event_loop()]

    async def use(port: SerialPort) -> "weakref.ref[Any]":
        far.write(b"x")
        assert await port.receive() == b"x"
        with anyio.move_on_after(0):
            await port.receive()
        return weakref.ref(port._waiter)

    port = loops[0].run_until_complete(_opened(far, backend))
    waiters = [loops[number % 2].run_until_complete(use(port)) for number in range(1000)]
    gc.collect()
    assert sum(waiter() is not None for waiter in waiters) == 1
    assert len(port._lifecycle.calls) == 1
    assert port._lifecycle.wakers == []
    loops[1].run_until_complete(port.aclose())
    for loop in loops:
        loop.close()


async def _opened(far: Far, backend: PtyBackend) -> SerialPort:
    return await open_serial_port(far.path, backend=backend)


# Two event loops in one thread.


def _in_a_guest_run(host: Callable[[], Awaitable[None]], guest: Callable[[], Awaitable[None]]) -> None:
    """Run *guest* in trio as a guest of asyncio, and *host* as a task of asyncio beside it."""

    async def main() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        outcomes: list[Any] = []

        def done(outcome: Any) -> None:
            outcomes.append(outcome)
            over.set()

        trio.lowlevel.start_guest_run(guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done)
        try:
            await host()
        finally:
            await asyncio.wait_for(over.wait(), 5)
        outcomes[0].unwrap()

    asyncio.run(main())


@pytest.mark.parametrize("call", ["receive", "send", "configure"])
@pytest.mark.parametrize("opened_by", ["host", "guest"])
def test_a_port_of_the_host_and_of_a_trio_guest_run(far: Far, backend: PtyBackend, opened_by: str, call: str) -> None:
    """The other loop of the thread may use the port, or is told that it is in use; it never gets a TypeError."""
    ports: list[SerialPort] = []
    came, tried = threading.Event(), threading.Event()

    async def wait(event: threading.Event, sleep: Callable[[float], Awaitable[None]]) -> None:
        while not event.is_set():
            await sleep(0.001)

    async def opens(sleep: Callable[[float], Awaitable[None]]) -> None:
        port = await open_serial_port(far.path, backend=backend)
        far.write(b"mine")
        assert await port.receive() == b"mine"
        ports.append(port)
        came.set()
        await wait(tried, sleep)
        await port.aclose()

    async def tries(sleep: Callable[[float], Awaitable[None]]) -> None:
        await wait(came, sleep)
        port = ports[0]
        try:
            far.write(b"yours")
            if call == "receive":
                assert await port.receive() == b"yours"
            elif call == "send":
                await port.send(b"x")
            else:
                await port.configure(port.config)
        except anyio.BusyResourceError:
            pass
        finally:
            tried.set()

    first, second = (opens, tries) if opened_by == "host" else (tries, opens)
    _in_a_guest_run(lambda: first(asyncio.sleep), lambda: second(trio.sleep))
    assert not backend.is_open


# Copies.


@pytest.mark.anyio
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
async def test_a_port_refuses_to_be_copied(far: Far, backend: PtyBackend, copied: Callable[[object], object]) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            copied(port)
        far.write(b"x")
        assert await port.receive() == b"x"
    await until(lambda: not backend.is_open)
