"""What each driver makes of a rate and a frame, and what is left when it refuses one."""

import os
import re
import termios
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import anyserial.sync
import pytest
from anyserial import (
    ByteSize,
    LineErrors,
    Parity,
    SerialConfig,
    SerialPort,
    StopBits,
    UnsupportedConfigurationError,
    UnsupportedPolicy,
    open_serial_port,
)
from exact import receive_exactly
from serial_links import Link, Programmed, TellsProgrammed, wait_programmed

if TYPE_CHECKING:
    from anyserial.config import SerialConfigFields

pytestmark = pytest.mark.anyio

PATIENCE = 60
RATES = (300, 1200, 9600, 12345, 31250, 57600, 74880, 115200, 250000, 460800, 921600, 1000000, 3000000, 4000000)


class Takes(NamedTuple):
    """What a driver makes of `RATES`, and of the frames that it does not take."""

    refused: dict[int, int]
    """A rate that is not taken, and the one that the driver sets in its place."""
    told: dict[int, int]
    """A rate that the driver says it took, and the one that it told its hardware, where that is another."""
    refused_sizes: frozenset[str] = frozenset()
    one_and_a_half: bool = False
    """Whether "more than one" stop bit is 1.5 with five data bits, or 2 then too."""


TAKES = {
    # Its clock divided by a whole number: 115200 baud at most, above that it stays at the rate before.
    # Below, it reports what was asked for, whatever the division comes to.
    "8250": Takes(
        refused=dict.fromkeys((250000, 460800, 921600, 1000000, 3000000, 4000000), 115200),
        told={12345: 12800, 31250: 28800, 74880: 57600},
        one_and_a_half=True,
    ),
    # 3000000 divided by eighths.
    "ftdi_sio": Takes(refused={4000000: 9600}, told={}, refused_sizes=frozenset({"6"})),
    # A CP2102 has a table of rates (Silicon Labs AN205), and moves to one of them.
    "cp210x": Takes(refused={12345: 14400, 31250: 38400, 74880: 76800, 3000000: 1000000, 4000000: 1000000}, told={}),
    # 6000000 at most, of a PL2303TA.
    "pl2303": Takes(refused={}, told={}, one_and_a_half=True),
    # Reports every rate as it was asked for.
    "ch341": Takes(refused={}, told={4000000: 3000000}),
    "cdc_acm": Takes(refused={}, told={}),
}
# Something that the driver itself does not take, and that only reading back can tell.
REFUSED: "dict[str, SerialConfigFields]" = {
    "8250": {"baudrate": 250000},
    "ftdi_sio": {"byte_size": "6"},
    "cp210x": {"baudrate": 12345},
    "pl2303": {"baudrate": 12000000},
}
BEFORE = SerialConfig(baudrate=19200, byte_size=7, parity="even", stop_bits=2)


