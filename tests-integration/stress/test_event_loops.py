import asyncio
import os
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
import uvloop
from anyio.streams.file import FileStreamAttribute
from anyserial import SerialClosedError, SerialDisconnectedError, SerialPort, open_serial_port
from anyserial.testing import serial_port_pair

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Coroutine, Generator

RUNTIMES = ("asyncio", "uvloop", "trio")
PAIRS = [(one, other) for one in RUNTIMES for other in RUNTIMES]


def options(runtime: str) -> "dict[str, Any]":
    if runtime == "trio":
        return {"backend": "trio"}
    return {"backend": "asyncio", "backend_options": {"use_uvloop": runtime == "uvloop"}}


def run(runtime: str, function: "Callable[[], Awaitable[Any]]") -> Any:
    async def main() -> Any:
        with anyio.fail_after(60):
            return await function()

    return anyio.run(main, **options(runtime))


@contextmanager
def loop_in_thread(runtime: str) -> "Generator[anyio.from_thread.BlockingPortal]":
    """Run an event loop in another thread."""
    with anyio.from_thread.start_blocking_portal(**options(runtime)) as portal:
        yield portal


def number_of(port: SerialPort) -> int:
    return port.extra(FileStreamAttribute.fileno)


async def arrive(far: Any, size: int) -> bytes:
    """Read *size* bytes at the far end."""
    data = b""
    while len(data) < size:
        data += far.read()
        await anyio.lowlevel.checkpoint()
    return data


