"""What comes in damaged: told, dropped or let through, and counted, as far as each driver goes."""

from itertools import permutations
from typing import Any

import anyio
import anyserial.sync
import pytest
from anyserial import (
    LineCounters,
    LineError,
    LineErrors,
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
CHIPS = ("ftdi_sio", "cp210x", "pl2303", "ch341")
BREAKS = ("8250", "ftdi_sio", "cp210x", "pl2303", "cdc_acm", "pair")
COUNTERS = {"8250", "ftdi_sio", "cp210x", "cdc_acm"}
# Damaged in turn, with good bytes between.
LINE = ((b"<", None), (b"P", "parity"), (b"1", None), (b"F", "framing"), (b"2", None), (b"O", "overrun"),
        (b"3", None), (b"\0", "break"), (b"4", None), (b"P", "parity"), (b"F", "framing"), (b">", None))  # fmt: skip
PARITY, FRAMING, BREAK = ("parity_or_framing", 0x50), ("parity_or_framing", 0x46), ("break", 0)
# An overrun leaves no mark: the byte that came after it is good.
RAISED: list[Any] = [b"<", PARITY, b"1", FRAMING, b"2O3", BREAK, b"4", PARITY, FRAMING, b">"]
LET_THROUGH = {
    "ftdi_sio": b"<P1F2\0O3\x004PF>",  # it puts in a NUL for the byte that an overrun cost
    "pl2303": b"<P1F2\0O3\x004PF>",
    "cp210x": b"<P1F2O3\x004PF>",
    "ch341": b"<P1F2O3\x004PF>",
}


def play(link: ChipLink) -> None:
    for data, kind in LINE:
        if kind is None:
            link.send(data)
        else:
            link.send_damaged(data, kind)


async def received(port: SerialPort, end: bytes = b">") -> list[Any]:
    """What was received up to *end*, errors as their kind and byte, good bytes in a row joined."""
    found: list[Any] = [b""]
    while not (isinstance(found[-1], bytes) and found[-1].endswith(end)):
        try:
            data = await port.receive()
        except LineError as exc:
            found += [(exc.kind, exc.byte), b""]
        else:
            found[-1] += data
    return [item for item in found if item]


@pytest.mark.drivers(*CHIPS)
@pytest.mark.parametrize("line_errors", list(LineErrors))
async def test_damage_is_told_in_its_place(link: ChipLink, line_errors: LineErrors) -> None:
    let_through = LET_THROUGH[link.driver]
    expected = {
        LineErrors.IGNORE: [let_through],
        LineErrors.DISCARD: [b"<12O34>"],
        LineErrors.RAISE: RAISED,
    }[line_errors]
    if link.driver == "ch341":
        expected = [let_through]  # it tells of nothing
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, SerialConfig(line_errors=line_errors)) as port:
            play(link)
            assert await received(port) == expected
            await port.send(b"still")
            assert link.receive(5) == b"still"
            assert port.statistics.bytes_received == sum(len(item) for item in expected if isinstance(item, bytes))


@every_runtime
@pytest.mark.drivers("ftdi_sio")
async def test_damage_is_told_on_every_runtime(link: ChipLink) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, SerialConfig(line_errors=LineErrors.RAISE)) as port:
            for _ in range(2):
                play(link)
                assert await received(port) == RAISED


@pytest.mark.drivers("ftdi_sio")
def test_damage_is_told_blocking(link: ChipLink) -> None:
    with anyserial.sync.open_serial_port(link.path, SerialConfig(line_errors=LineErrors.RAISE)) as port:
        play(link)
        found: list[Any] = []
        while found[-1:] != [b">"]:
            try:
                found.append(port.receive(1, timeout=PATIENCE))
            except LineError as exc:
                found.append((exc.kind, exc.byte))
        assert found == [b"<", PARITY, b"1", FRAMING, b"2", b"O", b"3", BREAK, b"4", PARITY, FRAMING, b">"]


