"""Unplugging: what every call in progress makes of it, what goes on, and what works again afterwards.

The four usb-serial drivers share the kernel's code for what happens then, so ftdi_sio stands for
them where everything is tried; that each of them hangs up at all, and opens again, is tried too.

A UART cannot be pulled out while a process is in tcdrain or TIOCMIWAIT on it: the kernel waits for
the process, which waits for the line. Nothing here gets there, as the library looks at the queue first and
polls the lines.
"""

import errno
import gc
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyserial.sync
import pytest
from anyio.to_thread import run_sync
from anyserial import (
    FlowControl,
    PortNotFoundError,
    SerialConfig,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    open_serial_port,
)
from anyserial_posix._handle import UNPLUG_PATIENCE
from bystander import bystander, new_pty
from exact import receive_exactly, receive_exactly_blocking
from hang_ups import HangUps
from hardware_runtimes import every_runtime
from serial_links import Link

pytestmark = pytest.mark.anyio

MACHINE = ("8250", "ftdi_sio", "cp210x", "pl2303", "ch341", "cdc_acm")
PROMISE = 0.05  # seconds from the kernel's hang-up to the error
# Seconds that the event loop may stand still: half of what the library lets a thread wait for a hang-up
# (UNPLUG_PATIENCE). The machine, which has one processor and is in its kernel for some of this, takes 8 ms.
STALL = 0.025
HELD = SerialConfig(flow_control=FlowControl(rts_cts=True))  # so that a UART can be held, too
MUCH = bytes(1 << 20)  # more than any driver takes

# Every method that can be waiting, or on its way, when the device goes; by name, for either kind of port.
OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "receive": lambda port: port.receive(),
    "receive_into": lambda port: port.receive_into(bytearray(10)),
    "receive_available": lambda port: port.receive_available(),
    "send": lambda port: port.send(MUCH),
    "drain": lambda port: port.drain(),
    "drain_exact": lambda port: port.drain_exact(),
    "send_break": lambda port: port.send_break(60),
    "wait_modem_change": lambda port: port.wait_modem_change(),
    "configure": lambda port: port.configure(
        port.config.with_changes(baudrate=115200 if port.config.baudrate == 9600 else 9600)
    ),
    "reset_input_buffer": lambda port: port.reset_input_buffer(),
    "modem_lines": lambda port: port.modem_lines(),
    "control_lines": lambda port: port.control_lines(),
    "set_control_lines": lambda port: port.set_control_lines(rts=True, dtr=True),
    "set_break": lambda port: port.set_break(False),
    "line_counters": lambda port: port.line_counters(),
    "reset_output_buffer": lambda port: port.reset_output_buffer(),
    "input_waiting": lambda port: port.input_waiting(),
    "output_waiting": lambda port: port.output_waiting(),
}
# Over in no time: done again and again until the device goes.
REPEATED = {"configure", "reset_input_buffer", "modem_lines"}
# What one port can have in progress at once: one receive, one that takes the sender's place, and any of the rest.
AT_ONCE = (
    ("receive", "send", "wait_modem_change"),
    ("receive_into", "drain", "reset_input_buffer"),
    ("receive_available", "drain_exact", "configure"),
)
at_once = pytest.mark.parametrize("names", AT_ONCE, ids=lambda names: names[1])


@pytest.fixture(scope="session")
def hang_ups() -> Iterator[HangUps]:
    with HangUps() as running:
        yield running


@pytest.fixture(autouse=True)
def short_collections() -> Iterator[None]:
    """Keep the collector from going through all that pytest holds, which takes the guest some 45 ms."""
    gc.freeze()
    yield
    gc.unfreeze()


