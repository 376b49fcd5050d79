"""Real ports behind the network: served by ser2net and by `anyserial serve`, and used by clients over loopback.

The far end of the line is never anyserial's, as everywhere here; so what a client sets is read from the
hardware, and not from the server.
"""

import signal
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
import anyserial.sync
import port_servers
import pytest
import serial
from anyio.to_thread import run_sync
from anyserial import (
    ControlLines,
    FlowControl,
    LineError,
    ModemLines,
    PortBusyError,
    SerialConfig,
    SerialDisconnectedError,
    SerialPort,
    UnsupportedConfigurationError,
    open_serial_port,
    reconnect,
)
from exact import receive_exactly, receive_exactly_blocking
from hardware_runtimes import every_runtime
from port_servers import PortServer
from serial_links import Link, Programmed, TellsProgrammed, wait_programmed

pytestmark = [pytest.mark.anyio, pytest.mark.drivers("8250")]

BOTH = pytest.mark.drivers("8250", "ftdi_sio")
PATIENCE = 60
STILL = 0.3  # seconds in which something would have come
EVERY = bytes(range(256)) * 8
XON, XOFF = b"\x11", b"\x13"
CONTROL_LINES = ((True, True), (False, False), (True, False), (False, True))
MUCH = 3000  # bytes; more than the hardware takes of what is purged
RTS_CTS = FlowControl(rts_cts=True)


@pytest.fixture(scope="module", params=["ser2net", "serve"])
def running(request: pytest.FixtureRequest, plugged_link: Link) -> Iterator[PortServer]:
    """A server of the port, which has it open only while it has a client."""
    if request.param == "ser2net" and port_servers.ser2net_program() is None:
        pytest.skip("ser2net is not installed: apt-get install ser2net")
    serve = port_servers.ser2net if request.param == "ser2net" else port_servers.own
    with serve(plugged_link.path) as server:
        yield server


@pytest.fixture
def server(running: PortServer, link: Link) -> PortServer:
    """The server, without a client, of a port that is as it was at first."""
    assert running.path == link.path
    running.wait_idle()
    return running


@asynccontextmanager
async def opened(server: PortServer, url: str = "", **settings: Any) -> AsyncGenerator[SerialPort]:
    """Open the port behind the server, and wait at the end until the server has closed it."""
    with anyio.fail_after(PATIENCE):
        async with open_serial_port(url or server.rfc2217, **settings) as port:
            yield port
        await run_sync(server.wait_idle)


def is_breaking(link: Any) -> bool:
    breaking: bool = link.sending_break()
    return breaking


async def line_error(port: SerialPort) -> str:
    """Receive until a line error comes, and return its kind."""
    try:
        while True:
            await port.receive()
    except LineError as error:
        return error.kind


async def until_gone(port: SerialPort) -> None:
    """Receive until the connection ends."""
    with suppress(SerialDisconnectedError):
        while True:
            await port.receive()


async def eventually(condition: Callable[[], object]) -> None:
    while not condition():
        await anyio.sleep(0.005)


# Bytes


@every_runtime
@pytest.mark.parametrize("scheme", ["rfc2217", "tcp"])
async def test_every_byte_passes_both_ways(server: PortServer, link: Link, scheme: str) -> None:
    link.configure(SerialConfig())
    async with opened(server, server.tcp if scheme == "tcp" else "") as port:
        await port.send(EVERY)
        assert link.receive(len(EVERY)) == EVERY
        link.send(EVERY)
        assert await receive_exactly(port, len(EVERY)) == EVERY
        await port.drain_exact()


@pytest.mark.parametrize("scheme", ["rfc2217", "tcp"])
def test_every_byte_passes_both_ways_blocking(server: PortServer, link: Link, scheme: str) -> None:
    link.configure(SerialConfig())
    with anyserial.sync.open_serial_port(server.tcp if scheme == "tcp" else server.rfc2217) as port:
        port.send(EVERY, timeout=PATIENCE)
        assert link.receive(len(EVERY)) == EVERY
        link.send(EVERY)
        assert receive_exactly_blocking(port, len(EVERY)) == EVERY
        port.drain(timeout=PATIENCE)


