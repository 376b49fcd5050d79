"""A port beside other users of its descriptor, its event loop and its thread."""

import asyncio
import copy
import errno
import gc
import os
import pickle
import threading
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
from anyio import wait_all_tasks_blocked
from anyio.streams.file import FileStreamAttribute
from anyserial import SerialClosedError, SerialError, SerialPort, open_serial_port
from backends import Far, PtyBackend, until
from event_loops import only_on

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


@pytest.mark.anyio
@pytest.mark.parametrize("asked", ["before the receive", "during the receive", "in another thread"])
async def test_a_caller_that_watches_the_descriptor_under_a_parked_receive(
    far: Far, backend: PtyBackend, asked: str, anyio_backend: Any
) -> None:
    """Neither takes the other's place, in either order, and both are woken by the same bytes."""
    async with await open_serial_port(far.path, backend=backend) as port:
        number = backend.fileno()
        if asked == "before the receive":
            assert port.extra(FileStreamAttribute.fileno) == number
        else:
            await _ask_under_a_parked_receive(port, far, anyio_backend, in_thread=asked == "in another thread")
        for watch_first in (False, True, False):
            with anyio.fail_after(5):
                async with anyio.create_task_group() as tasks:
                    if watch_first:
                        tasks.start_soon(_watch, number)
                        await wait_all_tasks_blocked()
                    tasks.start_soon(_expect, port, b"both")
                    await wait_all_tasks_blocked()
                    if not watch_first:
                        tasks.start_soon(_watch, number)
                        await wait_all_tasks_blocked()
                    far.write(b"both")


async def _ask_under_a_parked_receive(port: SerialPort, far: Far, anyio_backend: Any, *, in_thread: bool) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_expect, port, b"first")
        await wait_all_tasks_blocked()
        if in_thread:
            number = await anyio.to_thread.run_sync(port.extra, FileStreamAttribute.fileno)
        else:
            number = port.extra(FileStreamAttribute.fileno)
        if "loop_factory" in (anyio_backend[1] or {}):
            with pytest.raises(anyio.BusyResourceError):
                await anyio.wait_readable(number)
            far.write(b"first")
        else:
            tasks.start_soon(_watch, number)
            await wait_all_tasks_blocked()
            far.write(b"first")


async def _watch(number: int) -> None:
    await anyio.wait_readable(number)


async def _expect(port: SerialPort, data: bytes) -> None:
    with anyio.fail_after(5):
        assert await port.receive() == data


@pytest.mark.anyio
@only_on("asyncio", "uvloop")  # the others have no such calls
async def test_a_caller_that_keeps_a_reader_and_a_writer_of_the_descriptor(far: Far, backend: PtyBackend) -> None:
    loop = asyncio.get_running_loop()
    async with await open_serial_port(far.path, backend=backend) as port:
        fd = port.extra(FileStreamAttribute.fileno)
        readable = asyncio.Event()
        loop.add_reader(fd, readable.set)
        for _ in range(3):
            readable.clear()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_answer_a_waiting_receive, far)
                with anyio.fail_after(5):
                    assert await port.receive() == b"answer"
                    await readable.wait()
        loop.remove_reader(fd)
        loop.add_writer(fd, lambda: None)
        with anyio.fail_after(5):
            sending = asyncio.ensure_future(port.send(b"x" * 200_000))
            count = 0
            while count < 200_000:
                await anyio.wait_readable(far.master)
                count += len(os.read(far.master, 65536))
            await sending
        loop.remove_writer(fd)


@pytest.mark.anyio
async def test_the_duplicate_goes_with_the_port(far: Far, backend: PtyBackend) -> None:
    others = _descriptors_of(far.slave)
    port = await open_serial_port(far.path, backend=backend)
    with anyio.move_on_after(0.005):
        await port.receive()
    assert _descriptors_of(far.slave) == others + 1
    for _ in range(3):
        port.extra(FileStreamAttribute.fileno)
    assert _descriptors_of(far.slave) == others + 2
    await port.aclose()
    assert _descriptors_of(far.slave) == others
    with pytest.raises(SerialClosedError):
        port._share()


def _descriptors_of(tty: int) -> int:
    """Return how many descriptors of this process refer to the same device as *tty*."""
    device, count = os.fstat(tty).st_rdev, 0
    for entry in Path("/dev/fd").iterdir():
        with suppress(OSError):  # that of the listing
            count += os.fstat(int(entry.name)).st_rdev == device
    return count


@pytest.mark.anyio
async def test_a_port_that_finds_no_descriptor_for_the_duplicate_says_so(
    far: Far, backend: PtyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_number: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async with await open_serial_port(far.path, backend=backend) as port:
        with monkeypatch.context() as patched:
            patched.setattr(os, "dup", none_left)
            with pytest.raises(SerialError, match="Too many open files") as raised:
                port.extra(FileStreamAttribute.fileno)
            assert raised.value.errno == errno.EMFILE
        far.write(b"x")
        assert await port.receive() == b"x"


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