class Ends:
    """How each operation in progress ended, and when."""

    def __init__(self) -> None:
        self._ends: dict[str, tuple[SerialError, float]] = {}

    def note(self, name: str, error: SerialError) -> None:
        """Note that *name* ended now."""
        self._ends[name] = error, time.monotonic()

    def check(self, path: str, hung_up: float, late: float) -> None:
        """Check that each was told what happened, in time on a machine that was so late itself."""
        took = {name: at - hung_up for name, (_, at) in self._ends.items()}
        for name, (error, _) in self._ends.items():
            assert type(error) is SerialDisconnectedError, f"{name}: {error!r}"
            assert error.filename == path
            assert error.errno in {errno.EIO, errno.ENODEV, errno.EPROTO}
        # A call may have been refused before the hang-up: the device is going already.
        assert all(-PROMISE <= seconds <= PROMISE + late for seconds in took.values()), took

    def __len__(self) -> int:
        return len(self._ends)


def has_descriptor_on(path: str) -> bool:
    """Whether this process has a node open, gone or not."""
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            if str(link.readlink()).removesuffix(" (deleted)") == path:
                return True
    return False


async def call(name: str, port: SerialPort) -> None:
    """Make one call of an operation, whatever kind of function it is."""
    result = OPERATIONS[name](port)
    if isinstance(result, Awaitable):
        await result


async def fill(port: SerialPort) -> None:
    """Send until nothing more is taken, and let it be."""
    async with anyio.create_task_group() as group:
        group.start_soon(port.send, MUCH)
        await settle(lambda: (port.statistics.bytes_sent, port.output_waiting()))
        group.cancel_scope.cancel()


async def settle(look: Callable[[], tuple[int, int]]) -> None:
    """Wait until the second value of a look is not 0 and neither has changed for a while."""
    seen = (0, 0)
    while (now := look()) != seen or not now[1]:
        seen = now
        await anyio.sleep(0.03)


async def exchange(link: Link) -> None:
    """Prove that the port opens and takes and gives bytes."""
    link.reset()  # the far end still has what was sent before
    async with await open_serial_port(link.path) as port:
        await port.send(b"ping")
        assert (await run_sync(link.receive, 4)) == b"ping"
        link.send(b"pong")
        assert await receive_exactly(port, 4) == b"pong"


# In the middle of something


async def unplug_during(link: Link, hang_ups: HangUps, names: tuple[str, ...], *, full: bool) -> None:
    """Unplug while *names* are in progress, the output full or not; then plug in again."""
    ends = Ends()

    async def pending(port: SerialPort, name: str) -> None:
        try:
            await OPERATIONS[name](port)
            while name in REPEATED:
                await OPERATIONS[name](port)
        except SerialError as exc:
            ends.note(name, exc)
        else:
            pytest.fail(f"{name} ended before the device went")

    path = link.path
    with anyio.fail_after(60):
        async with bystander() as other:
            port = await open_serial_port(path, HELD)
            hang_ups.watch(path)
            if full:
                link.hold(True)
                await fill(port)
            async with anyio.create_task_group() as group:
                for name in names:
                    group.start_soon(pending, port, name)
                await other.beats(5)
                assert not len(ends)
                other.longest_gap = 0
                await run_sync(link.unplug)
            assert not port.is_open
            await port.aclose()
            await other.beats(5)
            hung_up, late = hang_ups.moment(), hang_ups.late()
            assert other.longest_gap <= STALL + late
            ends.check(path, hung_up, late)
            assert len(ends) == len(names)
            await run_sync(link.plug)
            assert link.path == path
            await exchange(link)


@every_runtime
@at_once
@pytest.mark.drivers("8250", "ftdi_sio", "cdc_acm")
async def test_an_unplug_ends_what_is_in_progress(link: Link, hang_ups: HangUps, names: tuple[str, ...]) -> None:
    await unplug_during(link, hang_ups, names, full=True)


@every_runtime
@pytest.mark.drivers("8250", "ftdi_sio")  # the gadget's cdc_acm has no break
async def test_an_unplug_ends_a_break(link: Link, hang_ups: HangUps) -> None:
    await unplug_during(link, hang_ups, ("receive", "send_break", "modem_lines"), full=False)


