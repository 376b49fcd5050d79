"""Coming back to a device: two adapters that change places, unplugged and plugged in again and again.

With ANYSERIAL_STRESS=full it is a hundred rounds for each driver and each way to wait.
"""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyserial.sync
import pytest
from anyio.to_thread import run_sync
from anyserial import PortInfo, SerialDisconnectedError, SerialPort, find_serial_port, reconnect
from exact import receive_exactly, receive_exactly_blocking
from hardware_runtimes import RUNTIMES
from usb_links import LINKS, UsbLink

pytestmark = pytest.mark.anyio

DRIVERS = ("ftdi_sio", "cdc_acm")
ROUNDS = 100 if os.environ.get("ANYSERIAL_STRESS") == "full" else 4
IN_TIME = 0.3  # seconds from the node's being there to the open port
TICK = 0.004  # seconds: what the kernel stamps a node with may be that much too early
IDLE = 0.5  # seconds that are looked at while the device is missing
DEVICES = ("filters", "a PortInfo", "a by-id path")


@pytest.fixture
def other(link: UsbLink, link_name: str) -> Iterator[UsbLink]:
    """A second adapter of the same kind, with another serial number."""
    second: Any = LINKS[link_name]()
    assert second.identity != link.identity
    yield second
    second.close()


def age(path: str) -> float:
    """Seconds since a node was made; nothing was sent to it yet."""
    return time.time() - Path(path).stat().st_mtime


def pull_and_plug(number: int, link: UsbLink, other: UsbLink) -> None:
    """Pull both out, and plug them in so that each gets the other's node."""
    link.unplug()
    other.unplug()
    for each in (link, other) if number % 2 else (other, link):
        each.plug()


def named(how: str, info: PortInfo | None) -> Any:
    """Name a device in one of the ways that `reconnect` takes."""
    assert info is not None
    return {"filters": {"serial_number": info.serial_number}, "a PortInfo": info, "a by-id path": info.by_id}[how]


class Record:
    """What was seen of the rounds."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._nodes: set[str] = set()

    def note(self, port: SerialPort | anyserial.sync.SerialPort, link: UsbLink) -> None:
        """Note that a port was opened just now."""
        self._times.append(age(port.path))
        self._nodes.add(port.path)
        assert port.port_info is not None
        assert port.port_info.serial_number == link.identity.serial_number

    def check(self) -> None:
        """Check that it was in time, and that the nodes changed hands."""
        times = sorted(self._times)
        print(f"{len(times)} rounds, from the node: median {times[len(times) // 2]:.3f} s, longest {times[-1]:.3f} s")  # noqa: T201  # the figures
        assert len(times) == ROUNDS
        assert len(self._nodes) == 2
        assert times[-1] <= IN_TIME + TICK


@pytest.mark.drivers(*DRIVERS)
@pytest.mark.parametrize(
    ("anyio_backend", "how"),
    [pytest.param(*runtime.values, how, id=str(runtime.id)) for runtime, how in zip(RUNTIMES, DEVICES, strict=True)],
)
async def test_a_device_is_found_again_however_often_it_moves(link: UsbLink, other: UsbLink, how: str) -> None:
    record = Record()
    device = named(how, await find_serial_port(device=link.path))
    with anyio.fail_after(30 + 10 * ROUNDS):
        async with reconnect(device) as ports:
            port = await anext(ports)
            for number in range(ROUNDS):
                async with anyio.create_task_group() as group:
                    group.start_soon(run_sync, pull_and_plug, number, link, other)
                    with pytest.raises(SerialDisconnectedError):
                        await port.receive()
                    port = await anext(ports)
                    record.note(port, link)
                assert port.path == link.path
                message = b"round %03d" % number
                await run_sync(link.send, message)
                assert await receive_exactly(port, len(message)) == message
    record.check()


@pytest.mark.drivers(*DRIVERS)
def test_a_thread_finds_a_device_again_however_often_it_moves(link: UsbLink, other: UsbLink) -> None:
    record = Record()
    device = named("filters", anyserial.sync.find_serial_port(device=link.path))
    with anyserial.sync.reconnect(device, timeout=20) as ports:
        port = next(ports)
        for number in range(ROUNDS):
            thread = threading.Thread(target=pull_and_plug, args=(number, link, other))
            thread.start()
            with pytest.raises(SerialDisconnectedError):
                port.receive(timeout=20)
            port = next(ports)
            record.note(port, link)
            thread.join()
            assert port.path == link.path
            message = b"round %03d" % number
            link.send(message)
            assert receive_exactly_blocking(port, len(message)) == message
    record.check()


@pytest.mark.drivers("ftdi_sio")
async def test_waiting_for_a_device_takes_no_processor_time(link: UsbLink) -> None:
    used = 0.0
    with anyio.fail_after(60):
        async with reconnect({"serial_number": link.identity.serial_number}) as ports:
            port = await anext(ports)
            await run_sync(link.unplug)
            with pytest.raises(SerialDisconnectedError):
                await port.receive()
            async with anyio.create_task_group() as group:
                group.start_soon(anext, ports)
                await anyio.wait_all_tasks_blocked()
                await anyio.sleep(0.2)  # what the unplug brings
                before = time.process_time()
                await anyio.sleep(IDLE)
                used = time.process_time() - before
                await run_sync(link.plug)
    print(f"{used * 1000:.2f} ms of processor time in {IDLE} s")  # noqa: T201  # the figure
    assert 0 < used < 0.02 * IDLE
