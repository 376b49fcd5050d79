import gc
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from anyserial import SerialPort, open_serial_port

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

FULL = os.environ.get("ANYSERIAL_STRESS") == "full"
WARM_UP = 300  # cycles
# Allocated blocks that the second half may add: three per hundred cycles. A leak grows with the cycles. What levels off
# is a cache: splitting an exception group makes a new string "derive", and the interpreter's cache of attributes keeps
# each one until another takes its slot (some 380 blocks on trio). A few hundred cycles would show little but that, so
# memory is looked at only with ANYSERIAL_STRESS=full, in a step of the gate.
BLOCKS_LEFT = 150


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))


def workers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("anyserial-worker")]


async def settle(before: int) -> None:
    """Wait until the closes that nobody awaited are over."""
    while descriptors() > before or workers():
        await anyio.sleep(0.001)


async def hop(times: int) -> None:
    for _ in range(times):
        await anyio.lowlevel.checkpoint()


async def cycle(far: Any, rng: "random.Random") -> bool:
    """Open a port and close it, in one of many ways; return whether something was cancelled."""
    way = rng.randrange(6)
    if way == 0:  # plainly
        async with await open_serial_port(far.path):
            pass
        return False
    if way == 1:  # with traffic
        async with await open_serial_port(far.path) as port:
            await port.send(b"x")
            far.write(b"y")
            await port.receive()
            far.read()
        return False
    if way == 2:  # cancelled while opening
        port_: SerialPort | None = None
        async with anyio.create_task_group() as group:

            async def opening() -> None:
                nonlocal port_
                port_ = await open_serial_port(far.path)

            group.start_soon(opening)
            await hop(rng.randrange(12))
            group.cancel_scope.cancel()
        if port_ is not None:
            await port_.aclose()
        return port_ is None
    port = await open_serial_port(far.path)
    if way == 3:  # cancelled before closing
        with anyio.CancelScope() as scope:
            scope.cancel()
            await port.aclose()
        return True
    if way == 4:  # cancelled while closing
        async with anyio.create_task_group() as group:
            group.start_soon(port.aclose)
            await hop(rng.randrange(4))
            group.cancel_scope.cancel()
        return True
    async with anyio.create_task_group() as group:  # cancelled in the middle of a receive
        group.start_soon(port.receive)
        await hop(rng.randrange(4))
        group.cancel_scope.cancel()
    await port.aclose()
    return True


async def test_open_and_close_leave_nothing(far: Any, rng: "random.Random", count: "Callable[[int, int], int]") -> None:
    before = descriptors()
    cancelled = 0
    cycles = count(120, 10_000)

    async def cycle_through(times: int) -> int:
        nonlocal cancelled
        for _ in range(times):
            cancelled += await cycle(far, rng)
        await settle(before)
        gc.collect()
        return sys.getallocatedblocks()

    with anyio.fail_after(300):
        if FULL:
            await cycle_through(WARM_UP)
        cancelled = 0
        blocks = await cycle_through(cycles // 2)
        left = await cycle_through(cycles // 2) - blocks
    if FULL:
        assert left < BLOCKS_LEFT, f"{left} blocks of memory left by the last {cycles // 2} cycles"
    assert cancelled > cycles / 4
    assert descriptors() == before
    assert not workers()


async def test_many_ports_at_once_leave_nothing(
    new_far: "Callable[[], Any]", rng: "random.Random", count: "Callable[[int, int], int]"
) -> None:
    fars = [new_far() for _ in range(count(20, 100))]
    before = descriptors()
    with anyio.fail_after(60):
        for _ in range(5):
            async with anyio.create_task_group() as group:
                for far in fars:
                    group.start_soon(cycle, far, rng)
            await settle(before)
    assert descriptors() == before
