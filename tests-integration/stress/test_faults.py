from typing import TYPE_CHECKING

import anyio
import pytest
from anyserial import SerialPort
from anyserial.testing import FaultPlan, faults_of, serial_port_pair

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

RUNTIMES = 3  # the full figure is for all of them together
COUNTERS = ("eagain_reads", "eagain_writes", "eintr_reads", "eintr_writes")


def disturb(plan: FaultPlan, rng: "random.Random") -> int:
    """Plan a few faults; return how many that adds."""
    if rng.random() < 0.1:
        plan.short_write_max = rng.choice((None, None, 7, 40))
    if rng.random() < 0.7:
        return 0
    name = rng.choice(COUNTERS)
    added = rng.randrange(1, 4)
    setattr(plan, name, getattr(plan, name) + added)
    return added


async def test_a_payload_survives_every_fault_plan(rng: "random.Random", count: "Callable[[int, int], int]") -> None:
    wanted = count(9_000, 1_000_002) // RUNTIMES
    payload = rng.randbytes(65521) * 2
    operations = {"send": 0, "receive": 0}
    planned = 0
    a, b = serial_port_pair()

    async def send(port: SerialPort) -> None:
        nonlocal planned
        plan = faults_of(port)
        while sum(operations.values()) < wanted:
            planned += disturb(plan, rng)
            start = port.statistics.bytes_sent % 65521
            await port.send(payload[start : start + rng.choice((1, 16, 100))])
            operations["send"] += 1
        plan.short_write_max = None

    async def receive(port: SerialPort) -> None:
        nonlocal planned
        plan = faults_of(port)
        while True:
            planned += disturb(plan, rng)
            start = port.statistics.bytes_received % 65521
            if rng.random() < 0.5:
                data = await port.receive(rng.choice((1, 10, 100)))
            else:
                buffer = bytearray(rng.choice((5, 400)))
                data = bytes(buffer[: await port.receive_into(buffer)])
            assert data == payload[start : start + len(data)]
            operations["receive"] += 1

    def left() -> int:
        return sum(getattr(faults_of(port), name) for port in (a, b) for name in COUNTERS)

    with anyio.fail_after(300):
        async with a, b, anyio.create_task_group() as receivers:
            receivers.start_soon(receive, a)
            receivers.start_soon(receive, b)
            async with anyio.create_task_group() as senders:
                senders.start_soon(send, a)
                senders.start_soon(send, b)
            for one, other in ((a, b), (b, a)):
                while other.statistics.bytes_received < one.statistics.bytes_sent:
                    await anyio.sleep(0.001)
            receivers.cancel_scope.cancel()
        assert sum(operations.values()) >= wanted
        assert min(operations.values()) > wanted / 20, f"one-sided: {operations}"
        assert planned - left() > wanted / 4, "too few faults came about"


async def test_a_failed_transfer_is_an_error_and_no_byte_is_lost(rng: "random.Random") -> None:
    # EIO without a hang-up, as a failed USB transfer gives: the port is still there.
    a, b = serial_port_pair()
    sent, received, failed = b"", b"", 0
    with anyio.fail_after(30):
        async with a, b:
            while failed < 50:
                block = rng.randbytes(rng.randrange(1, 50))
                await a.send(block)
                sent += block
                faults_of(b).raise_eio_on_read = rng.random() < 0.5
                try:
                    received += await b.receive(rng.randrange(1, 50))
                except OSError:
                    failed += 1
                    assert b.is_open
            faults_of(b).raise_eio_on_read = False
            while len(received) < len(sent):
                received += await b.receive()
    assert received == sent
