"""Output that nobody takes: what waits for it can be given up, and nothing is lost or sent twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import anyserial.sync
import pytest
from anyserial import FlowControl, SerialClosedError, SerialConfig, SerialPort, open_serial_port
from bystander import bystander
from exact import receive_exactly, receive_exactly_blocking
from hardware_runtimes import every_runtime
from serial_links import Link

pytestmark = [pytest.mark.anyio, pytest.mark.needs("rts_cts")]

PATIENCE = 30
GIVEN_UP = 0.05  # seconds until a call is given up
GRACE = 0.05  # seconds beyond its timeout that closing may take
STALL = 0.02  # seconds that the event loop may be away
STILL = 0.1  # seconds in which what is not to happen would have happened
ENDING = 5  # seconds that a process may take to end
CONFIG = SerialConfig(flow_control=FlowControl(rts_cts=True), close_timeout=0.1)
TOO_MUCH = random.Random(7).randbytes(1 << 18)  # more than any driver takes at once: cdc_acm takes 160 KiB
PROBE = Path(__file__).parent / "probes" / "stuck_output.py"
LINUX_6_12 = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 12)
DISCARDING = {"8250", "cdc_acm"} if LINUX_6_12 else {"8250"}  # whose TCOFLUSH empties the queue

here = pytest.mark.drivers("8250", "pl2303", "cdc_acm", "pair")
"""One UART, one of the usb-serial adapters, which share the code that matters here, and cdc_acm."""


def prepare(link: Link) -> None:
    """Let the far end take output, as far as it has a say in that."""
    link.configure(CONFIG)
    if link.driver != "cdc_acm":
        link.set_inputs(cts=True)


@asynccontextmanager
async def stuck_port(link: Link, output: bytes = b"") -> AsyncGenerator[SerialPort]:
    """Open the port, let nothing of what it sends go on, and send *output*."""
    prepare(link)
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, CONFIG) as port:
            link.hold(True)
            while link.driver in {"8250", "pair"} and (await port.modem_lines()).cts:
                await anyio.sleep(0.002)
            await port.send(output)
            yield port


@contextmanager
def stuck_blocking_port(link: Link, output: bytes) -> Generator[anyserial.sync.SerialPort]:
    prepare(link)
    with anyserial.sync.open_serial_port(link.path, CONFIG) as port:
        link.hold(True)
        while link.driver in {"8250", "pair"} and port.modem_lines().cts:
            time.sleep(0.002)
        port.send(output)
        yield port


def little(link: Link) -> bytes:
    """What is stuck, with room left for more."""
    return TOO_MUCH[: link.stuck]


def let_go(link: Link, output: bytes) -> None:
    """Take what was stuck in a port that is closed: all of it, unless the driver could discard it."""
    link.hold(False)
    if link.driver in DISCARDING:
        with pytest.raises(TimeoutError):
            link.receive(len(output), timeout=STILL)
    elif link.driver != "pair":
        assert link.receive(len(output)) == output


@here
@every_runtime
@pytest.mark.parametrize("method", ["drain", "drain_exact"])
async def test_a_drain_can_be_given_up(link: Link, method: str) -> None:
    output = little(link)
    async with stuck_port(link, output) as port:
        with anyio.move_on_after(GIVEN_UP) as scope:
            await getattr(port, method)()
        assert scope.cancelled_caught
        # Both directions are usable.
        link.send(b"in")
        assert await receive_exactly(port, 2) == b"in"
        await port.send(b"more")
        link.hold(False)
        assert link.receive(len(output) + 4) == output + b"more"
        await getattr(port, method)()
        assert port.output_waiting() == 0


@here
@every_runtime
async def test_a_send_can_be_given_up(link: Link) -> None:
    async with stuck_port(link) as port:
        with anyio.move_on_after(GIVEN_UP) as scope:
            await port.send(TOO_MUCH)
        assert scope.cancelled_caught
        taken = port.statistics.bytes_sent
        assert 0 < taken < len(TOO_MUCH)
        link.send(b"in")
        assert await receive_exactly(port, 2) == b"in"
        link.hold(False)
        assert link.receive(taken) == TOO_MUCH[:taken]
        await port.send(b"more")
        assert link.receive(4) == b"more"


@here
def test_giving_up_blocking(link: Link) -> None:
    output = little(link)
    with stuck_blocking_port(link, output) as port:
        for wait in (port.drain, port.drain_exact):
            with pytest.raises(TimeoutError):
                wait(timeout=GIVEN_UP)
        with pytest.raises(TimeoutError):
            port.send(TOO_MUCH, timeout=GIVEN_UP)
        taken = port.statistics.bytes_sent - len(output)
        assert 0 < taken < len(TOO_MUCH)
        link.send(b"in")
        assert receive_exactly_blocking(port, 2) == b"in"
        link.hold(False)
        assert link.receive(len(output) + taken) == output + TOO_MUCH[:taken]
        port.send(b"more", timeout=PATIENCE)
        assert link.receive(4) == b"more"
        port.drain_exact(timeout=PATIENCE)


@here
@every_runtime
async def test_closing_does_not_wait_for_long(link: Link) -> None:
    output = little(link)
    async with stuck_port(link, output) as port, bystander() as other:
        await other.beats(5)
        other.longest_gap = 0
        before = time.monotonic()
        await port.aclose()
        assert CONFIG.close_timeout <= time.monotonic() - before <= CONFIG.close_timeout + GRACE
        await other.beats(2)
        assert other.longest_gap <= STALL
    with pytest.raises(SerialClosedError):
        await port.send(b"x")
    let_go(link, output)


@here
async def test_closing_in_a_cancelled_task_waits_for_nothing(link: Link) -> None:
    output = little(link)
    async with stuck_port(link, output) as port:
        await port.configure(CONFIG.with_changes(close_timeout=PATIENCE))
        before = time.monotonic()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await port.aclose()
        assert time.monotonic() - before <= GRACE
        assert not port.is_open
        let_go(link, output)


@here
def test_closing_blocking(link: Link) -> None:
    output = little(link)
    with stuck_blocking_port(link, output) as port:
        before = time.monotonic()
        port.close()
        took = time.monotonic() - before
        let_go(link, output)
    assert CONFIG.close_timeout <= took <= CONFIG.close_timeout + GRACE


@every_runtime
@pytest.mark.drivers("ftdi_sio", "cp210x")
async def test_giving_up_on_what_the_chip_holds(link: Link) -> None:
    # The kernel's queue is empty: drain_exact is in tcdrain, which asks the chip and which nothing interrupts.
    async with stuck_port(link, b"few") as port:
        await port.drain()
        with anyio.move_on_after(GIVEN_UP) as scope:
            await port.drain_exact()
        assert scope.cancelled_caught
        link.send(b"in")
        assert await receive_exactly(port, 2) == b"in"
        link.hold(False)
        assert link.receive(3) == b"few"
        await port.drain_exact()


@pytest.mark.drivers("ftdi_sio", "cp210x")
async def test_closing_while_tcdrain_waits_for_the_chip(link: Link) -> None:
    async with stuck_port(link, b"few") as port:
        await port.drain()
        with anyio.move_on_after(GIVEN_UP):
            await port.drain_exact()
        before = time.monotonic()
        await port.aclose()
        assert time.monotonic() - before <= CONFIG.close_timeout + GRACE
    link.hold(False)
    assert link.receive(3) == b"few"


@here
async def test_closing_lets_output_leave(link: Link) -> None:
    output = little(link)
    config = CONFIG.with_changes(close_timeout=PATIENCE)
    async with stuck_port(link, output) as port:
        await port.configure(config)
        async with anyio.create_task_group() as group:
            group.start_soon(port.aclose)
            await anyio.wait_all_tasks_blocked()
            link.hold(False)
            # The far end of cdc_acm takes nothing that nobody reads.
            assert await anyio.to_thread.run_sync(link.receive, len(output)) == output


@pytest.mark.drivers("8250", "ftdi_sio", "cp210x", "pl2303", "ch341", "cdc_acm")
async def test_discarding_output(link: Link) -> None:
    output = little(link)
    async with stuck_port(link, output) as port:
        await port.reset_output_buffer()
        if link.driver in DISCARDING:
            assert port.output_waiting() == 0
        else:
            assert port.output_waiting() > 0
        await port.send(b"after")
        link.hold(False)
        if link.driver in DISCARDING:
            # Of cdc_acm's, what the device had taken comes before it.
            with pytest.raises(TimeoutError, match=r"^5 of .*b'after'$" if link.driver == "8250" else r"after'$"):
                link.receive(len(output) + 5, timeout=STILL)
        else:
            assert link.receive(len(output) + 5) == output + b"after"


@contextmanager
def probe(link: Link, how: str) -> Generator[subprocess.Popen[str]]:
    """A process whose output is stuck, and which is about to end."""
    prepare(link)
    link.hold(True)
    with subprocess.Popen([sys.executable, str(PROBE), link.path, how], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{how}\n"
            yield process
        finally:
            link.hold(False)
            process.kill()


@pytest.mark.drivers("8250", "pl2303")
def test_a_process_that_closed_its_port_ends(link: Link) -> None:
    with probe(link, "closed") as process:
        assert process.wait(ENDING) == 0


@pytest.mark.drivers("8250", "pl2303")
def test_a_process_that_is_killed_ends(link: Link) -> None:
    with probe(link, "killed") as process:
        process.kill()
        assert process.wait(ENDING) == -signal.SIGKILL


@pytest.mark.drivers("8250", "pl2303")
def test_a_process_that_leaves_its_port_open_ends_when_the_driver_lets_go(link: Link) -> None:
    # The kernel closes it, and waits for the output, up to 30 s, where no signal ends that.
    with probe(link, "left open") as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(STILL)
        link.hold(False)
        assert process.wait(ENDING) == 0
    assert link.receive(200) == bytes(range(200))
