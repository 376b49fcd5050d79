import gc
import select
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from anyserial import SerialConfig, SerialDisconnectedError, SerialPort, open_serial_port
from anyserial.testing import MockBackend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

pytestmark = pytest.mark.anyio

LONGEST = 0.01  # seconds that other tasks may have to wait

CALLS: "dict[str, Callable[[SerialPort], Awaitable[object]]]" = {
    "receive one byte": lambda port: port.receive(1),
    "receive": lambda port: port.receive(),
    "receive_into": lambda port: port.receive_into(bytearray(4096)),
    "receive_available": lambda port: port.receive_available(),
    "send": lambda port: port.send(b"x"),
    "send a lot": lambda port: port.send(bytes(100_000)),
}


@pytest.fixture(autouse=True)
def no_collection() -> "Iterator[None]":
    """Keep the garbage collector out of what is measured: a full collection takes as long as there are objects."""
    gc.disable()
    yield
    gc.enable()


def flooding_pair() -> tuple[Any, MockBackend]:
    """Return a backend on which every call succeeds at once, for ever, and the one that it is paired with."""
    flood: Any
    flood, other = MockBackend.pair()
    flood.open("a", SerialConfig())
    other.open("b", SerialConfig())
    other.write(b"x")  # readable for ever: no read below takes it

    def read(size: int) -> bytes:
        return bytes(min(size, 4095))

    def read_into(buffer: memoryview) -> int:
        return min(len(buffer), 4095)

    flood.read, flood.read_into, flood.write = read, read_into, len
    return flood, other


async def gaps(ticks: int, *, sleeping: bool) -> "list[float]":
    """Run *ticks* times beside the others; return what CPU time they took in between, in seconds.

    CPU time of this thread: what else the machine does is not theirs.
    """
    found: list[float] = []
    before = time.thread_time()
    for _ in range(ticks):
        await (anyio.sleep(0.001) if sleeping else anyio.lowlevel.checkpoint())
        now = time.thread_time()
        found.append(now - before)
        before = now
    return found


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("sleeping", [False, True], ids=["ready", "sleeping"])
async def test_a_port_that_never_waits_lets_others_run(
    call: str, sleeping: bool, count: "Callable[[int, int], int]"
) -> None:
    backend, other = flooding_pair()
    found: list[float] = []
    calls = 0

    async def keep(port: SerialPort) -> None:
        nonlocal calls
        while True:
            await CALLS[call](port)
            calls += 1

    with anyio.fail_after(30):
        async with SerialPort(backend, SerialConfig()) as port, anyio.create_task_group() as group:
            group.start_soon(keep, port)
            await anyio.lowlevel.checkpoint()
            found = await gaps(count(50, 500), sleeping=sleeping)
            group.cancel_scope.cancel()
    other.close()
    assert calls > 50
    assert max(found) <= LONGEST, f"the others waited for {max(found):.4f} s"


async def test_a_flooding_device_lets_others_run(far: Any, count: "Callable[[int, int], int]") -> None:
    over = threading.Event()
    received = 0
    found: list[float] = []

    def flood() -> None:
        block = bytes(4096)
        while not over.is_set():
            if select.select([], [far.master], [], 0.1)[1]:
                far.write(block)

    async def keep(port: SerialPort) -> None:
        nonlocal received
        while True:
            received += len(await port.receive())

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        with anyio.fail_after(60):
            async with await open_serial_port(far.path) as port, anyio.create_task_group() as group:
                group.start_soon(keep, port)
                while received < count(1_000_000, 30_000_000):
                    found += await gaps(20, sleeping=True)
                group.cancel_scope.cancel()
    finally:
        over.set()
        thread.join()
    assert max(found) <= LONGEST, f"the others waited for {max(found):.4f} s"


async def test_a_call_that_never_waits_can_still_be_cancelled() -> None:
    for call in CALLS.values():
        backend, other = flooding_pair()
        async with SerialPort(backend, SerialConfig()) as port:
            with anyio.fail_after(10), anyio.CancelScope() as scope:
                scope.cancel()
                while True:
                    await call(port)
            assert scope.cancelled_caught
        other.close()


async def test_a_port_with_a_dead_far_end_does_not_spin(new_far: "Callable[[], Any]") -> None:
    # A descriptor that hung up is readable for ever: one that nobody waits on must not keep the loop busy.
    far = new_far()
    async with await open_serial_port(far.path) as port:
        with anyio.move_on_after(0.01):
            await port.receive()  # registers
        far.unplug()
        before = time.thread_time()
        await anyio.sleep(0.2)
        assert time.thread_time() - before < 0.1
        with pytest.raises(SerialDisconnectedError):
            await port.receive()