# Settings

SETTINGS: tuple[dict[str, Any], ...] = (
    {"baudrate": 300},
    {"baudrate": 9600},
    {"baudrate": 38400},
    {"baudrate": 57600},
    {"baudrate": 115200},
    {"byte_size": 7},
    {"parity": "even"},
    {"parity": "odd"},
    {"stop_bits": 2},
    {"baudrate": 19200, "byte_size": 7, "parity": "even", "stop_bits": 2},
    {"parity": "mark"},
    {"parity": "space"},
)


@BOTH
async def test_every_setting_reaches_the_hardware(server: PortServer, link: Link) -> None:
    async with opened(server) as port:
        assert isinstance(link, TellsProgrammed)
        before = port.config
        for fields in SETTINGS:
            config = before.with_changes(**fields)
            await port.configure(config)
            expected = Programmed(config.baudrate, config.byte_size.value, config.parity.value, config.stop_bits.value)
            assert (fields, wait_programmed(link, expected)) == (fields, expected)
            assert port.actual_baudrate == config.baudrate


async def test_a_server_that_stays_at_space_parity_is_not_believed(server: PortServer, link: Link) -> None:
    async with opened(server, parity="space") as port:
        even = port.config.with_changes(parity="even")
        if server.name != "ser2net":
            await port.configure(even)
            return
        # It leaves the bit for mark and space set, and says so.
        with pytest.raises(UnsupportedConfigurationError, match=r"parity=even \(it set space\)"):
            await port.configure(even)
        assert port.config.parity == "space"


# What these drivers refuse.
REFUSED: dict[str, dict[str, Any]] = {"8250": {"baudrate": 250000}, "ftdi_sio": {"byte_size": 6}}


@BOTH
async def test_what_the_driver_refuses_is_refused_unless_the_server_says_otherwise(
    server: PortServer, link: Link
) -> None:
    async with opened(server, baudrate=57600) as port:
        before = port.config
        refused = before.with_changes(**REFUSED[link.driver])
        if server.name == "ser2net":  # it answers with what it was asked for, whatever the driver has made of that
            await port.configure(refused)
            assert port.actual_baudrate == refused.baudrate
        else:
            with pytest.raises(UnsupportedConfigurationError, match=r"the server does not take .*\(it set "):
                await port.configure(refused)
            assert (port.config, port.actual_baudrate) == (before, 57600)
        assert isinstance(link, TellsProgrammed)
        expected = Programmed(57600, "8", "none", "1")
        assert wait_programmed(link, expected) == expected


# Lines


async def test_control_lines_reach_the_far_end(server: PortServer, link: Link) -> None:
    async with opened(server) as port:
        for rts, dtr in CONTROL_LINES:
            await port.set_control_lines(rts=rts, dtr=dtr)  # confirmed by ser2net too, as it never is on a pty
            await run_sync(partial(link.wait_outputs, rts=rts, dtr=dtr))
            assert await port.control_lines() == ControlLines(rts=rts, dtr=dtr)


async def test_a_change_of_the_modem_lines_is_pushed(server: PortServer, link: Link) -> None:
    for together in link.inputs:
        link.set_inputs(**dict.fromkeys(together, False))
    async with opened(server) as port:
        lines = await port.modem_lines()
        assert lines == ModemLines(cts=False, dsr=False, ri=False, cd=False)
        for together in link.inputs:
            for level in (True, False):
                change = dict.fromkeys(together, level)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(run_sync, partial(link.set_inputs, **change))
                    while any(getattr(lines, name) is not level for name in together):
                        lines = await port.wait_modem_change(interval=PATIENCE)


