import errno
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from anyserial import PortNotFoundError, SerialDisconnectedError, SerialError, SerialPort, open_serial_port

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

PROMISE = 0.05  # seconds from the kernel's hang-up to the error
STUCK = 2.0

OPERATIONS: "dict[str, Callable[[SerialPort], Awaitable[object]]]" = {
    "receive": lambda port: port.receive(),
    "receive_into": lambda port: port.receive_into(bytearray(10)),
    "send": lambda port: port.send(bytes(1_000_000)),
    "drain": lambda port: port.drain(),
    "drain_exact": lambda port: port.drain_exact(),
    "send_break": lambda port: port.send_break(60),
    "configure": lambda port: port.configure(port.config.with_changes(baudrate=9600)),
    "set_break": lambda port: port.set_break(False),
    "reset_input_buffer": lambda port: port.reset_input_buffer(),
}
# Over in no time on a pty: made again and again until the unplug comes.
REPEATED = ("configure", "set_break", "reset_input_buffer")


def check_promise(took: "list[float]") -> None:
    """Check what each took: half of them keep the promise on the busiest machine, and none is anywhere near stuck."""
    assert statistics.median(took) <= PROMISE, sorted(took)
    assert max(took) <= STUCK, sorted(took)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_unplug_ends_what_is_pending(
    operation: str,
    new_far: "Callable[[], Any]",
    slow_backend: "Callable[[], Any]",
    rng: "random.Random",
    count: "Callable[[int, int], int]",
) -> None:
    # Beside it a port that has nothing to do with it, and goes on.
    other_far = new_far()
    took: list[float] = []

    async def pending(port: SerialPort) -> None:
        with pytest.raises(SerialDisconnectedError) as caught:
            while True:
                await OPERATIONS[operation](port)
                assert operation in REPEATED, "it ended before the unplug"
        took.append(time.monotonic() - unplugged)
        assert caught.value.filename == port.path
        assert caught.value.__cause__ is not None or caught.value.errno is not None

    with anyio.fail_after(60):
        async with await open_serial_port(other_far.path) as other:
            for _ in range(count(5, 50)):
                far = new_far()
                backend = slow_backend()
                port = await open_serial_port(far.path, backend=backend)
                backend.unsent = 1 if operation.startswith("drain") else 0
                unplugged = float("inf")
                async with anyio.create_task_group() as group:
                    group.start_soon(pending, port)
                    await anyio.sleep(rng.uniform(0, 0.01))
                    unplugged = time.monotonic()
                    far.unplug()
                assert not port.is_open
                for method in (port.receive, port.drain, partial(port.send, b"x")):
                    with pytest.raises(SerialDisconnectedError):
                        await method()
                await port.aclose()
                other_far.write(b"on it goes")
                assert await other.receive() == b"on it goes"
    check_promise(took)


async def test_an_unplug_ends_all_that_is_pending_at_once(
    new_far: "Callable[[], Any]", rng: "random.Random", count: "Callable[[int, int], int]"
) -> None:
    async def expect(call: "Callable[[], Awaitable[object]]") -> None:
        with pytest.raises(SerialDisconnectedError):
            while True:
                await call()

    with anyio.fail_after(60):
        for _ in range(count(5, 100)):
            far = new_far()
            port = await open_serial_port(far.path)
            async with anyio.create_task_group() as group:
                group.start_soon(expect, port.receive)
                group.start_soon(expect, partial(port.send, bytes(100_000)))
                group.start_soon(expect, partial(port.configure, port.config))
                group.start_soon(expect, port.reset_input_buffer)
                await anyio.sleep(rng.uniform(0, 0.003))
                far.unplug()
            assert not port.is_open
            await port.aclose()


async def test_an_unplug_while_opening(
    new_far: "Callable[[], Any]",
    rng: "random.Random",
    count: "Callable[[int, int], int]",
) -> None:
    took: list[float] = []

    async def open_until_gone(path: str) -> None:
        while True:
            try:
                await (await open_serial_port(path)).aclose()
            except PortNotFoundError as exc:
                assert exc.filename == path
                break
            except SerialError as exc:
                # For a moment Linux still has the node, and nothing behind it (pty_open).
                assert exc.errno == errno.EIO
        took.append(time.monotonic() - unplugged)

    with anyio.fail_after(60):
        for _ in range(count(10, 200)):
            far = new_far()
            unplugged = float("inf")
            async with anyio.create_task_group() as group:
                group.start_soon(open_until_gone, far.path)
                await anyio.sleep(rng.uniform(0, 0.01))
                unplugged = time.monotonic()
                far.unplug()
    check_promise(took)


async def test_what_was_received_comes_before_the_error(new_far: "Callable[[], Any]") -> None:
    with anyio.fail_after(10):
        for _ in range(10):
            far = new_far()
            port = await open_serial_port(far.path)
            got = b""
            scope = anyio.CancelScope()

            async def receive(scope: anyio.CancelScope, port: SerialPort) -> None:
                nonlocal got
                with scope:
                    got = await port.receive()

            async with anyio.create_task_group() as group:
                group.start_soon(receive, scope, port)
                await anyio.wait_all_tasks_blocked()
                far.write(b"last words")
                await anyio.lowlevel.checkpoint()
                await anyio.lowlevel.checkpoint()
                scope.cancel()
            carried = len(port._pushback)  # what waits in the kernel's queue instead goes with the hang-up
            far.unplug()
            if carried:
                with pytest.raises(SerialDisconnectedError):
                    await port.send(b"x")  # notices
                assert not port.is_open
                got = await port.receive()
            if got:
                assert got == b"last words"
            with pytest.raises(SerialDisconnectedError):
                await port.receive()
            await port.aclose()
