"""Modem and control lines: read, set, waited for, and where they are left when the port is closed."""

import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import anyio
import anyserial.sync
import pytest
from anyserial import (
    ControlLines,
    FlowControl,
    LineCounters,
    ModemLines,
    SerialConfig,
    SerialPort,
    UnsupportedFeatureError,
    open_serial_port,
)
from hardware_runtimes import every_runtime
from serial_links import Link
from usb_links import ChipLink

pytestmark = pytest.mark.anyio

PATIENCE = 20
SHOWING_OUTPUTS = pytest.mark.drivers("8250", "ftdi_sio", "cp210x", "pl2303", "ch341", "pair")
NAMES = ("cts", "dsr", "ri", "cd")
BOTH = ((True, True), (False, False), (True, False), (False, True))


def all_off(link: Link) -> ModemLines:
    """Take every input away that the far end can, and tell what is left."""
    for together in link.inputs:
        link.set_inputs(**dict.fromkeys(together, False))
    return ModemLines(**{name: name in link.always_on for name in NAMES})


def each_input(link: Link) -> list[dict[str, bool]]:
    """What can be switched on at the far end, one after the other."""
    return [dict.fromkeys(together, True) for together in link.inputs]


def changed(lines: ModemLines, change: dict[str, bool]) -> ModemLines:
    return ModemLines(
        cts=change.get("cts", lines.cts),
        dsr=change.get("dsr", lines.dsr),
        ri=change.get("ri", lines.ri),
        cd=change.get("cd", lines.cd),
    )


def settle(link: Link) -> None:
    """Wait until the driver knows of the inputs; a UART's registers tell them at once."""
    if isinstance(link, ChipLink):
        link.wait(lambda state: not state.pending)


async def wait_lines(port: SerialPort, expected: ModemLines) -> None:
    while await port.modem_lines() != expected:
        await anyio.sleep(0.002)


class Looks:
    """Lets a port look at its lines once, and again when told to."""

    def __init__(self, port: SerialPort | anyserial.sync.SerialPort, monkeypatch: pytest.MonkeyPatch) -> None:
        backend: Any = port._port.transport.backend
        read_lines, read_counters = backend.modem_lines, backend.line_counters
        self.first, self.more = threading.Event(), threading.Event()

        def modem_lines() -> ModemLines:
            assert not self.first.is_set() or self.more.wait(PATIENCE)
            lines: ModemLines = read_lines()
            return lines

        def line_counters() -> LineCounters:
            try:
                counters: LineCounters = read_counters()
            finally:
                self.first.set()
            return counters

        monkeypatch.setattr(backend, "modem_lines", modem_lines)
        monkeypatch.setattr(backend, "line_counters", line_counters)

    async def wait_first(self) -> None:
        while not self.first.is_set():
            await anyio.sleep(0.002)


# Inputs


@pytest.mark.needs("cts")
async def test_each_modem_line_is_read(link: Link) -> None:
    lines = all_off(link)
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            await wait_lines(port, lines)
            for change in each_input(link):
                link.set_inputs(**change)
                lines = changed(lines, change)
                await wait_lines(port, lines)
            await wait_lines(port, all_off(link))


@pytest.mark.needs("cts")
async def test_modem_lines_are_known_right_after_opening(link: Link) -> None:
    lines = all_off(link)
    for change in each_input(link):
        link.set_inputs(**change)
        lines = changed(lines, change)
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            # PL2303 and CDC-ACM devices tell a change, and cannot be asked: the drivers wait for that.
            if link.driver in {"pl2303", "cdc_acm"}:
                await wait_lines(port, lines)
            assert await port.modem_lines() == lines