def test_a_blocking_program_waits_for_the_modem_lines(server: PortServer, link: Link) -> None:
    link.set_inputs(cts=False)
    with anyserial.sync.open_serial_port(server.rfc2217) as port:
        assert not port.modem_lines(timeout=PATIENCE).cts
        change = threading.Timer(0.1, lambda: link.set_inputs(cts=True))
        change.start()
        while not port.wait_modem_change(interval=PATIENCE, timeout=PATIENCE).cts:
            pass
        change.join()


# Breaks and damage


async def test_a_break_reaches_the_line_and_ends(server: PortServer, link: Link) -> None:
    async with opened(server) as port:
        await port.set_break(True)
        await eventually(lambda: is_breaking(link))
        await port.set_break(False)
        await eventually(lambda: not is_breaking(link))
        await port.send_break(0.05)
        assert not is_breaking(link)


async def test_a_break_ends_with_its_client(server: PortServer, link: Link) -> None:
    async with opened(server) as port:
        await port.set_break(True)
        await eventually(lambda: is_breaking(link))
    await eventually(lambda: not is_breaking(link))


@BOTH
async def test_damage_is_a_line_error_where_the_server_reports_it(server: PortServer, link: Any) -> None:
    link.configure(SerialConfig())
    if server.name == "ser2net":
        with pytest.raises(UnsupportedConfigurationError, match=r"line_errors=raise \(it did not confirm that\)"):
            await open_serial_port(server.rfc2217, line_errors="raise")
        await run_sync(server.wait_idle)
        return
    async with opened(server, line_errors="raise", parity="even") as port:
        await run_sync(link.send_break)
        assert await line_error(port) == "break"
        if link.driver == "ftdi_sio":  # the other link's far end cannot damage a byte
            for kind in ("parity", "framing"):
                link.send_damaged(b"x", kind)
                assert await line_error(port) == "parity_or_framing"


# Flow control and buffers


@pytest.mark.parametrize("direction", ["input", "output"])
async def test_a_purge_discards_what_has_not_moved(server: PortServer, link: Link, direction: str) -> None:
    link.configure(SerialConfig(flow_control=RTS_CTS))
    link.set_inputs(cts=True)
    async with opened(server, flow_control=RTS_CTS) as port:
        if direction == "input":
            link.send(b"old" * 100)
            await anyio.sleep(STILL)
            await port.reset_input_buffer()
            link.send(b"new")
            assert await port.receive() == b"new"
            return
        link.set_inputs(cts=False)
        while (await port.modem_lines()).cts:
            await port.wait_modem_change(interval=PATIENCE)
        await port.send(bytes(MUCH))
        await port.drain()
        await port.reset_output_buffer()
        link.set_inputs(cts=True)
        await port.send(b"new")
        got = b""
        while not got.endswith(b"new"):
            got += await run_sync(link.receive, 1)
        assert len(got) < MUCH


async def test_cts_holds_the_output_back_and_nothing_is_lost(server: PortServer, link: Link) -> None:
    link.configure(SerialConfig(flow_control=RTS_CTS))
    link.set_inputs(cts=True)
    async with opened(server, flow_control=RTS_CTS) as port:
        await port.send(b"before")
        assert await run_sync(link.receive, 6) == b"before"
        link.set_inputs(cts=False)
        while (await port.modem_lines()).cts:
            await port.wait_modem_change(interval=PATIENCE)
        await port.send(EVERY)
        with pytest.raises(TimeoutError, match=r"^0 of 1 bytes"):
            await run_sync(link.receive, 1, STILL)
        link.set_inputs(cts=True)
        assert await run_sync(link.receive, len(EVERY)) == EVERY


async def test_xoff_holds_the_output_back_and_nothing_is_lost(server: PortServer, link: Link) -> None:
    data = bytes(value for value in EVERY if bytes((value,)) not in {XON, XOFF})
    link.configure(SerialConfig())
    async with opened(server, flow_control=FlowControl(xon_xoff=True)) as port:
        link.send(XOFF + b"stopped")
        assert await receive_exactly(port, 7) == b"stopped"
        await port.send(data)
        with pytest.raises(TimeoutError, match=r"^0 of 1 bytes"):
            await run_sync(link.receive, 1, STILL)
        link.send(XON)
        assert await run_sync(link.receive, len(data)) == data