def attributes_of(path: str) -> list[Any]:
    """What the kernel keeps of a port's settings, whoever set them."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return termios.tcgetattr(fd)
    finally:
        os.close(fd)


def asked_of_hardware(config: SerialConfig, driver: str) -> Programmed:
    """What *config* comes to in the hardware, if nothing is changed on the way."""
    byte_size, stop_bits = config.byte_size.value, config.stop_bits.value
    if config.byte_size is ByteSize.FIVE:
        if config.stop_bits is not StopBits.ONE:
            stop_bits = "1.5" if TAKES[driver].one_and_a_half else "2"
        if driver == "ftdi_sio":
            byte_size = "8"  # a quirk of the driver's: the chip is told 0, and makes that of it
    return Programmed(config.baudrate, byte_size, config.parity.value, stop_bits)


async def exchange(link: Link, port: SerialPort, values: int = 256) -> None:
    """Send every value below *values* both ways, or what about half a second has room for."""
    size = max(16, min(values, port.config.baudrate // 20))
    data = bytes(range(values))[:size]
    await port.send(data)
    assert link.receive(size) == data
    link.send(data)
    assert await receive_exactly(port, size) == data


async def refusal_of(port: SerialPort, config: SerialConfig) -> UnsupportedConfigurationError | None:
    """Configure; if it is refused, everything must be as it was."""
    before, rate, attributes = port.config, port.actual_baudrate, attributes_of(port.path)
    try:
        await port.configure(config)
    except UnsupportedConfigurationError as exc:
        assert port.config is before
        assert port.actual_baudrate == rate
        assert attributes_of(port.path) == attributes
        return exc
    assert port.config is config
    return None


async def test_every_rate(link: Link) -> None:
    refused: dict[int, int] = {}
    told: dict[int, int] = {}
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            for rate in RATES:
                asked = port.config.with_changes(baudrate=rate)
                if refusal := await refusal_of(port, asked):
                    assert f"baudrate={rate} (it set " in str(refusal)
                    refused[rate] = int(re.findall(r"\(it set (\d+)", str(refusal))[0])
                else:
                    assert port.actual_baudrate == pytest.approx(rate, rel=0.02)
                if isinstance(link, TellsProgrammed):
                    now = port.config.baudrate  # after a refusal the one before, also in the hardware
                    expected = Programmed(TAKES[link.driver].told.get(now, now), "8", "none", "1")
                    told[now] = wait_programmed(link, expected).baudrate
                if link.configure(port.config):
                    await exchange(link, port)
    if link.driver in TAKES:
        assert (refused, {rate: other for rate, other in told.items() if rate != other}) == TAKES[link.driver][:2]


async def test_every_frame(link: Link) -> None:
    refused: set[str] = set()
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            frames = product(ByteSize, Parity, (StopBits.ONE, StopBits.TWO))
            for byte_size, parity, stop_bits in frames:
                asked = port.config.with_changes(byte_size=byte_size, parity=parity, stop_bits=stop_bits)
                if await refusal_of(port, asked):
                    refused.add(byte_size.value)
                elif isinstance(link, TellsProgrammed):
                    expected = asked_of_hardware(asked, link.driver)
                    assert wait_programmed(link, expected) == expected
                if stop_bits is StopBits.TWO and link.configure(port.config):
                    await exchange(link, port, values=2 ** int(port.config.byte_size))
    if link.driver in TAKES:
        assert refused == TAKES[link.driver].refused_sizes


async def test_one_and_a_half_stop_bits(link: Link) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, BEFORE) as port:
            refusal = await refusal_of(port, BEFORE.with_changes(stop_bits=1.5))
            assert refusal is not None
            assert "byte_size='5' only" in str(refusal)
            five = SerialConfig(byte_size=5, stop_bits=1.5)
            await port.configure(five)
            if isinstance(link, TellsProgrammed):
                expected = asked_of_hardware(five, link.driver)
                assert wait_programmed(link, expected) == expected


@pytest.mark.drivers(*REFUSED)
async def test_refused_at_configure(link: Link) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, BEFORE) as port:
            asked = SerialConfig(line_errors=LineErrors.RAISE).with_changes(**REFUSED[link.driver])
            assert await refusal_of(port, asked)
            assert wait_programmed(link, asked_of_hardware(BEFORE, link.driver)) == asked_of_hardware(
                BEFORE, link.driver
            )
            link.configure(BEFORE)
            await exchange(link, port, values=128)


@pytest.mark.drivers(*REFUSED)
async def test_refused_at_open(link: Link) -> None:
    async with await open_serial_port(link.path, BEFORE):
        pass
    before = attributes_of(link.path)
    field = next(iter(REFUSED[link.driver]))
    refused = SerialConfig(exclusive=True).with_changes(**REFUSED[link.driver])
    with pytest.raises(UnsupportedConfigurationError, match=field) as refusal:
        await open_serial_port(link.path, refused)
    assert refusal.value.filename == link.path
    with pytest.raises(UnsupportedConfigurationError, match=field):
        anyserial.sync.open_serial_port(link.path, refused)
    assert attributes_of(link.path) == before
    # Nothing holds the port either.
    async with await open_serial_port(link.path, BEFORE.with_changes(exclusive=True)) as port:
        link.configure(BEFORE)
        await exchange(link, port, values=128)


@pytest.mark.drivers("8250")
async def test_going_on_without(link: Link) -> None:
    warned = BEFORE.with_changes(baudrate=250000, unsupported_policy=UnsupportedPolicy.WARN)
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, BEFORE) as port:
            with pytest.warns(RuntimeWarning, match=r"baudrate=250000 \(it set 19200\); going on without"):
                await port.configure(warned)
            assert port.config is warned
            assert port.actual_baudrate == 19200
            await port.configure(warned.with_changes(unsupported_policy=UnsupportedPolicy.IGNORE))
            assert port.actual_baudrate == 19200
            expected = asked_of_hardware(BEFORE, link.driver)
            assert wait_programmed(link, expected) == expected
            await exchange(link, port, values=128)
        ignored = SerialConfig(baudrate=4000000, unsupported_policy=UnsupportedPolicy.IGNORE)
        async with await open_serial_port(link.path, ignored) as port:
            assert port.actual_baudrate == 19200  # what the port had from before
            await exchange(link, port)
