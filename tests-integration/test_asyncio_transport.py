"""The asyncio transport on the real driver, and on ports of anyserial.sync and anyserial.pyserial."""

import asyncio
import os
import re
import tty
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
import uvloop
from anyserial import ConfigurationError, PortBusyError, SerialPort, open_serial_port
from anyserial.asyncio import connection_for_serial, create_serial_connection, open_serial_connection
from anyserial.exceptions import SerialDisconnectedError
from anyserial.network import PortServer, serve
from anyserial.pyserial import SerialException
from anyserial.tap import Tap, TapEvent
from anyserial.testing import serial_port_pair
from anyserial_sync._pyserial.urlhandler import protocol_hwgrep

pytestmark = pytest.mark.anyio
LOOPS = [
    pytest.param(("asyncio", {"loop_factory": asyncio.SelectorEventLoop}), id="asyncio"),
    pytest.param(("asyncio", {"loop_factory": uvloop.new_event_loop}), id="uvloop"),
]


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


class Pty:
    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.ends = [self.master, self.slave]

    def hang_up(self) -> None:
        while self.ends:
            os.close(self.ends.pop())


@pytest.fixture
def pty() -> Iterator[Pty]:
    found = Pty()
    yield found
    found.hang_up()


class Echo(asyncio.Protocol):
    """Answers what it gets, and notes how it ends."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(exc)


async def answers(pty: Pty) -> bytes:
    os.write(pty.master, b"echo")
    await anyio.wait_readable(pty.master)
    return os.read(pty.master, 100)


async def end(protocol: Echo) -> Exception | None:
    with anyio.fail_after(5):
        return await protocol.ended


async def test_the_driver_of_this_platform(pty: Pty) -> None:
    transport, protocol = await create_serial_connection(
        None,
        Echo,
        url=pty.path,
        baudrate=57600,
        bytesize=8,
        parity="N",
        stopbits=1,
        timeout=1,
        xonxoff=True,
        rtscts=False,
        dsrdtr=False,
        exclusive=True,
    )
    assert await answers(pty) == b"echo"
    assert transport.serial.baudrate == 57600
    assert transport.serial.xonxoff
    with pytest.raises(PortBusyError):
        await create_serial_connection(None, Echo, pty.path, exclusive=True)
    transport.close()
    assert await end(protocol) is None
    # The port is free when the connection is lost.
    transport, protocol = await create_serial_connection(None, Echo, pty.path, exclusive=True)
    assert await answers(pty) == b"echo"
    pty.hang_up()
    assert isinstance(await end(protocol), SerialDisconnectedError)


async def test_frames_that_a_pty_does_not_keep_are_accepted_as_pyserial_accepts_them(pty: Pty) -> None:
    transport, protocol = await create_serial_connection(None, Echo, pty.path, 9600, 7, "E", rtscts=True)
    assert await answers(pty) == b"echo"
    transport.close()
    await end(protocol)


async def test_input_from_before_is_discarded_as_pyserial_does(pty: Pty) -> None:
    os.write(pty.master, b"old")
    reader, writer = await open_serial_connection(url=pty.path)
    os.write(pty.master, b"new")
    assert await reader.read(100) == b"new"
    writer.close()
    await writer.wait_closed()


DUMP = """\
{0} RX   0000  65 63 68 6F echo
{0} TX   0000  65 63 68 6F echo
{0} Q-RX reset_input_buffer
"""


@pytest.mark.parametrize(
    ("options", "shown"),
    [("", DUMP), ("&all", DUMP), ("&raw", "echoecho"), ("&raw&color", "\x1b[32mecho\x1b[31mecho")],
)
async def test_spy_writes_down_what_goes_through_a_transport(
    pty: Pty, tmp_path: Path, options: str, shown: str
) -> None:
    log = tmp_path / "log"
    transport, protocol = await create_serial_connection(None, Echo, f"SPY://{pty.path}?file={log}{options}")
    assert transport.serial.port == pty.path
    assert await answers(pty) == b"echo"
    transport.serial.reset_input_buffer()
    transport.close()
    assert await end(protocol) is None
    found = re.sub(r"\d{6}\.\d{3}", "{0}", log.read_text())
    assert re.sub(r" {5,}(echo *)?", lambda gap: " echo" if gap[1] else " ", found) == shown


@pytest.mark.parametrize("size", [5, 3_000_000])
async def test_a_loop_sends_back_what_it_is_given(size: int) -> None:
    reader, writer = await open_serial_connection(url="loop://", baudrate=300, limit=size)
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    writer.write(data)
    assert (writer.transport.get_write_buffer_size() > 0) == (size > 1_000_000)
    with anyio.fail_after(5):
        assert await reader.readexactly(size) == data
    serial = writer.transport.get_extra_info("serial")
    serial.dtr = False
    assert (serial.cts, serial.dsr, serial.ri, serial.cd) == (True, False, False, True)
    writer.close()
    await writer.wait_closed()


async def test_a_loop_counts_and_discards_what_is_on_it() -> None:
    transport, protocol = await create_serial_connection(None, Echo, "loop://")
    transport.pause_reading()
    written = transport.serial.write(bytes(10_000_000))
    assert transport.serial.in_waiting == written > 0
    transport.serial.reset_input_buffer()
    assert transport.serial.in_waiting == 0
    transport.serial.write(b"abc")
    assert transport.serial.read(10) == b"abc"
    transport.close()
    assert await end(protocol) is None


async def test_a_tap_looks_at_a_transport() -> None:
    events: list[TapEvent] = []
    transport, protocol = await create_serial_connection(None, Echo, "loop://")
    with Tap(transport.serial, events.append):
        transport.serial.rts = False
    transport.serial.rts = True
    assert [(event.kind, event.value) for event in events] == [("control_lines", {"rts": False})]
    transport.close()
    assert await end(protocol) is None


async def test_a_blocking_port_becomes_a_transport(pty: Pty) -> None:
    sync = pytest.importorskip("anyserial.sync")
    port = sync.SerialPort.open(pty.path)
    os.write(pty.master, b"line\nrest")
    assert port.receive_until(b"\n", 100) == b"line"
    transport, protocol = await connection_for_serial(None, Echo, port)
    assert transport.serial is port
    await anyio.wait_readable(pty.master)
    assert os.read(pty.master, 100) == b"rest"  # what the blocking port had read ahead
    assert await answers(pty) == b"echo"
    port.configure(port.config.with_changes(baudrate=4800))
    assert transport.get_extra_info("config").baudrate == 4800
    transport.close()
    assert await end(protocol) is None
    assert not port.is_open


@pytest.mark.parametrize("how", ["close", "abort", "serial", "unplug"])
async def test_a_port_of_pyserials_becomes_a_transport(pty: Pty, how: str) -> None:
    serial = pytest.importorskip("anyserial.pyserial")
    instance = serial.Serial(pty.path, 19200)
    transport, protocol = await connection_for_serial(None, Echo, instance)
    assert transport.serial is transport.get_extra_info("serial") is instance
    assert await answers(pty) == b"echo"
    instance.baudrate = 38400
    assert transport.get_extra_info("config").baudrate == 38400
    if how == "unplug":
        pty.hang_up()
        error = await end(protocol)
        assert isinstance(error, serial.SerialException)
        assert isinstance(error, SerialDisconnectedError)
    else:
        if how == "serial":
            await asyncio.to_thread(instance.close)
        else:
            getattr(transport, how)()
        assert await end(protocol) is None
    assert not instance.is_open


async def test_a_program_for_pyserial_catches_what_it_knows() -> None:
    serial = pytest.importorskip("anyserial.pyserial")
    with pytest.raises(serial.SerialException) as caught:
        await create_serial_connection(None, Echo, "/dev/no-such-port")
    assert isinstance(caught.value, FileNotFoundError)
    assert type(caught.value.__context__) is FileNotFoundError  # zigpy looks there
    with pytest.raises(ValueError, match="bytesize"):
        await create_serial_connection(None, Echo, "/dev/no-such-port", bytesize=9)


async def test_what_is_behind_a_busy_port_is_what_pyserials_lock_says(pty: Pty) -> None:
    serial = pytest.importorskip("anyserial.pyserial")
    transport, protocol = await create_serial_connection(None, Echo, pty.path, exclusive=True)
    with pytest.raises(serial.SerialException) as caught:
        await create_serial_connection(None, Echo, pty.path, exclusive=True)
    assert isinstance(caught.value, PortBusyError)
    assert isinstance(caught.value.__context__, BlockingIOError)
    transport.close()
    await end(protocol)


@pytest.mark.parametrize("url", ["alt://{path}?class=VTIMESerial", "hwgrep://ttyS9&n=1"])
async def test_pyserials_urls_of_devices(pty: Pty, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def grep(pattern: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(device=pty.path)] if pattern == "ttyS9" else []

    monkeypatch.setattr(protocol_hwgrep, "grep", grep)
    transport, protocol = await create_serial_connection(None, Echo, url.format(path=pty.path))
    os.write(pty.master, b"ping")
    with anyio.fail_after(5):
        assert await asyncio.to_thread(os.read, pty.master, 4) == b"ping"
    transport.close()
    assert await protocol.ended is None


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("hwgrep://nothing", SerialException, "no ports found matching"),
        ("hwgrep://x&n=0", ConfigurationError, "n must be a whole number.*'hwgrep://x&n=0'"),
        ("alt://{}?class=Nonsense", ConfigurationError, "class must be one of .*'Nonsense'"),
        ("alt://{}?x", SerialException, "unknown option 'x'"),
        ("loop://?logging=loud", SerialException, "logging must be one of"),
        ("spy://{}?nope", SerialException, "unknown option 'nope'"),
        ("spy://{}?file=/no/such/folder/x", FileNotFoundError, "/no/such/folder/x"),
        ("spy:///dev/no-such-port", SerialException, "could not open port /dev/no-such-port"),
        ("other://x", ConfigurationError, "a URL that anyserial knows"),
    ],
)
async def test_pyserials_urls_that_are_refused(pty: Pty, url: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        await create_serial_connection(None, Echo, url.format(pty.path))


async def received(port: SerialPort, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += await port.receive()
    return data


@pytest.mark.parametrize("scheme", ["rfc2217", "socket"])
async def test_a_port_of_the_network(scheme: str) -> None:
    port, device = serial_port_pair()
    async with port, device, anyio.create_task_group() as tasks:
        endpoints = (None, 0) if scheme == "socket" else (0, None)
        server: PortServer = await tasks.start(serve, port, *endpoints)
        url = server.urls[0].replace("tcp://", "socket://")
        transport, protocol = await create_serial_connection(None, Echo, url, baudrate=19200)
        with anyio.fail_after(10):
            await device.send(b"ping")
            assert await received(device, 4) == b"ping"
            if scheme == "rfc2217":
                assert port.config.baudrate == 19200
                await asyncio.to_thread(setattr, transport.serial, "baudrate", 38400)
                assert port.config.baudrate == 38400
                await device.set_control_lines(rts=False)
                while await asyncio.to_thread(lambda: transport.serial.cts):
                    pass
            transport.write(b"x" * 100_000)
            transport.close()
            assert transport.is_closing()
            assert len(await received(device, 100_000)) == 100_000  # close lets the output leave
            assert await protocol.ended is None

            transport, protocol = await create_serial_connection(None, Echo, url)
            transport.serial.baudrate = 57600
            transport.close()
            assert await protocol.ended is None
            assert scheme == "socket" or port.config.baudrate == 57600  # and the settings

            transport, protocol = await create_serial_connection(None, Echo, url)
            tasks.cancel_scope.cancel()  # the server goes
            with anyio.CancelScope(shield=True):
                assert isinstance(await protocol.ended, SerialDisconnectedError)


async def test_an_async_port_is_refused(pty: Pty) -> None:
    async with open_serial_port(pty.path) as port:
        assert isinstance(port, SerialPort)
        with pytest.raises(TypeError, match="create_serial_connection"):
            await connection_for_serial(None, Echo, port)
