"""Property test of shared ports: whoever comes, goes, dawdles or is cancelled, nobody misses a byte untold."""

import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyserial import SerialClosedError, SerialConfig, SerialDisconnectedError, sync
from anyserial.tap import InputLostError, PortLink, Tap, TapEvent, share
from anyserial.testing import MockBackend, serial_port_pair

CAPACITY = 2000


class Witness:
    """Checks what one reader receives against the stream, from where it joined."""

    def __init__(self, stream: bytes, start: int) -> None:
        self.stream = stream
        self.position = start
        self.missed = 0

    def take(self, data: bytes) -> None:
        assert data == self.stream[self.position : self.position + len(data)]
        self.position += len(data)

    def skip(self, missed: int) -> None:
        assert missed > 0
        self.missed += missed
        self.position += missed


@pytest.fixture(params=["asyncio", "uvloop", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    if request.param == "trio":
        return "trio"
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.mark.anyio
async def test_every_async_reader_gets_the_exact_stream_or_is_told_of_its_gap(
    rng: random.Random, count: Callable[[int, int], int]
) -> None:
    stream = rng.randbytes(count(60_000, 3_000_000))
    near, far = serial_port_pair()
    tapped = bytearray()

    def sink(event: TapEvent) -> None:
        if event.kind == "received":
            tapped.extend(event.data)

    async def read(link: PortLink, witness: Witness, *, patient: bool) -> None:
        """Read until the device is gone; now and then be cancelled, or fall behind."""
        while True:
            try:
                with anyio.move_on_after(rng.choice([0, 0.0001, 1])):
                    witness.take(await link.receive(rng.randint(1, 3000)))
            except InputLostError as exc:
                witness.skip(exc.missed)
            except SerialDisconnectedError:
                break
            if not patient and rng.random() < 0.05:
                await anyio.sleep(rng.choice([0, 0.002]))
        assert witness.position == len(stream)

    async def come_and_go() -> None:
        while True:
            async with shared.link() as link:
                witness = Witness(stream, shared._log.end)
                for _ in range(rng.randint(0, 20)):
                    try:
                        with anyio.move_on_after(rng.choice([0, 0.001])):
                            witness.take(await link.receive(rng.randint(1, 3000)))
                    except InputLostError as exc:
                        witness.skip(exc.missed)
                    except SerialDisconnectedError:
                        return
            await anyio.lowlevel.checkpoint()

    with Tap(near, sink):
        async with share(near, capacity=CAPACITY) as shared:
            with anyio.fail_after(60):
                async with anyio.create_task_group() as tasks:
                    for number in range(5):
                        reader = partial(read, shared.link(), Witness(stream, 0), patient=number == 0)
                        tasks.start_soon(reader)
                    tasks.start_soon(come_and_go)
                    sent = 0
                    while sent < len(stream):
                        size = rng.randint(1, 4000)
                        await far.send(stream[sent : sent + size])
                        sent += size
                    await far.aclose()
    assert tapped == stream


def test_every_thread_gets_the_exact_stream_or_is_told_of_its_gap(  # noqa: PLR0915  # one scenario
    rng: random.Random, count: Callable[[int, int], int]
) -> None:
    stream = rng.randbytes(count(60_000, 2_000_000))
    near, far = MockBackend.pair()
    near.open("/dev/mockA", SerialConfig())
    far.open("/dev/mockB", SerialConfig())
    failures: list[BaseException] = []
    seeds = [rng.random() for _ in range(5)]

    def read(link: sync.PortLink, seed: float) -> None:
        chance = random.Random(seed)
        witness = Witness(stream, 0)
        try:
            while True:
                try:
                    witness.take(link.receive(chance.randint(1, 3000), timeout=chance.choice([0, 0.0001, 1])))
                except TimeoutError:
                    continue
                except InputLostError as exc:
                    witness.skip(exc.missed)
                except SerialDisconnectedError:
                    assert witness.position == len(stream)
                    return
        except BaseException as exc:  # noqa: BLE001  # the test raises it
            failures.append(exc)

    def come_and_go(shared: sync.SharedPort, done: threading.Event) -> None:
        try:
            while not done.is_set():
                with shared.link() as link:
                    closing = threading.Timer(0.001, link.close)
                    closing.start()
                    try:
                        while True:
                            link.receive(timeout=1)
                    except (SerialClosedError, SerialDisconnectedError, InputLostError, TimeoutError):
                        closing.join()
        except BaseException as exc:  # noqa: BLE001  # the test raises it
            failures.append(exc)

    with (
        sync.SerialPort(near, SerialConfig()) as port,
        sync.share(port, capacity=CAPACITY) as shared,
        sync.SerialPort(far, SerialConfig()) as sender,
    ):
        done = threading.Event()
        threads = [threading.Thread(target=read, args=(shared.link(), seed)) for seed in seeds]
        threads.append(threading.Thread(target=come_and_go, args=(shared, done)))
        for thread in threads:
            thread.start()
        sent = 0
        while sent < len(stream):
            size = rng.randint(1, 4000)
            sender.send(stream[sent : sent + size], timeout=10)
            sent += size
        sender.close()
        for thread in threads[:-1]:
            thread.join(30)
        done.set()
        threads[-1].join(30)
        assert not [thread for thread in threads if thread.is_alive()]
    assert failures == []
