"""Hot-plug events: every port that comes and goes, in order, in time, and to be opened when it is told."""

import grp
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import anyio
import anyserial.sync
import pytest
from anyio.to_thread import run_sync
from anyserial import PortEvent, find_serial_port, list_serial_ports, open_serial_port, watch_serial_ports
from anyserial.discovery import PortWatch
from hardware_runtimes import every_runtime
from serial_links import Link
from udev import running_udev

pytestmark = pytest.mark.anyio

DISTINCT = ("8250", "ftdi_sio", "cdc_acm")  # the usb-serial drivers make their ttys in the same way
IN_TIME = 0.2  # seconds from the node's being there, or from its device's being pulled out, to the event
TICK = 0.004  # seconds: what the kernel stamps a node with may be that much too early
CYCLES = 20
PROBE = Path(__file__).parent / "probes" / "watch_ports.py"


@pytest.fixture
def udev() -> Iterator[None]:
    with running_udev():
        yield


def age(path: str) -> float:
    """Seconds since a node that nobody has opened was made."""
    return time.time() - Path(path).stat().st_mtime


async def first_events(events: PortWatch) -> list[PortEvent]:
    """Take the events of the ports that are there."""
    present = await list_serial_ports()
    return [await anext(events) for _ in present]


async def check_cycle(events: PortWatch, link: Link) -> None:
    """Unplug and plug in again as fast as it goes, and check what is told of it."""
    before = await find_serial_port(device=link.path)
    begun = time.monotonic()

    def cycle() -> None:
        link.unplug()
        link.plug()

    told: list[tuple[PortEvent, float]] = []
    async with anyio.create_task_group() as group:
        group.start_soon(run_sync, cycle)
        event = await anext(events)
        told.append((event, time.monotonic() - begun))
        event = await anext(events)
        told.append((event, age(event.port.device)))
    (gone, told_gone), (come, told_come) = told
    assert (gone.kind, gone.port) == ("removed", before)
    assert (come.kind, come.port) == ("added", await find_serial_port(device=link.path))
    assert told_gone <= IN_TIME
    assert told_come <= IN_TIME + TICK


@every_runtime
@pytest.mark.drivers(*DISTINCT)
async def test_a_port_goes_and_comes(link: Link) -> None:
    await goes_and_comes(link)


@pytest.mark.drivers("ftdi_sio")
async def test_a_port_goes_and_comes_beside_udev(link: Link, udev: None) -> None:
    await goes_and_comes(link)


async def goes_and_comes(link: Link) -> None:
    with anyio.fail_after(60):
        async with watch_serial_ports() as events:
            present = await list_serial_ports()
            assert await first_events(events) == [PortEvent(kind="added", port=port) for port in present]
            await check_cycle(events, link)
            # Nothing else was told, not the name that a UART leaves behind either; and it opens as it was told.
            await run_sync(link.unplug)
            assert (await anext(events)).kind == "removed"
            with anyio.move_on_after(0.05):
                pytest.fail(f"one too many: {await anext(events)}")
            await run_sync(link.plug)
            event = await anext(events)
            assert event.kind == "added"
            async with await open_serial_port(event.port) as port:
                assert port.port_info == event.port
                await port.send(b"back")
                assert await run_sync(link.receive, 4) == b"back"


@pytest.mark.drivers("ftdi_sio")
async def test_of_many_quick_cycles_none_is_missed(link: Link) -> None:
    with anyio.fail_after(120):
        async with watch_serial_ports() as events:
            await first_events(events)
            for _ in range(CYCLES):
                await check_cycle(events, link)


@pytest.mark.drivers("cp210x", "pl2303", "ch341")
async def test_every_chip_goes_and_comes(link: Link) -> None:
    with anyio.fail_after(60):
        async with watch_serial_ports() as events:
            await first_events(events)
            await check_cycle(events, link)


@pytest.mark.drivers("ftdi_sio")
async def test_what_happened_while_nobody_looked_is_told_later(link: Link) -> None:
    with anyio.fail_after(60):
        async with watch_serial_ports() as events:
            await first_events(events)
            for _ in range(3):
                await run_sync(link.unplug)
                await run_sync(link.plug)
            # Of what came and went in between nothing is left to tell; that it is another device now is.
            assert [(await anext(events)).kind for _ in range(2)] == ["removed", "added"]
            await check_cycle(events, link)


@pytest.mark.drivers(*DISTINCT)
def test_a_port_goes_and_comes_for_a_thread(link: Link) -> None:
    goes_and_comes_for_a_thread(link)


@pytest.mark.drivers("ftdi_sio")
def test_a_port_goes_and_comes_for_a_thread_beside_udev(link: Link, udev: None) -> None:
    goes_and_comes_for_a_thread(link)


def goes_and_comes_for_a_thread(link: Link) -> None:
    heard = queue.SimpleQueue[tuple[PortEvent, float, float]]()

    def listen() -> None:
        with suppress(anyio.ClosedResourceError):  # the end
            for event in events:
                is_there = event.kind == "added"
                heard.put((event, time.monotonic(), age(event.port.device) if is_there else 0.0))

    with anyserial.sync.watch_serial_ports() as events:
        thread = threading.Thread(target=listen)
        thread.start()
        try:
            present = anyserial.sync.list_serial_ports()
            assert [heard.get(timeout=10)[0] for _ in present] == [
                PortEvent(kind="added", port=port) for port in present
            ]
            for _ in range(2):
                before = anyserial.sync.find_serial_port(device=link.path)
                begun = time.monotonic()
                link.unplug()
                link.plug()
                (gone, gone_at, _), (come, _, come_age) = heard.get(timeout=10), heard.get(timeout=10)
                assert (gone.kind, gone.port) == ("removed", before)
                assert (come.kind, come.port) == ("added", anyserial.sync.find_serial_port(device=link.path))
                assert gone_at - begun <= IN_TIME
                assert come_age <= IN_TIME + TICK
                with anyserial.sync.open_serial_port(come.port) as port:
                    port.send(b"back")
                    assert link.receive(4) == b"back"
        finally:
            events.close()
            thread.join(10)
        assert heard.empty()


# A user who may not open everything


class Nobody:
    """A process of a user without rights, in the group "dialout", that watches one port."""

    def __init__(self, device: str) -> None:
        group = grp.getgrnam("dialout").gr_gid
        self._process = subprocess.Popen([sys.executable, PROBE, device, str(group)], bufsize=0, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()

    def says(self) -> str:
        """The next line of what it says."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], 20)[0]:
            raise TimeoutError("nothing was said")
        return self._process.stdout.readline().decode().strip()


@pytest.mark.drivers("8250", "ftdi_sio")
def test_a_port_is_added_once_its_user_may_open_it(link: Link) -> None:
    node = Path(link.path)
    node.chmod(0o600)
    with Nobody(link.path) as nobody:
        assert nobody.says() == "there: False"
        for _ in range(2):
            node.chmod(0o666)
            assert [nobody.says() for _ in range(2)] == ["added", "opened"]
            link.unplug()
            assert nobody.says() == "removed"
            link.plug()  # the kernel makes the node for root alone
            assert not node.stat().st_mode & 0o066


@pytest.mark.drivers("ftdi_sio")
def test_a_port_is_added_once_udev_has_given_it_to_its_group(link: Link) -> None:
    with running_udev(), Nobody(link.path) as nobody:
        assert nobody.says() == "there: True"
        assert [nobody.says() for _ in range(2)] == ["added", "opened"]
        for _ in range(2):
            link.unplug()
            assert nobody.says() == "removed"
            link.plug()
            assert [nobody.says() for _ in range(2)] == ["added", "opened"]
