"""The clock that jumps: what it moves, and when it must not."""

import asyncio
import io
import math
import time
from typing import Any, Literal

import anyio
import pytest
from anyserial.framing import FramedStream, Silence
from anyserial_testing import SimulatedDevice, VirtualClock, record, serial_port_pair, simulated_port

BACKENDS: tuple[Literal["asyncio", "trio"], ...] = ("asyncio", "trio")


@pytest.fixture(params=[*BACKENDS, "trio, by public names"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    name, _, public = request.param.partition(", ")
    if public:
        monkeypatch.setattr("anyserial_testing._virtual_trio._SHORTCUT", "no_such_method")
    return name


def test_ten_seconds_of_exchange_sleep_no_real_second(
    backend: Literal["asyncio", "trio"], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    device = SimulatedDevice(strict=True).on(b"MEAS?\n", b"+1.2345E+00\n", delay=1.0)

    async def main() -> None:
        async with simulated_port(device) as port:
            for _ in range(10):
                with anyio.fail_after(1.1):
                    await port.send(b"MEAS?\n")
                    reply = b""
                    while not reply.endswith(b"\n"):
                        reply += await port.receive()
                assert reply == b"+1.2345E+00\n"

    clock = VirtualClock()
    began = time.process_time()
    clock.run(main, backend=backend)
    assert clock.now == pytest.approx(10 + 10 * 18 * 10 / 115200, abs=1e-4)
    # The clock lets a worker thread open and close the port in real time, and looks again after a moment.
    assert all(seconds <= 0.0005 for seconds in slept)
    assert time.process_time() - began < 5


def test_run_is_the_same_every_time(backend: Literal["asyncio", "trio"]) -> None:
    async def main() -> list[tuple[float, bytes]]:
        found: list[tuple[float, bytes]] = []
        device = SimulatedDevice()
        device.every(0.3, b"tick\n")
        device.every(0.7, b"tock\n")
        async with simulated_port(device) as port:
            with anyio.move_on_after(5):
                while True:
                    data = await port.receive()
                    found.append((anyio.current_time(), data))
        return [(round(when - found[0][0], 6), data) for when, data in found]

    runs = [VirtualClock().run(main, backend=backend) for _ in range(3)]
    assert len(runs[0]) > 50
    assert all(run == runs[0] for run in runs)


def test_frames_that_end_with_a_silence_and_records_run_on_it(backend: Literal["asyncio", "trio"]) -> None:
    text = io.StringIO()

    async def main() -> list[float]:
        times: list[float] = []
        device = SimulatedDevice(paced=False, until=b"\n").on(None, b"abc", delay=1.0)
        port = simulated_port(device)
        async with FramedStream(port, Silence(seconds=5.0), quiet=0.5) as frames:
            with record(port, text):
                for _ in range(2):
                    assert await frames.exchange(b"x\n", timeout=6.5) == b"abc"
                    times.append(anyio.current_time())
                with pytest.raises(TimeoutError):
                    await frames.exchange(b"x\n", timeout=5.5)
                times.append(anyio.current_time())
                await port.send(b"y\n")
                _, read_at = await port.receive_with_time()
                times.append(read_at)
        return [round(time - times[0], 9) for time in times]

    assert VirtualClock().run(main, backend=backend) == [0, 6, 11.5, 12.5]
    assert [line.split(maxsplit=2)[:2] for line in text.getvalue().splitlines()[3:5]] == [
        ["0.000000", "send"],
        ["1.000000", "receive"],
    ]


def test_timeouts_and_sleeps_run_on_it(backend: Literal["asyncio", "trio"]) -> None:
    async def main() -> float:
        began = anyio.current_time()
        with pytest.raises(TimeoutError), anyio.fail_after(3600):
            await anyio.sleep_forever()
        async with anyio.create_task_group() as tasks:
            for hours in range(3):
                tasks.start_soon(anyio.sleep, hours * 3600)
        return anyio.current_time() - began

    clock = VirtualClock()
    assert clock.run(main, backend=backend) == pytest.approx(3 * 3600)
    assert clock.jumps >= 3


def test_it_does_not_jump_over_a_worker(backend: Literal["asyncio", "trio"]) -> None:
    """The calls of a descriptor's port are made on threads, which take real time and no virtual time."""

    async def main() -> None:
        host, device = serial_port_pair()
        async with host, device:
            for _ in range(50):
                with anyio.fail_after(0.001):
                    await host.modem_lines()
            with anyio.fail_after(0.3):
                await host.send_break(0.25)

    VirtualClock().run(main, backend=backend)


def test_descriptors_that_are_ready_come_before_a_jump(backend: Literal["asyncio", "trio"]) -> None:
    async def main() -> bytes:
        host, device = serial_port_pair()
        async with host, device:
            received = b""
            with anyio.fail_after(0.001):
                for _ in range(50):
                    await device.send(b"x")
                    received += await host.receive()
        return received

    assert VirtualClock().run(main, backend=backend) == b"x" * 50


def test_it_does_not_jump_over_an_executor() -> None:
    async def main() -> int:
        return await asyncio.wait_for(asyncio.to_thread(sum, range(1_000_000)), 0.01)

    assert asyncio.run(main(), loop_factory=VirtualClock().new_event_loop) == sum(range(1_000_000))


def test_idle_tasks_come_before_a_jump(backend: Literal["asyncio", "trio"]) -> None:
    async def main() -> float:
        began, ended = anyio.current_time(), math.inf
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 10)
            await anyio.wait_all_tasks_blocked()
            ended = anyio.current_time()
        return ended - began

    assert VirtualClock().run(main, backend=backend) == pytest.approx(0, abs=0.5)
