"""Breaks sent: the hardware holds its line for as long as it is told to, and never longer."""

import signal
import threading
import time
from typing import Protocol, runtime_checkable

import anyio
import anyserial.sync
import pytest
from anyserial import (
    FlowControl,
    SerialCancelledError,
    SerialClosedError,
    SerialConfig,
    SerialPort,
    UnsupportedFeatureError,
    open_serial_port,
)
from hardware_runtimes import every_runtime
from serial_links import Link

pytestmark = pytest.mark.anyio

PATIENCE = 20
LONG = 10.0  # seconds; a break that is this long is ended by the test, or fails it
SHOWING = pytest.mark.drivers("8250", "ftdi_sio", "cp210x", "pl2303", "ch341")


@runtime_checkable
class TellsBreak(Protocol):
    """A link that knows whether the port under test holds its line in break."""

    def sending_break(self) -> bool: ...


def is_breaking(link: Link) -> bool:
    assert isinstance(link, TellsBreak)
    return link.sending_break()


async def wait_break(link: Link, on: bool) -> None:
    with anyio.fail_after(PATIENCE):
        while is_breaking(link) is not on:
            await anyio.sleep(0.002)


async def still_sends(link: Link, port: SerialPort) -> None:
    if link.driver == "8250":
        assert link.receive(1) == b"\0"  # the break, as it comes in at the other UART
    await port.send(b"after")
    assert link.receive(5) == b"after"


@SHOWING
async def test_a_break_is_held_until_it_is_released(link: Link) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            await port.set_break(True)
            await wait_break(link, True)
            await port.set_break(False)
            await wait_break(link, False)
            await still_sends(link, port)


@pytest.mark.drivers("8250", "pair")
@pytest.mark.needs("break_out")
async def test_a_break_arrives_at_the_far_end(link: Link) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            link.configure(port.config)
            await port.send_break(0.1)
            assert link.receive(1) == b"\0"
            await port.send(b"after")
            assert link.receive(5) == b"after"


@SHOWING
async def test_a_break_has_the_length_asked_for(link: Link) -> None:
    async with await open_serial_port(link.path) as port, anyio.create_task_group() as group:
        start = time.monotonic()
        group.start_soon(port.send_break, 0.1)
        await wait_break(link, True)
        await wait_break(link, False)
        assert time.monotonic() - start >= 0.1


@every_runtime
@pytest.mark.drivers("8250", "ftdi_sio", "pl2303")
async def test_a_cancelled_break_is_released(link: Link) -> None:
    async with await open_serial_port(link.path) as port:
        async with anyio.create_task_group() as group:
            group.start_soon(port.send_break, LONG)
            await wait_break(link, True)
            group.cancel_scope.cancel()
        await wait_break(link, False)  # a call that was not over yet is undone on its thread
        await still_sends(link, port)


@every_runtime
@pytest.mark.drivers("8250", "ftdi_sio", "cp210x")
async def test_closing_in_the_middle_of_a_break_releases_it(link: Link) -> None:
    port = await open_serial_port(link.path)

    async def hold() -> None:
        with pytest.raises(SerialClosedError):
            await port.send_break(LONG)

    async with anyio.create_task_group() as group:
        group.start_soon(hold)
        await wait_break(link, True)
        await port.aclose()
    await wait_break(link, False)


@SHOWING
async def test_closing_releases_a_break_that_was_set(link: Link) -> None:
    async with await open_serial_port(link.path) as port:
        await port.set_break(True)
        await wait_break(link, True)
    await wait_break(link, False)


@pytest.mark.drivers("8250", "ftdi_sio")
def test_a_blocking_break_that_is_cancelled_is_released(link: Link) -> None:
    with anyserial.sync.open_serial_port(link.path) as port:
        errors: list[Exception] = []

        def hold() -> None:
            try:
                port.send_break(LONG)
            except SerialCancelledError as exc:
                errors.append(exc)

        def wait_break(on: bool) -> None:
            deadline = time.monotonic() + PATIENCE
            while is_breaking(link) is not on:
                assert time.monotonic() < deadline
                time.sleep(0.002)

        holding = threading.Thread(target=hold)
        holding.start()
        wait_break(True)
        port.cancel_send()
        holding.join()
        assert len(errors) == 1
        assert not is_breaking(link)
        with pytest.raises(TimeoutError):
            port.send_break(LONG, timeout=0.02)
        wait_break(False)  # a call that was not over yet is undone on its thread


@pytest.mark.drivers("8250")
def test_a_break_behind_queued_output_survives_signals(link: Link) -> None:
    """TIOCSBRK waits until all output has left; a signal ends that wait with EINTR."""
    signals: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _frame: signals.append(number))
    config = SerialConfig(flow_control=FlowControl(rts_cts=True))
    queued = bytes(range(1, 201))  # more than the UART takes by itself
    try:
        with anyserial.sync.open_serial_port(link.path, config) as port:
            link.hold(True)
            port.send(queued)
            letting_go = threading.Timer(0.3, link.hold, (False,))
            letting_go.start()
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            port.send_break(0.1)
            port.set_break(True)
            port.set_break(False)
            signal.setitimer(signal.ITIMER_REAL, 0)
            letting_go.join()
            assert link.receive(len(queued) + 1) == queued + b"\0"
            assert signals
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.drivers("cdc_acm")
async def test_a_device_without_breaks_says_so(link: Link) -> None:
    async with await open_serial_port(link.path) as port:
        for refused in (port.send_break(0.01), port.set_break(True)):
            with pytest.raises(UnsupportedFeatureError, match=link.path):
                await refused
        await port.send(b"after")
        assert link.receive(5) == b"after"
