import asyncio
import os
import select
import sys
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from anyio.streams.file import FileStreamAttribute
from anyserial import SerialPort, open_serial_port

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

BLOCK = 65521  # a prime, so that no read or write of a round size falls into step with it


class Stream:
    """An endless sequence of bytes in which a byte lost, doubled or moved shows."""

    def __init__(self, rng: "random.Random") -> None:
        self._block = rng.randbytes(BLOCK) * 2

    def at(self, offset: int, size: int) -> bytes:
        start = offset % BLOCK
        return self._block[start : start + size]

    def check(self, offset: int, data: bytes) -> None:
        assert data == self.at(offset, len(data)), f"the bytes from {offset} on are not what was sent"


async def receive_somehow(port: SerialPort, rng: "random.Random") -> bytes:
    way = rng.randrange(3)
    if way == 0:
        return await port.receive(rng.choice((1, 7, 300, 65536)))
    if way == 1:
        return await port.receive_available()
    buffer = bytearray(rng.choice((1, 64, 5000)))
    size = await port.receive_into(buffer)
    return bytes(buffer[:size])


async def hop(times: int) -> None:
    for _ in range(times):
        await anyio.lowlevel.checkpoint()


async def finish(port: SerialPort, far: Any, streams: "tuple[Stream, Stream]", seen: "list[int]", written: int) -> None:
    """Let everything under way arrive, undisturbed, and count it."""
    inward, outward = streams
    while seen[0] < written:
        data = await port.receive()
        inward.check(seen[0], data)
        seen[0] += len(data)
    while seen[1] < port.statistics.bytes_sent:
        data = far.read()
        outward.check(seen[1], data)
        seen[1] += len(data)
        await anyio.lowlevel.checkpoint()
    await port.send(outward.at(seen[1], 9))
    while len(data := far.read()) == 0:
        await anyio.lowlevel.checkpoint()
    outward.check(seen[1], data)
    assert len(data) == 9
    assert port.input_waiting() == 0
    assert port.statistics.bytes_received == written


async def test_cancelled_by_a_scope_no_byte_is_lost_or_doubled(
    far: Any, rng: "random.Random", count: "Callable[[int, int], int]"
) -> None:
    wanted = count(1000, 100_000)
    streams = inward, outward = Stream(rng), Stream(rng)
    written = 0
    seen = [0, 0]
    cancelled = {"receive": 0, "send": 0}
    scopes: dict[str, anyio.CancelScope] = {}
    over = False
    port = await open_serial_port(far.path)

    async def keep(name: str, call: "Callable[[], Awaitable[None]]") -> None:
        while not over:
            with anyio.CancelScope() as scope:
                scopes[name] = scope
                if rng.random() < 0.02:
                    scope.cancel()  # cancelled before it begins
                await call()
            cancelled[name] += scope.cancelled_caught
            await anyio.lowlevel.checkpoint()

    async def receive() -> None:
        data = await receive_somehow(port, rng)
        inward.check(seen[0], data)
        seen[0] += len(data)

    async def send() -> None:
        # What a cancelled send had handed over, the statistics tell.
        await port.send(outward.at(port.statistics.bytes_sent, rng.choice((1, 16, 700, 9000))))

    with anyio.fail_after(600):
        async with anyio.create_task_group() as group:
            group.start_soon(keep, "receive", receive)
            group.start_soon(keep, "send", send)
            await anyio.wait_all_tasks_blocked()
            while sum(cancelled.values()) < wanted:
                if rng.random() < 0.5:
                    written += far.write(inward.at(written, rng.choice((1, 16, 300, 5000))))
                if rng.random() < 0.3:
                    data = far.read()
                    outward.check(seen[1], data)
                    seen[1] += len(data)
                await hop(rng.randrange(5))
                for scope in scopes.values():
                    if rng.random() < 0.7:
                        scope.cancel()
            over = True
            for scope in scopes.values():
                scope.cancel()
        await finish(port, far, streams, seen, written)
    await port.aclose()
    assert min(cancelled.values()) > wanted / 10, f"one-sided: {cancelled}"


