"""What a driver can do, found out by asking anyserial to do it, for the table in docs/hardware.md.

Each row of that table is one row of FACTS here. A fact is what a user of the library sees on an
open port; what exactly happens on the line is for the tests beside test_driver_table.py.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import anyio
from anyserial import (
    Capability,
    FlowControl,
    LineError,
    RS485Config,
    SerialConfig,
    SerialPort,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
    open_serial_port,
)
from serial_links import Link
from usb_links import ChipLink

__all__ = ("FACTS", "cells", "measure")

RATES = (300, 115200, 230400, 1_000_000, 2_000_000, 3_000_000, 4_000_000)
CUSTOM_RATES = (12_345, 31_250, 74_880)  # no multiple of 300 among them
STILL = 0.1  # seconds in which output that nothing stops is there

type Fact = Callable[[Link], Awaitable[str]]

LATENCY = {Capability.SUPPORTED: "yes", Capability.UNSUPPORTED: "no"}


async def measure(link: Link) -> dict[str, str]:
    """Return every fact of the driver of the port under test."""
    facts: dict[str, str] = {}
    for name, find_out in FACTS.items():
        link.reset()
        facts[name] = await find_out(link)
    return facts


def cells(page: str, column: str, kernel: str) -> dict[str, str]:
    """Return a driver's column of the page's table, as it is on a kernel.

    A cell such as "no (6.12: yes)" says yes on Linux 6.12 and no on others.
    """
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in page.splitlines() if "|" in line]
    header = next(row for row in rows if column in row and not row[0])
    found: dict[str, str] = {}
    for row in rows:
        if row[0] in FACTS:
            usual, _, other = row[header.index(column)].partition(" (")
            version, _, value = other.rstrip(")").partition(": ")
            found[row[0]] = value if version == kernel else usual
    return found


async def _accepted(link: Link, field: str, values: Iterable[Any]) -> list[Any]:
    """Return the values of a field that the port takes."""
    taken: list[Any] = []
    async with await open_serial_port(link.path) as port:
        for value in values:
            with suppress(UnsupportedConfigurationError, UnsupportedFeatureError):
                await port.configure(SerialConfig(**{field: value}))
                taken.append(value)
    return taken


def _choices(field: str, values: tuple[Any, ...], every: str) -> "Fact":
    """The fact which of the values of a field are taken, *every* if all are."""

    async def find_out(link: Link) -> str:
        taken = await _accepted(link, field, values)
        return every if len(taken) == len(values) else ", ".join(map(str, taken)) or "no"

    return find_out


def _works(call: "Callable[[SerialPort], Awaitable[object]]") -> "Fact":
    """The fact that a call is not refused."""

    async def find_out(link: Link) -> str:
        async with await open_serial_port(link.path) as port:
            with suppress(UnsupportedFeatureError):
                await call(port)
                return "yes"
        return "no"

    return find_out


async def _rates(link: Link) -> str:
    taken = await _accepted(link, "baudrate", RATES)
    return f"{taken[0]} to {taken[-1]}"


async def _changes_counted(link: Link) -> str:
    """Whether a change of DSR that nobody was looking at is found in the counters."""
    for rts_cts, answer in ((False, "yes"), (True, "with `rts_cts`")):
        async with await SerialPort.open(link.path, flow_control=FlowControl(rts_cts=rts_cts), close_timeout=0) as port:
            try:
                before = await port.line_counters()
            except UnsupportedFeatureError:
                return "no"
            was = (await port.modem_lines()).dsr
            link.set_inputs(dsr=not was)
            with anyio.fail_after(5):
                while (await port.modem_lines()).dsr == was:
                    pass  # the driver has not been told yet
            if (await port.line_counters()).dsr != before.dsr:
                return answer
    return "no"


async def _cts_obeyed(link: Link) -> str:
    """Whether output waits while CTS is off."""

    def stop() -> None:
        link.set_inputs(cts=False)

    return await _obeyed(link, FlowControl(rts_cts=True), stop, lambda: link.set_inputs(cts=True))


async def _xoff_obeyed(link: Link) -> str:
    """Whether output waits after an XOFF."""
    return await _obeyed(link, FlowControl(xon_xoff=True), lambda: link.send(b"\x13"), lambda: link.send(b"\x11"))


async def _obeyed(link: Link, control: FlowControl, stop: Callable[[], None], go_on: Callable[[], None]) -> str:
    async with await SerialPort.open(link.path, flow_control=control, close_timeout=0) as port:
        link.configure(port.config)
        try:
            stop()
        except ValueError:
            return "ignored"  # there is no such line
        # A chip looks at its line, and a UART at what came in, by the time that this is through.
        link.send(b"x")
        await port.receive()
        await port.send(b"held")
        try:
            await anyio.to_thread.run_sync(link.receive, 4, STILL)
        except TimeoutError:
            go_on()
            await anyio.to_thread.run_sync(link.receive, 4)
            return "yes"
    return "ignored"


async def _low_latency(link: Link) -> str:
    async with await SerialPort.open(link.path, low_latency=True) as port:
        return LATENCY[port.capabilities.low_latency]


async def _break_told(link: Link) -> str:
    return await _told(link, link.send_break)


async def _damage_told(link: Link) -> str:
    if not isinstance(link, ChipLink):
        return "-"
    return await _told(link, lambda: link.send_damaged(b"A", "parity"))


async def _told(link: Link, happen: Callable[[], None]) -> str:
    """Whether what happens on the line is a LineError."""
    async with await SerialPort.open(link.path, parity="even", line_errors="raise") as port:
        happen()
        try:
            await port.receive()
        except LineError:
            return "yes"
    return "no"


async def _output_discarded(link: Link) -> str:
    """Whether reset_output_buffer empties the driver's queue."""
    # A UART is held by its CTS, the others by their own not taking anything.
    control = FlowControl(rts_cts=link.driver == "8250")
    async with await SerialPort.open(link.path, flow_control=control, close_timeout=0) as port:
        link.hold(True)
        with anyio.move_on_after(0.5):
            await port.send(bytes(100_000))  # more than any driver takes
        assert port.output_waiting()
        await port.reset_output_buffer()
        discarded = port.output_waiting() == 0
        link.hold(False)
        if not discarded:
            await anyio.to_thread.run_sync(link.receive, port.statistics.bytes_sent)
    return "yes" if discarded else "no"


FACTS: dict[str, Fact] = {
    "baud rates": _rates,
    "custom rates": _choices("baudrate", CUSTOM_RATES, "yes"),
    "data bits": _choices("byte_size", (5, 6, 7, 8), "5 to 8"),
    "parity": _choices("parity", ("none", "odd", "even", "mark", "space"), "all"),
    "stop bits": _choices("stop_bits", (1, 1.5, 2), "1, 1.5, 2"),
    "RTS/CTS": _cts_obeyed,
    "XON/XOFF": _xoff_obeyed,
    "modem lines": _works(SerialPort.modem_lines),
    "changes of lines counted": _changes_counted,
    "`line_counters`": _works(SerialPort.line_counters),
    "break sent": _works(lambda port: port.send_break(0)),
    "breaks reported": _break_told,
    "damaged bytes reported": _damage_told,
    "low latency": _low_latency,
    "RS-485": _choices("rs485", (RS485Config(),), "yes"),
    "output can be discarded": _output_discarded,
}