@pytest.mark.drivers("cp210x", "pl2303", "ch341")
async def test_an_unplug_ends_it_on_every_chip(link: Link, hang_ups: HangUps) -> None:
    await unplug_during(link, hang_ups, AT_ONCE[0], full=True)


@at_once
@pytest.mark.drivers("8250", "ftdi_sio", "cdc_acm")
def test_an_unplug_ends_blocking_calls(link: Link, hang_ups: HangUps, names: tuple[str, ...]) -> None:
    blocking_unplug_during(link, hang_ups, names, full=True)


@pytest.mark.drivers("8250", "ftdi_sio")
def test_an_unplug_ends_a_blocking_break(link: Link, hang_ups: HangUps) -> None:
    blocking_unplug_during(link, hang_ups, ("receive", "send_break", "modem_lines"), full=False)


def blocking_unplug_during(link: Link, hang_ups: HangUps, names: tuple[str, ...], *, full: bool) -> None:
    """As `unplug_during`, with a thread for each."""
    ends = Ends()

    def pending(name: str) -> None:
        try:
            OPERATIONS[name](port)
            while name in REPEATED:
                OPERATIONS[name](port)
        except SerialError as exc:
            ends.note(name, exc)

    path = link.path
    with new_pty() as (master, other_path), anyserial.sync.open_serial_port(other_path) as other:
        port = anyserial.sync.open_serial_port(path, HELD)
        hang_ups.watch(path)
        if full:
            link.hold(True)
            blocking_fill(port)
        with ThreadPoolExecutor(len(names)) as pool:
            for name in names:
                pool.submit(pending, name)
            wait_until(lambda: {"receiver", "sender"} <= port._turns.keys())
            assert not len(ends)
            link.unplug()
            os.write(master, b"on it goes")
            assert other.receive() == b"on it goes"
        assert not port.is_open
        port.close()
        ends.check(path, hang_ups.moment(), hang_ups.late())
        assert len(ends) == len(names)
        link.plug()
        assert link.path == path
        blocking_exchange(link)


def blocking_fill(port: anyserial.sync.SerialPort) -> None:
    try:
        port.send(MUCH, timeout=0.1)
    except TimeoutError:
        assert port.output_waiting()
    else:
        pytest.fail("everything was taken")


def blocking_exchange(link: Link) -> None:
    """As `exchange`."""
    link.reset()
    with anyserial.sync.open_serial_port(link.path) as port:
        port.send(b"ping")
        assert link.receive(4) == b"ping"
        link.send(b"pong")
        assert receive_exactly_blocking(port, 4) == b"pong"