@pytest.mark.parametrize("loop_factory", ["asyncio", "uvloop"])
def test_cancelled_as_a_task_no_byte_is_lost_or_doubled(
    loop_factory: str, far: Any, rng: "random.Random", count: "Callable[[int, int], int]"
) -> None:
    wanted = count(400, 20_000)

    async def main() -> None:
        streams = inward, outward = Stream(rng), Stream(rng)
        written = 0
        seen = [0, 0]
        cancelled = [0, 0]
        port = await open_serial_port(far.path)

        def receiving() -> "asyncio.Task[bytes]":
            return asyncio.create_task(receive_somehow(port, rng))

        def sending() -> "asyncio.Task[None]":
            return asyncio.create_task(
                port.send(outward.at(port.statistics.bytes_sent, rng.choice((1, 16, 700, 9000))))
            )

        receiver, sender = receiving(), sending()
        while sum(cancelled) < wanted:
            if rng.random() < 0.5:
                written += far.write(inward.at(written, rng.choice((1, 16, 300, 5000))))
            if rng.random() < 0.3:
                data = far.read()
                outward.check(seen[1], data)
                seen[1] += len(data)
            await hop(rng.randrange(5))
            for task in (receiver, sender):
                if rng.random() < 0.7:
                    task.cancel()
            await hop(rng.randrange(3))
            if receiver.done():
                if receiver.cancelled():
                    cancelled[0] += 1
                else:
                    inward.check(seen[0], receiver.result())
                    seen[0] += len(receiver.result())
                receiver = receiving()
            if sender.done():
                if sender.cancelled():
                    cancelled[1] += 1
                else:
                    sender.result()
                sender = sending()
        for task in (receiver, sender):
            task.cancel()
        ended = await asyncio.gather(receiver, sender, return_exceptions=True)
        if isinstance(ended[0], bytes):  # it had its bytes before the cancellation came
            inward.check(seen[0], ended[0])
            seen[0] += len(ended[0])
        await finish(port, far, streams, seen, written)
        await port.aclose()
        assert min(cancelled) > wanted / 10, f"one-sided: {cancelled}"

    with asyncio.Runner(loop_factory=factory(loop_factory)) as runner:
        runner.run(asyncio.wait_for(main(), 300))


def factory(name: str) -> "Callable[[], asyncio.AbstractEventLoop] | None":
    if name == "asyncio":
        return None
    import uvloop  # noqa: PLC0415  # not everybody's

    return uvloop.new_event_loop


@pytest.mark.parametrize("hops", range(8))
@pytest.mark.parametrize("into", [False, True], ids=["receive", "receive_into"])
async def test_bytes_that_came_before_the_cancellation_lead_the_next_receive(far: Any, hops: int, into: bool) -> None:
    # Between the moment in which the loop reads and that in which the task runs lie a few
    # turns of the loop; the cancellation comes in each of them.
    message = b"not to be lost"
    got = b""

    async def receive(port: SerialPort, scope: anyio.CancelScope) -> None:
        nonlocal got
        with scope:
            if into:
                buffer = bytearray(64)
                size = await port.receive_into(buffer)
                got = bytes(buffer[:size])
            else:
                got = await port.receive()

    with anyio.fail_after(10):
        async with await open_serial_port(far.path) as port:
            for round_ in range(20):
                got = b""
                scope = anyio.CancelScope()
                async with anyio.create_task_group() as group:
                    group.start_soon(receive, port, scope)
                    await anyio.wait_all_tasks_blocked()
                    assert far.write(message) == len(message)
                    # The loop has not looked yet, and finds the bytes in its very next turn.
                    assert select.select([port.extra(FileStreamAttribute.fileno)], [], [], 5)[0]
                    await hop(hops)
                    scope.cancel()
                if not got:
                    assert port.input_waiting() == len(message), f"round {round_}"
                    got = await port.receive(3)
                    assert got == message[:3]
                    got += await port.receive()
                assert got == message, f"round {round_}"
                assert port.statistics.bytes_received == len(message) * (round_ + 1)