# Two event loops at once


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_ports_in_two_event_loops_in_two_threads(
    one: str, other: str, new_far: "Callable[[], Any]", rng: "random.Random", count: "Callable[[int, int], int]"
) -> None:
    rounds = count(50, 2000)
    failures: list[BaseException] = []

    def serve(runtime: str, far: Any, seed: int) -> None:
        async def main() -> None:
            payload = bytes([seed]) * 16
            async with await open_serial_port(far.path) as port:
                for _ in range(rounds):
                    await port.send(payload)
                    assert await arrive(far, 16) == payload
                    far.write(payload[:5])
                    assert await port.receive() == payload[:5]

        try:
            run(runtime, main)
        except BaseException as exc:  # noqa: BLE001  # the main thread raises it
            failures.append(exc)

    threads = [
        threading.Thread(target=serve, args=(runtime, new_far(), rng.randrange(256))) for runtime in (one, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_port_in_use_in_one_event_loop_refuses_another(one: str, other: str, far: Any) -> None:
    port = run(other, lambda: open_serial_port(far.path))
    with loop_in_thread(one) as portal:
        receiving = portal.start_task_soon(port.receive)

        async def parked() -> None:
            await anyio.wait_all_tasks_blocked()

        portal.call(parked)

        async def use() -> None:
            for call in (port.send(b"x"), port.receive()):
                with pytest.raises(anyio.BusyResourceError):
                    await call

        run(other, use)
        assert far.read() == b""
        far.write(b"for the first")
        assert receiving.result(10) == b"for the first"
        # Now that nobody waits there, it follows.
        run(other, lambda: port.send(b"here now"))
        portal.call(port.aclose)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_closing_from_another_event_loop_wakes_who_waits(one: str, other: str, far: Any) -> None:
    with loop_in_thread(one) as portal:
        port = portal.call(open_serial_port, far.path)
        receiving = portal.start_task_soon(port.receive)
        sending = portal.start_task_soon(port.send, bytes(1_000_000))

        async def parked() -> None:
            await anyio.wait_all_tasks_blocked()

        portal.call(parked)
        run(other, port.aclose)
        for future in (receiving, sending):
            with pytest.raises(SerialClosedError):
                future.result(10)


# One event loop after the other


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_port_follows_its_caller_from_one_event_loop_to_the_next(one: str, other: str, far: Any) -> None:
    port = run(one, lambda: open_serial_port(far.path))

    async def exchange() -> None:
        for _ in range(3):
            await port.send(b"there")
            assert await arrive(far, 5) == b"there"
            with anyio.move_on_after(0.001):  # registers and lets go again
                await port.receive()
            far.write(b"and back")
            assert await port.receive() == b"and back"

    for runtime in (one, other, one, one, other):
        run(runtime, exchange)
    run(other, port.aclose)


@pytest.mark.parametrize(("one", "other"), PAIRS)
@pytest.mark.parametrize("hops", range(4))
def test_bytes_of_a_cancelled_receive_follow_too(one: str, other: str, hops: int, far: Any) -> None:
    port = run(one, lambda: open_serial_port(far.path))
    got: list[bytes] = []

    async def cancelled_receive() -> None:
        async def receive() -> None:
            got.append(await port.receive())

        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            await anyio.wait_all_tasks_blocked()
            far.write(b"kept")
            for _ in range(hops):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

    async def receive_rest() -> None:
        if not got:
            got.append(await port.receive())
        await port.aclose()

    run(one, cancelled_receive)
    run(other, receive_rest)
    assert got == [b"kept"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_port_made_without_an_event_loop_serves_in_any(runtime: str) -> None:
    a, b = serial_port_pair()

    async def exchange() -> None:
        async with a, b:
            await a.send(b"x")
            assert await b.receive() == b"x"

    run(runtime, exchange)


# A descriptor number used again at once


@contextmanager
def next_number(number: int) -> "Generator[None]":
    """See to it that the next descriptor opened has this number."""
    below: list[int] = []
    while (free := os.dup(0)) < number:
        below.append(free)
    os.close(free)
    yield
    for other in below:
        os.close(other)


@pytest.mark.anyio
@pytest.mark.parametrize("before", ["idle", "registered", "parked", "parked sender", "unplugged", "carrying"])
async def test_a_number_used_again_at_once_brings_nothing_of_the_old_port(
    before: str, new_far: "Callable[[], Any]", count: "Callable[[int, int], int]"
) -> None:
    with anyio.fail_after(60):
        for _ in range(count(20, 300)):
            old_far, new = new_far(), new_far()
            old = await open_serial_port(old_far.path)
            number = number_of(old)
            async with anyio.create_task_group() as group:
                await _bring_into(before, old, old_far, group)
                await old.aclose()
                if before != "unplugged":
                    old_far.write(b"stray")  # what still comes there is nobody's
                with next_number(number):
                    port = await open_serial_port(new.path)
                async with port:
                    assert number_of(port) == number
                    with anyio.move_on_after(0.0005) as scope:
                        assert await port.receive() == b"", "bytes out of nowhere"
                    assert scope.cancelled_caught
                    new.write(b"mine")
                    assert await port.receive() == b"mine"
                    await port.send(b"to the new one")
                    assert await arrive(new, 14) == b"to the new one"
                    assert port.statistics.bytes_received == 4
                    old_far.unplug()
                    await anyio.lowlevel.checkpoint()
                    assert port.is_open


async def _bring_into(state: str, port: SerialPort, far: Any, group: Any) -> None:
    async def ends(call: "Awaitable[object]") -> None:
        with pytest.raises((SerialClosedError, SerialDisconnectedError)):
            await call

    if state == "registered":
        with anyio.move_on_after(0.0005):
            await port.receive()
    elif state == "parked":
        group.start_soon(ends, port.receive())
        await anyio.wait_all_tasks_blocked()
    elif state == "parked sender":
        group.start_soon(ends, port.send(bytes(100_000)))
        await anyio.wait_all_tasks_blocked()
        far.read()  # writable again just now
    elif state == "unplugged":
        group.start_soon(ends, port.receive())
        await anyio.wait_all_tasks_blocked()
        far.unplug()
        while port.is_open:
            await anyio.lowlevel.checkpoint()
    elif state == "carrying":
        async with anyio.create_task_group() as inner:
            inner.start_soon(port.receive)
            await anyio.wait_all_tasks_blocked()
            far.write(b"carried")
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            inner.cancel_scope.cancel()


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_number_closed_in_one_event_loop_and_used_again_in_another(
    one: str, other: str, new_far: "Callable[[], Any]", count: "Callable[[int, int], int]"
) -> None:
    # The registration is in a loop that runs in another thread, while this one closes.
    with loop_in_thread(one) as portal:

        async def touch(port: SerialPort) -> None:
            with anyio.move_on_after(0.001):
                await port.receive()

        async def meet(far: Any) -> None:
            async with await open_serial_port(far.path) as port:
                far.write(b"mine")
                assert await port.receive() == b"mine"

        for _ in range(count(5, 50)):
            old_far, new = new_far(), new_far()
            old = portal.call(open_serial_port, old_far.path)
            portal.call(touch, old)
            old_far.write(b"stray")
            run(other, old.aclose)
            portal.call(meet, new)
            run(other, partial(meet, new))


# Eager tasks


def eager_task(loop: asyncio.AbstractEventLoop, coroutine: "Coroutine[Any, Any, Any]", **options: Any) -> Any:
    """Make a task that runs at once; asyncio's own factory does not take what uvloop gives it."""
    options["eager_start"] = loop.is_running()
    return asyncio.Task(coroutine, loop=loop, **options)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_eager_tasks(loop: str, far: Any, count: "Callable[[int, int], int]") -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(eager_task if loop == "uvloop" else asyncio.eager_task_factory)
        port = await open_serial_port(far.path)
        for number in range(count(50, 2000)):
            receiving = asyncio.create_task(port.receive())  # runs into its wait at once
            await asyncio.create_task(port.send(b"ping"))
            assert await arrive(far, 4) == b"ping"
            if number % 3 == 0:
                receiving.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await receiving
                receiving = asyncio.create_task(port.receive())
            far.write(b"pong")
            assert await receiving == b"pong"
        # In no task group of AnyIO's: it knows eager tasks by asyncio's own factory only.
        await asyncio.gather(port.configure(port.config.with_changes(baudrate=9600)), port.drain())
        far.write(b"waiting")
        while not port.input_waiting():
            await asyncio.sleep(0)
        assert await asyncio.create_task(port.receive()) == b"waiting"
        receiving = asyncio.create_task(port.receive())
        await asyncio.create_task(port.aclose())
        with pytest.raises(SerialClosedError):
            await receiving

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else None) as runner:
        runner.run(asyncio.wait_for(main(), 60))