def wait_until(condition: Callable[[], bool], timeout: float = 10) -> float:
    """Wait until *condition* holds; return when it did."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.001)
    return time.monotonic()


# While nobody does anything


@every_runtime
@pytest.mark.drivers("8250", "ftdi_sio", "cdc_acm")
async def test_an_idle_port_lets_go_of_its_device(link: Link, hang_ups: HangUps, anyio_backend: Any) -> None:
    path = link.path
    with anyio.fail_after(60):
        port = await open_serial_port(path)
        async with anyio.create_task_group() as group:
            group.start_soon(port.receive)  # which has to wait, and so registers
            await anyio.wait_all_tasks_blocked()
            link.send(b"x")
        hang_ups.watch(path)
        if anyio_backend[0] == "trio":  # it has nothing registered between calls
            await run_sync(link.unplug)
            hang_ups.moment()
            assert port.is_open
            with pytest.raises(SerialDisconnectedError):
                port.input_waiting()
            assert not port.is_open
        else:
            noticed = 0.0
            async with anyio.create_task_group() as group:
                group.start_soon(run_sync, link.unplug)
                noticed = await run_sync(wait_until, lambda: not port.is_open)
            assert noticed - hang_ups.moment() <= PROMISE + hang_ups.late()
        # The descriptor goes by itself, or the device could not come back under its name.
        await run_sync(wait_until, lambda: not has_descriptor_on(path))
        await run_sync(link.plug)
        assert link.path == path
        with pytest.raises(SerialDisconnectedError):
            await port.receive()
        await exchange(link)
        await port.aclose()


@pytest.mark.drivers(*MACHINE)
async def test_every_call_on_an_unplugged_port_says_so(link: Link, hang_ups: HangUps) -> None:
    path = link.path
    with anyio.fail_after(60):
        # Each on a port of its own, which has not noticed.
        ports = {name: await open_serial_port(path) for name in OPERATIONS}
        link.send(b"lost")  # what nobody has read goes with the device
        hang_ups.watch(path)
        await run_sync(link.unplug)
        hang_ups.moment()
        hang_ups.watch()
        took = 0.0
        for name, port in ports.items():
            begun = time.monotonic()
            with pytest.raises(SerialDisconnectedError) as caught:
                await call(name, port)
            took = max(took, time.monotonic() - begun)
            assert caught.value.filename == path
            assert not port.is_open
            assert port.config == SerialConfig()
            await port.aclose()
        assert took <= PROMISE + hang_ups.late()
        await run_sync(link.plug)
        assert link.path == path
        await exchange(link)


@pytest.mark.drivers(*MACHINE)
def test_every_blocking_call_on_an_unplugged_port_says_so(link: Link, hang_ups: HangUps) -> None:
    path = link.path
    ports = {name: anyserial.sync.open_serial_port(path) for name in OPERATIONS}
    hang_ups.watch(path)
    link.unplug()
    hang_ups.moment()
    hang_ups.watch()
    took = 0.0
    for name, port in ports.items():
        begun = time.monotonic()
        with pytest.raises(SerialDisconnectedError) as caught:
            OPERATIONS[name](port)
        took = max(took, time.monotonic() - begun)
        assert caught.value.filename == path
        port.close()
    assert took <= PROMISE + hang_ups.late()
    link.plug()
    assert link.path == path
    blocking_exchange(link)


# Opening and closing


def check_refusal(link: Link, error: SerialError, path: str) -> None:
    """Check what an open says once the device is gone."""
    assert error.filename == path
    if link.driver == "8250" and error.errno == errno.EIO:
        # A UART leaves its node behind, or rather another: it opens, and there is nothing behind it.
        assert "no working serial device" in str(error)
    else:
        assert isinstance(error, PortNotFoundError)


@every_runtime
@pytest.mark.drivers("8250", "ftdi_sio", "cdc_acm")
@pytest.mark.parametrize("watched", [True, False], ids=["beside another", "alone"])
async def test_an_unplug_while_opening_and_closing(link: Link, hang_ups: HangUps, watched: bool) -> None:
    path = link.path
    refused: list[tuple[SerialError, float, float]] = []
    unplugged = 0.0

    async def open_until_gone() -> None:
        while True:
            begun = time.monotonic()
            try:
                port = await open_serial_port(path)
            except SerialError as exc:
                refused.append((exc, begun, time.monotonic()))
                break
            opened.set()
            await port.aclose()

    with anyio.fail_after(60):
        async with bystander() as other:
            opened = anyio.Event()
            hang_ups.watch(path if watched else "")
            async with anyio.create_task_group() as group:
                group.start_soon(open_until_gone)
                await opened.wait()
                other.longest_gap = 0
                await run_sync(link.unplug)
                unplugged = time.monotonic()
            await other.beats(5)
        hung_up = hang_ups.moment() if watched else 0.0
        late = hang_ups.late()
        assert other.longest_gap <= STALL + late
        [(error, begun, ended)] = refused
        check_refusal(link, error, path)
        since, patience = begun, 0.0
        if link.driver == "8250":
            # Its kernel lets nobody open it until it has taken the UART apart, some 90 ms after the
            # hang-up; and the library looks that long whether a device is going just then, before it
            # says that there is none.
            since, patience = max(begun, unplugged), UNPLUG_PATIENCE
        elif watched:
            since = max(begun, hung_up)
        assert ended - since <= PROMISE + patience + late
        with pytest.raises(SerialError) as caught:  # and so it stays
            await open_serial_port(path)
        check_refusal(link, caught.value, path)
        await run_sync(link.plug)
        assert link.path == path
        await exchange(link)


@pytest.mark.drivers("8250", "ftdi_sio", "cdc_acm")
def test_an_unplug_while_opening_and_closing_in_a_thread(link: Link) -> None:
    path = link.path
    opened = threading.Event()

    def open_until_gone() -> SerialError:
        while True:
            try:
                anyserial.sync.open_serial_port(path).close()
            except SerialError as exc:
                return exc
            opened.set()

    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(open_until_gone)
        assert opened.wait(10)
        link.unplug()
        check_refusal(link, refused.result(10), path)
    link.plug()
    assert link.path == path
    blocking_exchange(link)


@every_runtime
@pytest.mark.drivers("8250", "ftdi_sio", "cdc_acm")
async def test_an_unplug_ends_a_close_that_waits_for_output(link: Link, hang_ups: HangUps) -> None:
    path = link.path
    closed: list[float] = []

    async def close(port: SerialPort) -> None:
        await port.aclose()
        closed.append(time.monotonic())

    with anyio.fail_after(60):
        async with bystander() as other:
            port = await open_serial_port(path, HELD.with_changes(close_timeout=50))
            hang_ups.watch(path)
            link.hold(True)
            await fill(port)
            async with anyio.create_task_group() as group:
                group.start_soon(close, port)
                await other.beats(5)
                assert not closed
                other.longest_gap = 0
                await run_sync(link.unplug)
            await other.beats(5)
        hung_up, late = hang_ups.moment(), hang_ups.late()
        assert other.longest_gap <= STALL + late
        assert closed[0] - hung_up <= PROMISE + late
        await run_sync(link.plug)
        assert link.path == path
        await exchange(link)


@pytest.mark.drivers("8250", "ftdi_sio", "cdc_acm")
def test_an_unplug_ends_a_blocking_close_that_waits_for_output(link: Link, hang_ups: HangUps) -> None:
    path = link.path
    with (
        anyserial.sync.open_serial_port(path, HELD.with_changes(close_timeout=50)) as port,
        ThreadPoolExecutor(1) as pool,
    ):
        hang_ups.watch(path)
        link.hold(True)
        blocking_fill(port)

        def close() -> float:
            port.close()
            return time.monotonic()

        closed = pool.submit(close)
        wait_until(lambda: not port.is_open)
        link.unplug()
        assert closed.result(10) - hang_ups.moment() <= PROMISE + hang_ups.late()
    link.plug()
    assert link.path == path
    blocking_exchange(link)


@pytest.mark.drivers("ftdi_sio", "cdc_acm")  # a UART discards its output, and is closed at once
async def test_an_unplug_ends_a_close_that_the_driver_sits_in(link: Link) -> None:
    path = link.path

    def is_closing() -> bool:
        return any(thread.name == "anyserial-worker" for thread in threading.enumerate())

    with anyio.fail_after(60):
        port = await open_serial_port(path, HELD.with_changes(close_timeout=0.05))
        link.hold(True)
        await fill(port)
        await port.aclose()
        # The driver would wait 30 s for its output. From Linux 6.12 on cdc_acm can discard it.
        assert is_closing() or link.driver == "cdc_acm"
        await run_sync(link.unplug)
        # As a rule the driver lets go at once. Once it was seen not to, for 10 s; it may wait for 30
        # (closing_wait). Nobody waits for it but this test.
        await run_sync(wait_until, lambda: not is_closing(), 40)
        await run_sync(link.plug)
        assert link.path == path
        await exchange(link)