async def test_drain_exact_waits_until_the_last_bit_has_left(server: PortServer, link: Link) -> None:
    link.configure(SerialConfig(baudrate=9600))
    async with opened(server, baudrate=9600) as port:
        await port.send(EVERY[:256])
        await port.drain_exact()
        assert await run_sync(link.receive, 256) == EVERY[:256]


# Clients


async def test_a_second_client_is_told_that_the_port_is_taken(server: PortServer, link: Link) -> None:
    async with opened(server) as port:
        with pytest.raises(PortBusyError):
            await open_serial_port(server.rfc2217)
        link.send(b"still yours")
        assert await receive_exactly(port, 11) == b"still yours"


@BOTH
@every_runtime
async def test_an_unplugged_port_ends_its_client_and_comes_back(server: PortServer, link: Link) -> None:
    with anyio.fail_after(2 * PATIENCE):
        async with reconnect(server.rfc2217) as ports:
            for number in range(2):
                port = await anext(ports)
                link.send(b"round")
                assert await receive_exactly(port, 5) == b"round"
                if number:
                    await port.aclose()
                    break
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(run_sync, link.unplug)
                    await until_gone(port)
                await run_sync(link.plug)
                assert link.path == server.path
        await run_sync(server.wait_idle)


async def test_our_server_ends_cleanly_beside_a_client(link: Link) -> None:
    with port_servers.own(link.path) as server:
        with anyio.fail_after(PATIENCE):
            async with open_serial_port(server.rfc2217) as port:
                await port.send(b"last words")
                await port.drain()
                server.process.send_signal(signal.SIGTERM)
                assert await run_sync(link.receive, 10) == b"last words"
                with pytest.raises(SerialDisconnectedError):
                    await port.receive()
        assert server.process.wait(PATIENCE) == 0
    link.wait_outputs(rts=False, dtr=False)


@pytest.mark.parametrize("hold", [False, True])
async def test_our_server_moves_no_line_of_a_held_port(link: Link, hold: bool) -> None:
    with port_servers.own(link.path, *(["--hold"] if hold else [])) as server, anyio.fail_after(PATIENCE):
        for _ in range(2):
            async with open_serial_port(server.rfc2217) as port:
                await port.set_control_lines(rts=False, dtr=True)
            if hold:
                link.wait_outputs(rts=False, dtr=True)
                async with open_serial_port(server.rfc2217) as port:
                    assert await port.control_lines() == ControlLines(rts=False, dtr=True)
            else:
                link.wait_outputs(rts=False, dtr=False)


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # of pySerial's client
def test_pyserials_client_uses_our_server(link: Link) -> None:
    """Settings, bytes, lines, a break and purges, by the client that most programs have."""
    assert isinstance(link, TellsProgrammed)
    link.set_inputs(cts=False)
    with port_servers.own(link.path) as server, serial.serial_for_url(server.rfc2217, timeout=PATIENCE) as port:
        port.apply_settings({"baudrate": 19200, "bytesize": 8, "parity": "E", "stopbits": 2})
        expected = Programmed(19200, "8", "even", "2")
        assert wait_programmed(link, expected) == expected
        link.configure(SerialConfig(baudrate=19200, parity="even", stop_bits=2))
        port.write(EVERY[:256])
        assert link.receive(256) == EVERY[:256]
        link.send(EVERY[:256])
        assert port.read(256) == EVERY[:256]
        for rts, dtr in CONTROL_LINES:
            port.rts, port.dtr = rts, dtr
            link.wait_outputs(rts=rts, dtr=dtr)
        for level in (True, False):
            link.set_inputs(cts=level)
            while port.cts is not level:
                pass
        port.break_condition = True
        assert is_breaking(link)
        port.break_condition = False
        assert not is_breaking(link)
        port.reset_input_buffer()
        port.reset_output_buffer()
    link.wait_outputs(rts=False, dtr=False)