async def test_bytes_that_came_before_the_cancellation_go_with_a_reset(far: Any) -> None:
    with anyio.fail_after(10):
        async with await open_serial_port(far.path) as port:
            for hops in range(8):
                scope = anyio.CancelScope()

                async def receive(scope: anyio.CancelScope) -> None:
                    with scope:
                        await port.receive()

                async with anyio.create_task_group() as group:
                    group.start_soon(receive, scope)
                    await anyio.wait_all_tasks_blocked()
                    far.write(b"old")
                    await hop(hops)
                    scope.cancel()
                await port.reset_input_buffer()
                far.write(b"new")
                assert (await port.receive())[-3:] == b"new"
                assert port.input_waiting() == 0


PENDING: "dict[str, Callable[[SerialPort], Awaitable[object]]]" = {
    "receive": lambda port: port.receive(),
    "receive_into": lambda port: port.receive_into(bytearray(9)),
    "send": lambda port: port.send(bytes(1_000_000)),
    "drain": lambda port: port.drain(),
    "drain_exact": lambda port: port.drain_exact(),
    "send_eof": lambda port: port.send_eof(),
    "send_break": lambda port: port.send_break(60),
    "configure": lambda port: port.configure(port.config.with_changes(baudrate=19200)),
}


@pytest.mark.parametrize("operation", PENDING)
@pytest.mark.parametrize("by", ["scope", "deadline", "task"])
async def test_a_cancelled_call_ends_at_once_and_leaves_the_port_usable(
    operation: str, by: str, far: Any, slow_backend: "Callable[[], Any]", anyio_backend_name: str
) -> None:
    if by == "task" and anyio_backend_name == "trio":
        by = "scope"  # trio has no other way
    backend = slow_backend()
    with anyio.fail_after(10):
        async with await open_serial_port(far.path, backend=backend) as port:
            backend.unsent = 1 if operation in ("drain", "drain_exact", "send_eof") else 0
            if operation == "configure":
                backend.gate.clear()
            cancelled = anyio.Event()

            async def call() -> None:
                try:
                    await PENDING[operation](port)
                except BaseException as exc:
                    assert not isinstance(exc, Exception)
                    cancelled.set()
                    raise

            if by == "task":
                task = asyncio.get_running_loop().create_task(call())
                await anyio.wait_all_tasks_blocked()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            elif by == "deadline":
                with anyio.move_on_after(0.01):
                    await call()
            else:
                async with anyio.create_task_group() as group:
                    group.start_soon(call)
                    await anyio.wait_all_tasks_blocked()
                    group.cancel_scope.cancel()
            assert cancelled.is_set()
            backend.unsent = 0
            backend.gate.set()
            if operation == "send":
                while port.statistics.bytes_sent and not far.read().endswith(b"\0"):
                    await anyio.lowlevel.checkpoint()
                while far.read():
                    pass
            # Both directions still work.
            far.write(b"still here")
            assert await port.receive() == b"still here"
            await port.send(b"and back")
            await anyio.wait_readable(far.master)
            data = b""
            while not data.endswith(b"and back"):
                data += far.read()
                await anyio.lowlevel.checkpoint()
            assert port.is_open


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
async def test_a_cancelled_aclose_has_closed(far: Any, slow_backend: "Callable[[], Any]") -> None:
    backend = slow_backend()
    with anyio.fail_after(10):
        port = await open_serial_port(far.path, backend=backend)
        number = port.extra(FileStreamAttribute.fileno)
        backend.unsent = 1
        with anyio.CancelScope() as scope:
            scope.cancel()
            await port.aclose()
        assert not port.is_open
        while os.path.exists(f"/proc/self/fd/{number}"):
            await anyio.lowlevel.checkpoint()
        assert backend.calls.close == 1
