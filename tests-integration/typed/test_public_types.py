# pyright: reportUnnecessaryTypeIgnoreComment=true
"""What type checkers make of the public names: each line runs, and each stated type is the one they infer.

mypy and pyright read this file in the checkout, and once more where the wheels are installed
(tools/type_completeness.py). An ignored error is one that a user must see: where the checkers stop seeing it,
they call the comment unused, and that fails.
"""

import re
from typing import TYPE_CHECKING, Any, assert_type

import anyio
import pytest
from anyserial import (
    Capability,
    ControlLines,
    LineCounters,
    ModemLines,
    PortInfo,
    PortStatistics,
    Reconnection,
    SerialCapabilities,
    SerialConfig,
    SerialConnectable,
    SerialPort,
    SerialStreamAttribute,
    find_serial_port,
    list_serial_ports,
    open_serial_port,
    reconnect,
)
from anyserial.framing import Cobs, Delimited, FixedSize, FramedStream, Framing, LengthPrefixed, Silence, Slip
from anyserial.sync import FramedStream as BlockingFramedStream
from anyserial.sync import Reconnection as BlockingReconnection
from anyserial.sync import SerialPort as BlockingPort
from anyserial.sync import list_serial_ports as blocking_list_serial_ports
from anyserial.sync import open_serial_port as blocking_open_serial_port
from anyserial.sync import reconnect as blocking_reconnect
from anyserial.sync import share as blocking_share
from anyserial.tap import PortLink, SharedPort, Tap, TapEvent, share
from anyserial.testing import (
    FaultPlan,
    MockBackend,
    Request,
    SimulatedDevice,
    VirtualPort,
    faults_of,
    serial_port_pair,
    simulated_port,
    virtual_serial_port,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import ByteStream, ObjectStream

pytestmark = pytest.mark.anyio


class Instrument(SerialPort):
    """A subclass, whose openers return it."""


@pytest.fixture
def virtual() -> VirtualPort:
    """A port, not entered yet, whose device answers each line."""
    device = SimulatedDevice()

    @device.on(re.compile(rb".*\n"))
    def answer(request: Request) -> bytes:
        return request.data

    kept: Callable[[Request], bytes] = answer  # the decorator returns the function as it was
    assert kept is answer
    opened = virtual_serial_port(device)
    assert_type(opened, VirtualPort)
    return opened


async def test_opening(virtual: VirtualPort) -> None:
    async with virtual:
        assert_type(virtual.path, str)
        async with open_serial_port(virtual.path, baudrate=9600, byte_size=8, stop_bits=1) as entered:
            assert_type(entered, SerialPort)
        async with await open_serial_port(virtual.path, SerialConfig(stop_bits="2")) as port:
            assert_type(port, SerialPort)
            assert_type(port.config, SerialConfig)
            assert_type(port.config.with_changes(baudrate=300), SerialConfig)
        async with Instrument.open(virtual.path) as instrument:
            assert_type(instrument, Instrument)
        async with await SerialConnectable(path=virtual.path).connect() as connected:
            assert_type(connected, SerialPort)


async def test_a_port() -> None:
    port, far = serial_port_pair()
    assert_type(port, SerialPort)
    assert_type(faults_of(port), FaultPlan)
    as_stream: ByteStream = port
    async with port, far:
        await as_stream.send(b"ab")
        assert_type(await far.receive(), bytes)
        await port.send_buffer(bytearray(b"cd"))
        assert_type(await far.receive_into(bytearray(2)), int)
        await port.send(b"ef")
        assert_type(await far.receive_available(), bytes)
        assert_type(await port.modem_lines(), ModemLines)
        assert_type(await port.control_lines(), ControlLines)
        assert_type(await port.line_counters(), LineCounters)
        assert_type(port.statistics, PortStatistics)
        assert_type(port.statistics.bytes_sent, int)
        assert_type(port.capabilities, SerialCapabilities)
        assert_type(port.capabilities.rs485, Capability)
        assert_type(port.port_info, PortInfo | None)
        assert_type(port.actual_baudrate, int | None)
        assert_type(port.extra(SerialStreamAttribute.config), SerialConfig)
        assert_type(port.input_waiting(), int)


async def test_framing() -> None:
    framings: list[Framing] = [
        Delimited(b"\n", max_size=64),
        FixedSize(4),
        LengthPrefixed(2, max_size=64),
        Slip(),
        Cobs(),
        Silence(),
    ]
    assert_type(framings[0].encode(b"x"), bytes)
    port, far = serial_port_pair()
    async with port, FramedStream(far, Delimited(b"\n", max_size=64)) as frames:
        assert_type(frames, FramedStream)
        as_objects: ObjectStream[bytes] = frames
        assert_type(frames.framing, Framing)
        await port.send(b"one\ntwo\nthree\n")
        assert_type(await as_objects.receive(), bytes)

    device = SimulatedDevice().on(b"go\n", b"done\n")
    assert_type(device, SimulatedDevice)
    async with FramedStream(simulated_port(device), Delimited(b"\n", max_size=64)) as frames:
        assert_type(await frames.exchange(b"go", timeout=10, attempts=1, accept=lambda frame: frame == b"done"), bytes)


async def test_looking_on() -> None:
    port, far = serial_port_pair()
    seen: list[TapEvent] = []
    async with far:
        with Tap(port, seen.append) as tap:
            assert_type(tap, Tap)
            await port.send(b"x")
        assert_type(seen[0].data, bytes)
        async with share(port) as shared:
            assert_type(shared, SharedPort)
            async with shared.link() as link:
                assert_type(link, PortLink)
                await link.send(b"y")


async def test_finding_and_coming_back() -> None:
    assert_type(await list_serial_ports(), list[PortInfo])
    assert_type(await find_serial_port(serial_number="none"), PortInfo | None)
    async with reconnect({"serial_number": "none"}, baudrate=9600) as rounds:
        assert_type(rounds, Reconnection)
        with anyio.move_on_after(0):
            async for port in rounds:
                assert_type(port, SerialPort)


def test_blocking(virtual: VirtualPort) -> None:
    assert_type(blocking_list_serial_ports(), list[PortInfo])
    with virtual, blocking_open_serial_port(virtual.path, baudrate=9600, timeout=5) as port:
        assert_type(port, BlockingPort)
        port.send(b"x\n", timeout=10)
        assert_type(port.receive(timeout=10), bytes)
        port.reset_input_buffer()
        frames = BlockingFramedStream(port, Delimited(b"\n", max_size=64))
        assert_type(frames.exchange(b"go", timeout=10), bytes)
        with blocking_share(port) as shared:
            assert_type(shared.port, BlockingPort)
    with blocking_reconnect({"serial_number": "none"}) as rounds:
        assert_type(rounds, BlockingReconnection)


def test_mocks() -> None:
    assert_type(MockBackend.pair(), tuple[MockBackend, MockBackend])


def test_what_the_type_checkers_refuse() -> None:
    wrongs: tuple[Callable[[], Any], ...] = (
        lambda: SerialConfig(baudrate="fast"),  # type: ignore[arg-type]
        lambda: SerialConfig(parity="X"),  # type: ignore[arg-type]
        lambda: SerialConfig(byte_size=9),  # type: ignore[arg-type]
        lambda: SerialConfig(baud=9600),  # type: ignore[call-arg]
        lambda: SerialConfig().with_changes(speed=1),  # type: ignore[call-arg]
        lambda: Delimited("\n", max_size=64),  # type: ignore[arg-type]
        lambda: FixedSize(b"4"),  # type: ignore[arg-type]
    )
    for wrong in wrongs:
        with pytest.raises((TypeError, ValueError)):
            wrong()