@every_runtime
@pytest.mark.drivers("8250", "ftdi_sio", "pair")
@pytest.mark.needs("cts")
async def test_a_modem_change_is_waited_for(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    before = all_off(link)
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port, anyio.create_task_group() as group:
            await wait_lines(port, before)
            looks = Looks(port, monkeypatch)

            async def change() -> None:
                await looks.wait_first()
                link.set_inputs(cts=True)
                settle(link)
                looks.more.set()

            group.start_soon(change)
            assert await port.wait_modem_change(interval=0.001) == changed(before, {"cts": True})


@pytest.mark.drivers("8250", "ftdi_sio", "pair")
@pytest.mark.needs("cts")
def test_a_modem_change_is_waited_for_blocking(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    before = all_off(link)
    with anyserial.sync.open_serial_port(link.path) as port:
        looks = Looks(port, monkeypatch)

        def change() -> None:
            assert looks.first.wait(PATIENCE)
            link.set_inputs(cts=True)
            settle(link)
            looks.more.set()

        changing = threading.Thread(target=change)
        changing.start()
        assert port.wait_modem_change(interval=0.001, timeout=PATIENCE) == changed(before, {"cts": True})
        changing.join()
        with pytest.raises(TimeoutError):
            port.wait_modem_change(interval=0.001, timeout=0.02)


@asynccontextmanager
async def listening(
    port: SerialPort, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[tuple[list[ModemLines], threading.Event]]:
    """Iterate over the changes in a task; after the first look the next one waits for the event."""
    told: list[ModemLines] = []

    async def listen() -> None:
        async for lines in port.modem_changes(interval=0.001):
            told.append(lines)  # noqa: PERF401  # as they come

    looks = Looks(port, monkeypatch)
    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await looks.wait_first()
        yield told, looks.more
        group.cancel_scope.cancel()


@pytest.mark.needs("cts")
async def test_every_change_is_told_in_order(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = before = all_off(link)
    expected: list[ModemLines] = []
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            await wait_lines(port, lines)
            async with listening(port, monkeypatch) as (told, more):
                more.set()
                for change in each_input(link):
                    lines = changed(lines, change)
                    expected.append(lines)
                    link.set_inputs(**change)
                    while lines not in told:
                        await anyio.sleep(0.002)
    # A look between the change of a line and that of its count tells the lines from before once more.
    assert [now for was, now in pairwise([before, *told]) if now != was] == expected


@pytest.mark.drivers("8250", "ftdi_sio", "cdc_acm")
async def test_a_short_pulse_is_told_where_the_driver_counts(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    before = all_off(link)
    pulsed = "dsr" if link.driver == "cdc_acm" else "cts"
    # An 8250 counts with the interrupts that RTS/CTS needs.
    config = SerialConfig(flow_control=FlowControl(rts_cts=link.driver == "8250"))
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, config) as port:
            await wait_lines(port, before)
            async with listening(port, monkeypatch) as (told, more):
                for on in (True, False):
                    count = getattr(await port.line_counters(), pulsed)
                    link.set_inputs(**{pulsed: on})
                    while getattr(await port.line_counters(), pulsed) == count:
                        await anyio.sleep(0.002)
                assert not told
                more.set()
                while not told:
                    await anyio.sleep(0.002)
                assert told == [before]


@pytest.mark.drivers("8250", "cp210x", "pl2303", "ch341")
async def test_a_short_pulse_is_lost_where_the_driver_does_not_count(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = all_off(link)
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            await wait_lines(port, before)
            counts = link.driver in {"8250", "cp210x"}
            start = await port.line_counters() if counts else None
            async with listening(port, monkeypatch) as (told, more):
                for on in (True, False):
                    link.set_inputs(cts=on)
                    settle(link)
                link.set_inputs(**each_input(link)[1])
                settle(link)
                more.set()
                while not told:
                    await anyio.sleep(0.002)
                assert told == [changed(before, each_input(link)[1])]
            if start:
                assert await port.line_counters() == start
            else:
                with pytest.raises(UnsupportedFeatureError, match=link.path):
                    await port.line_counters()


# Outputs


@SHOWING_OUTPUTS
@pytest.mark.needs("rts", "dtr")
async def test_control_lines_reach_the_other_side(link: Link) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            for rts, dtr in BOTH:
                await port.set_control_lines(rts=rts, dtr=dtr)
                link.wait_outputs(rts=rts, dtr=dtr)
                assert await port.control_lines() == ControlLines(rts=rts, dtr=dtr)
            await port.set_control_lines(rts=True)
            link.wait_outputs(rts=True, dtr=True)
            await port.set_control_lines(dtr=False)
            link.wait_outputs(rts=True, dtr=False)
            await port.set_control_lines(rts=False)
            link.wait_outputs(rts=False, dtr=False)


@pytest.mark.drivers("8250", "ftdi_sio")
def test_control_lines_reach_the_other_side_blocking(link: Link) -> None:
    with anyserial.sync.open_serial_port(link.path) as port:
        for rts, dtr in BOTH:
            port.set_control_lines(rts=rts, dtr=dtr)
            link.wait_outputs(rts=rts, dtr=dtr)
            assert port.control_lines() == ControlLines(rts=rts, dtr=dtr)


@pytest.mark.drivers("cdc_acm")
async def test_control_lines_are_read_back_where_the_far_end_does_not_show_them(link: Link) -> None:
    async with await open_serial_port(link.path) as port:
        for rts, dtr in BOTH:
            await port.set_control_lines(rts=rts, dtr=dtr)
            assert await port.control_lines() == ControlLines(rts=rts, dtr=dtr)


@SHOWING_OUTPUTS
@pytest.mark.needs("rts", "dtr")
@pytest.mark.parametrize(("dtr", "rts"), [(None, None), (False, False), (True, False), (False, None), (None, True)])
async def test_lines_on_open(link: Link, dtr: bool | None, rts: bool | None) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, SerialConfig(dtr_on_open=dtr, rts_on_open=rts)) as port:
            # The kernel raises both while it opens the tty; None leaves that.
            expected = {"dtr": dtr is not False, "rts": rts is not False}
            link.wait_outputs(**expected)
            assert await port.control_lines() == ControlLines(**expected)
            # Another config has no say in the lines of a port that is open.
            await port.configure(port.config.with_changes(baudrate=9600, dtr_on_open=True, rts_on_open=True))
            assert await port.control_lines() == ControlLines(**expected)
        link.wait_outputs(dtr=False, rts=False)


@pytest.mark.drivers("ftdi_sio", "cp210x", "pl2303", "ch341")
async def test_the_kernel_raises_the_lines_before_they_can_be_left_off(link: ChipLink) -> None:
    async with await open_serial_port(link.path, SerialConfig(dtr_on_open=False, rts_on_open=False)):
        link.wait_outputs(dtr=False, rts=False)
        levels = link.levels()
    assert (True, True) in levels


@SHOWING_OUTPUTS
@pytest.mark.needs("rts", "dtr")
@pytest.mark.parametrize("hangup", [True, False])
async def test_hangup_on_close(link: Link, hangup: bool) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, SerialConfig(hangup_on_close=hangup)):
            link.wait_outputs(dtr=True, rts=True)
        # The close is over when aclose returns, and has lowered the lines, or not.
        if hangup:
            link.wait_outputs(dtr=False, rts=False)
        else:
            assert link.outputs() == {"dtr": True, "rts": True}
        # The setting of the last who has the port open counts.
        async with await open_serial_port(link.path, SerialConfig(hangup_on_close=hangup)) as port:
            await port.configure(port.config.with_changes(hangup_on_close=not hangup))
        if hangup:
            assert link.outputs() == {"dtr": True, "rts": True}
        else:
            link.wait_outputs(dtr=False, rts=False)