@pytest.mark.drivers("ftdi_sio", "pl2303")
async def test_a_change_of_line_errors_holds_for_what_comes_after_it(link: ChipLink) -> None:
    changes = ((LineErrors.RAISE, RAISED), (LineErrors.DISCARD, [b"<12O34>"]), (LineErrors.RAISE, RAISED))
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            for line_errors, expected in changes:
                await port.configure(port.config.with_changes(line_errors=line_errors))
                play(link)
                assert await received(port) == expected


@pytest.mark.drivers("ftdi_sio", "cp210x", "pl2303")
@pytest.mark.parametrize(("before", "after"), list(permutations(LineErrors, 2)))
async def test_what_is_queued_is_delivered_as_it_was_marked(
    link: ChipLink, before: LineErrors, after: LineErrors
) -> None:
    told = {
        LineErrors.IGNORE: [LET_THROUGH[link.driver]],
        LineErrors.DISCARD: [b"<12O34>"],
        LineErrors.RAISE: RAISED,
    }
    good, every = b"\xff\xff\x00\xff", bytes(range(256)).replace(b">", b"")
    marked = before is not LineErrors.IGNORE
    queued = len((good + every).replace(b"\xff", b"\xff\xff" if marked else b"\xff"))
    queued += 22 if marked else len(LET_THROUGH[link.driver])
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, SerialConfig(line_errors=before)) as port:
            link.send(good + every)
            play(link)
            while port.input_waiting() < queued:
                await anyio.sleep(0.002)
            await port.configure(port.config.with_changes(line_errors=after))
            link.send(good + every)
            play(link)
            for mode in (before, after):
                assert await received(port) == [good + every + told[mode][0], *told[mode][1:]]


@pytest.mark.drivers(*BREAKS)
@pytest.mark.needs("break_in")
@pytest.mark.parametrize("line_errors", list(LineErrors))
async def test_a_break_is_received_and_counted(link: Link, line_errors: LineErrors) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, SerialConfig(line_errors=line_errors)) as port:
            counts = link.driver in COUNTERS and (link.driver != "cp210x" or line_errors is not LineErrors.IGNORE)
            before = (await port.line_counters()).brk if counts else 0
            link.send_break()
            while counts and (await port.line_counters()).brk == before:
                await anyio.sleep(0.002)
            if line_errors is LineErrors.IGNORE:
                assert await port.receive() == b"\0"
            elif line_errors is LineErrors.RAISE:
                with pytest.raises(LineError, match="break") as caught:
                    await port.receive()
                assert (caught.value.kind, caught.value.byte, caught.value.filename) == (*BREAK, link.path)
            link.send(b"good>")
            assert await received(port) == [b"good>"]
            assert not counts or (await port.line_counters()).brk == before + 1


async def counted(port: SerialPort, line: LineCounters) -> dict[str, int]:
    now = await port.line_counters()
    names = ("parity", "frame", "overrun", "brk")
    return {name: getattr(now, name) - getattr(line, name) for name in names}


@pytest.mark.drivers(*CHIPS)
async def test_damage_is_counted_where_the_driver_counts(link: ChipLink) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            if link.driver not in COUNTERS:
                with pytest.raises(UnsupportedFeatureError, match=link.path):
                    await port.line_counters()
                return
            all_of_it = {"parity": 2, "frame": 2, "overrun": 1, "brk": 1}
            start = await port.line_counters()
            play(link)
            await received(port)
            # A CP210x tells of damage in its event mode, which goes with INPCK.
            assert await counted(port, start) == (dict.fromkeys(all_of_it, 0) if link.driver == "cp210x" else all_of_it)
            await port.configure(port.config.with_changes(line_errors=LineErrors.DISCARD))
            start = await port.line_counters()
            play(link)
            await received(port)
            assert await counted(port, start) == all_of_it


@pytest.mark.drivers("8250", "ftdi_sio")
async def test_a_mark_that_was_cut_off_goes_with_the_input_buffer(link: Link) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, SerialConfig(line_errors=LineErrors.RAISE)) as port:
            link.send(b"A\xff")
            while port.input_waiting() < 3:  # marks are counted along
                await anyio.sleep(0.002)
            assert await port.receive(2) == b"A"
            await port.reset_input_buffer()
            link.send(b"B>")
            assert await received(port) == [b"B>"]
