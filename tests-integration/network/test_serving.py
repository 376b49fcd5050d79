"""A server on a mock port: what clients by RFC 2217 and by raw TCP can do, and who gets the port."""

import errno
import logging
import os
import socket
import tty
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyserial import (
    FlowControl,
    ModemLines,
    PortNotFoundError,
    SerialClosedError,
    SerialConfig,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    open_serial_port,
)
from anyserial._network.client_link import READ
from anyserial._network.com_port import Command, Control, LineState, ModemState, Purge
from anyserial._network.outbox import HIGH, LIMIT, PIECE
from anyserial.network import PortServer, serve
from anyserial.testing import MockBackend, faults_of, serial_port_pair
from network_peer import PATIENCE, Peer, connected, port_of

pytestmark = pytest.mark.anyio

IS_FULL = os.environ.get("ANYSERIAL_STRESS") == "full"
CLIENTS = 64 if IS_FULL else 8
DELAY = 0.05 if IS_FULL else 0.01  # seconds in each direction

RATE, SIZE, PARITY, STOP, CONTROL = (
    Command.BAUDRATE,
    Command.DATA_SIZE,
    Command.PARITY,
    Command.STOP_SIZE,
    Command.CONTROL,
)


@asynccontextmanager
async def serving(port: Any, rfc2217: Any = 0, tcp: Any = None, **options: Any) -> AsyncGenerator[PortServer]:
    async with anyio.create_task_group() as tasks:
        yield await tasks.start(partial(serve, port, rfc2217, tcp, **options))
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def bench(**options: Any) -> AsyncGenerator[tuple[PortServer, SerialPort]]:
    """A server on one end of a cable, and the device at the other end."""
    port, device = serial_port_pair()
    async with port, device, serving(port, **options) as server:
        yield server, device


async def received(device: SerialPort, count: int) -> bytes:
    data = b""
    with anyio.fail_after(PATIENCE):
        while len(data) < count:
            data += await device.receive()
    return data


async def fill(client: Peer) -> int:
    """Send until the server asks to stop; return how many bytes that took."""
    sent = 0
    while not client.has(Command.SUSPEND):
        await client.send(bytes(16384))
        sent += 16384
        with anyio.move_on_after(0.02):
            await client.hear()
    return sent


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until the server has noticed: no event tells a client."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110  # as above
            await anyio.sleep(0.005)


class Pty:
    """A pty at a path of the test's own, to be plugged and unplugged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.master = self._slave = -1

    def __enter__(self) -> Self:
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        if self.master >= 0:
            self.unplug()

    def plug(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        self.path.unlink()
        os.close(self._slave)
        os.close(self.master)
        self.master = -1

    async def read(self, count: int) -> bytes:
        data = b""
        with anyio.fail_after(PATIENCE):
            while len(data) < count:
                await anyio.wait_readable(self.master)
                data += os.read(self.master, 4096)
        return data


# Bytes


@pytest.mark.parametrize("split", [False, True])
async def test_bytes_go_both_ways_whole(split: bool) -> None:
    every = bytes(range(256)) + b"\xff\xff\xf0\xff"
    async with bench() as (server, device), connected(server, split=split) as client:
        await client.send(every)
        assert await received(device, len(every)) == every
        await device.send(every)
        assert await client.read(len(every)) == every
        await eventually(lambda: server.statistics.bytes_to_clients == len(every))
        assert server.statistics.bytes_to_port == len(every)


async def test_a_raw_client_gets_the_bytes_as_they_are() -> None:
    async with (
        bench(rfc2217=None, tcp=0) as (server, device),
        await anyio.connect_tcp("127.0.0.1", port_of(server, "tcp")) as client,
    ):
        await client.send(b"\xff\xfa\x2c\x01\xff\xf0")
        assert await received(device, 6) == b"\xff\xfa\x2c\x01\xff\xf0"
        await device.send(b"\xff\xff")
        with anyio.fail_after(PATIENCE):
            assert await client.receive() == b"\xff\xff"


# Settings


CONVERSATION = (
    (RATE, 0, 115200),
    (RATE, 9600, 9600),
    (RATE, 4_000_000, 4_000_000),
    (SIZE, 0, 8),
    (SIZE, 9, 8),
    (SIZE, 7, 7),
    (SIZE, 0, 7),
    (PARITY, 0, 1),
    (PARITY, 77, 1),
    (PARITY, 3, 3),
    (STOP, 9, 1),
    (STOP, 3, 3),
    (STOP, 2, 2),
    (CONTROL, Control.ASK_FLOW, Control.FLOW_NONE),
    (CONTROL, Control.ASK_INBOUND_FLOW, Control.INBOUND_FLOW_NONE),
    (CONTROL, Control.FLOW_DCD, Control.FLOW_NONE),
    (CONTROL, Control.FLOW_XON_XOFF, Control.FLOW_XON_XOFF),
    (CONTROL, Control.INBOUND_FLOW_HARDWARE, Control.INBOUND_FLOW_HARDWARE),
    (CONTROL, Control.ASK_FLOW, Control.FLOW_HARDWARE),
    (CONTROL, Control.FLOW_DSR, Control.FLOW_DSR),
    (CONTROL, Control.ASK_INBOUND_FLOW, Control.INBOUND_FLOW_DTR),
    (CONTROL, Control.FLOW_NONE, Control.FLOW_NONE),
    (CONTROL, Control.ASK_BREAK, Control.BREAK_OFF),
    (CONTROL, Control.BREAK_ON, Control.BREAK_ON),
    (CONTROL, Control.ASK_BREAK, Control.BREAK_ON),
    (CONTROL, Control.BREAK_OFF, Control.BREAK_OFF),
    (CONTROL, Control.ASK_DTR, Control.DTR_OFF),
    (CONTROL, Control.DTR_ON, Control.DTR_ON),
    (CONTROL, Control.ASK_RTS, Control.RTS_OFF),
    (CONTROL, Control.RTS_ON, Control.RTS_ON),
    (Command.LINE_STATE_MASK, 0x1E, 0x1E),
    (Command.MODEM_STATE_MASK, 0x10, 0x10),
    (Command.PURGE, Purge.BOTH, Purge.BOTH),
    (Command.NOTIFY_LINE_STATE, 0, LineState.HOLDING_REGISTER_EMPTY | LineState.SHIFT_REGISTER_EMPTY),
    (Command.NOTIFY_MODEM_STATE, 0, 0),
)


async def test_every_set_is_answered_with_the_value_in_force() -> None:
    async with bench() as (server, _), connected(server) as client:
        for command, value, answer in CONVERSATION:
            assert (command, value, await client.ask(command, value)) == (command, value, answer)


async def test_what_is_set_reaches_the_port() -> None:
    port, device = serial_port_pair()
    async with port, device, serving(port) as server, connected(server) as client:
        await client.ask(RATE, 9600)
        await client.ask(SIZE, 7)
        await client.ask(PARITY, 3)
        await client.ask(STOP, 2)
        await client.ask(CONTROL, Control.FLOW_HARDWARE)
        assert port.config == SerialConfig(
            baudrate=9600, byte_size=7, parity="even", stop_bits=2, flow_control=FlowControl(rts_cts=True)
        )
        await client.ask(CONTROL, Control.RTS_ON)
        assert await device.modem_lines() == ModemLines(cts=True, dsr=False, ri=False, cd=False)
        assert await client.ask(CONTROL, Control.ASK_RTS) == Control.RTS_ON


REFUSED_BY_A_PTY = (
    (SIZE, 7, 8),
    (PARITY, 3, 1),
    (RATE, 12345, 12345),
    # A pty has no lines whose level could contradict.
    (CONTROL, Control.DTR_OFF, Control.DTR_OFF),
    (CONTROL, Control.ASK_DTR, Control.DTR_OFF),
    (CONTROL, Control.RTS_ON, Control.RTS_ON),
    (Command.NOTIFY_MODEM_STATE, 0, 0),
)


async def test_what_the_driver_lacks_is_answered_all_the_same(tmp_path: Path) -> None:
    with Pty(tmp_path / "port") as pty:
        async with serving(pty.path) as server, connected(server) as client:
            for command, value, answer in REFUSED_BY_A_PTY:
                assert (command, value, await client.ask(command, value)) == (command, value, answer)


async def test_messages_without_a_value_ask_and_nonsense_is_left_out() -> None:
    async with bench() as (server, device), connected(server) as client:
        await client.write(b"\xff\xfa\x2c\x01\x00\xff\xf0")  # a baud rate that is cut short
        assert await client.next(RATE) == 115200
        await client.write(b"\xff\xfa\x2c\xff\xf0\xff\xfa\x2c\x63\xff\xf0\xff\xfa\x18\x01\xff\xf0\xff\xfa\xff\xf0")
        await client.say(CONTROL, 99)
        await client.send(b"x")
        assert await received(device, 1) == b"x"
        assert await client.ask(SIZE) == 8
        assert client.messages == []


async def test_an_order_waits_for_the_data_before_it_and_overtakes_what_is_stuck() -> None:
    async with bench() as (server, device), connected(server) as client:
        sent = await fill(client)
        assert await client.ask(RATE, 9600) == 9600
        assert len(await received(device, sent)) == sent
        await client.until(lambda peer: peer.has(Command.RESUME))


async def test_our_own_client_is_served_as_on_a_local_port() -> None:
    port, device = serial_port_pair()
    async with port, device, serving(port) as server, open_serial_port(server.urls[0], baudrate=9600) as remote:
        assert port.config.baudrate == remote.actual_baudrate == 9600
        await remote.configure(remote.config.with_changes(byte_size=7, parity="even"))
        assert (port.config.byte_size.value, port.config.parity.value) == ("7", "even")
        await remote.send(bytes(range(256)))
        assert await received(device, 256) == bytes(range(256))
        await remote.set_control_lines(rts=True, dtr=False)
        assert (await device.modem_lines()).cts
        await device.set_control_lines(rts=True)
        with anyio.fail_after(PATIENCE):
            while not (await remote.modem_lines()).cts:
                await remote.wait_modem_change()


# Lines


async def test_changes_of_the_modem_lines_are_pushed_as_the_mask_says() -> None:
    async with bench() as (server, device), connected(server) as client:
        assert await client.next(Command.NOTIFY_MODEM_STATE) == 0
        await device.set_control_lines(rts=True)
        assert await client.next(Command.NOTIFY_MODEM_STATE) == ModemState.CTS | ModemState.CTS_CHANGED
        await device.set_control_lines(rts=False)
        assert await client.next(Command.NOTIFY_MODEM_STATE) == ModemState.CTS_CHANGED
        assert await client.ask(Command.MODEM_STATE_MASK, ModemState.CD | ModemState.CD_CHANGED) == 0x88
        assert await client.next(Command.NOTIFY_MODEM_STATE) == 0
        await device.set_control_lines(rts=True, dtr=True)
        assert await client.next(Command.NOTIFY_MODEM_STATE) == ModemState.CD | ModemState.CD_CHANGED


async def test_line_errors_are_pushed_and_the_bytes_stay() -> None:
    port, device = serial_port_pair()
    async with port, device, serving(port) as server, connected(server) as client:
        mask = LineState.FRAMING | LineState.PARITY | LineState.BREAK
        await client.ask(PARITY, 3)
        await client.ask(Command.LINE_STATE_MASK, mask)
        faults_of(port).parity_errors = 1
        await device.send(b"A")
        assert await client.next(Command.NOTIFY_LINE_STATE) == LineState.FRAMING | LineState.PARITY
        await device.send(b"B")
        assert (await client.read(2))[1:] == b"B"
        await client.ask(Command.LINE_STATE_MASK, 0)
        assert port.config.line_errors == "ignore"


async def test_a_client_is_told_that_everything_was_sent() -> None:
    async with bench() as (server, device), connected(server) as client:
        await client.ask(Command.LINE_STATE_MASK, LineState.SHIFT_REGISTER_EMPTY)
        await client.send(b"x")
        assert await client.next(Command.NOTIFY_LINE_STATE) == LineState.SHIFT_REGISTER_EMPTY
        assert await received(device, 1) == b"x"


async def test_a_break_ends_with_its_client() -> None:
    near, far = MockBackend.pair()
    port, device = await open_serial_port("/dev/a", backend=near), await open_serial_port("/dev/b", backend=far)
    async with port, device, serving(port) as server:
        async with connected(server) as client:
            await client.write(b"\xff\xf3")  # telnet's own, of a person at a keyboard
            await eventually(lambda: near.break_asserted)
            await eventually(lambda: not near.break_asserted)
            assert await client.ask(CONTROL, Control.BREAK_ON) == Control.BREAK_ON
            assert near.break_asserted
        await eventually(lambda: server.client is None)
        await eventually(lambda: not near.break_asserted)


# Flow


async def test_a_suspended_client_gets_nothing_until_it_resumes() -> None:
    async with bench() as (server, device), connected(server) as client:
        await client.say(Command.SUSPEND)
        await client.ask(RATE)
        await device.send(b"later")
        assert await client.ask(SIZE) == 8
        assert client.data == b""
        await client.say(Command.RESUME)
        assert await client.read(5) == b"later"


async def test_a_purge_discards_what_is_on_its_way_to_the_port() -> None:
    async with bench() as (server, device), connected(server) as client:
        await fill(client)
        taken = server.statistics.bytes_to_port
        assert await client.ask(Command.PURGE, Purge.TO_SEND) == Purge.TO_SEND
        await client.send(b"end")
        data = b""
        with anyio.fail_after(PATIENCE):
            while not data.endswith(b"end"):
                data += await device.receive()
        assert len(data) - 3 - taken in range(PIECE)  # less than one piece: its beginning had been taken


async def test_a_purge_discards_what_is_on_its_way_to_the_client() -> None:
    port, device = serial_port_pair()
    async with port, device, serving(port) as server, connected(server) as client:
        await client.say(Command.SUSPEND)
        await client.ask(SIZE)
        await device.send(b"old")
        await eventually(lambda: port.statistics.bytes_received == 3)
        assert await client.ask(Command.PURGE, Purge.RECEIVED) == Purge.RECEIVED
        await client.say(Command.RESUME)
        await device.send(b"new")
        assert await client.read(3) == b"new"


async def test_what_a_client_sends_is_held_up_to_a_limit() -> None:
    async with (
        bench(rfc2217=None, tcp=0) as (server, _),
        await anyio.connect_tcp("127.0.0.1", port_of(server, "tcp")) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.send, bytes(20_000_000))
        taken = 0
        while not taken or taken != server.statistics.bytes_to_port:  # until nothing moves any more
            taken = server.statistics.bytes_to_port
            await anyio.sleep(0.1)
        assert server._link is not None
        assert HIGH < server._link._outbox.size < LIMIT + READ
        tasks.cancel_scope.cancel()


async def test_a_client_that_does_not_read_stops_the_reading_of_the_port() -> None:
    whole = os.urandom(1_500_000)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    for one in listener.listeners:  # what it accepts has buffers of this size as well
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            one.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, option, 65536)
    async with (
        bench(rfc2217=listener) as (server, device),
        connected(server) as client,
        anyio.create_task_group() as tasks,
    ):
        client.stream.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        is_sent = anyio.Event()

        async def flood() -> None:
            await device.send(whole)
            is_sent.set()

        tasks.start_soon(flood)
        told = -1
        while told != server.statistics.bytes_to_clients:  # until nothing moves any more
            told = server.statistics.bytes_to_clients
            await anyio.sleep(0.1)
        assert not is_sent.is_set()
        # It can still send.
        await client.send(b"go on")
        assert await received(device, 5) == b"go on"
        assert await client.read(len(whole)) == whole


async def test_the_signature_is_exchanged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "anyserial.network")
    async with bench() as (server, _):
        async with connected(server) as client:
            await client.say(Command.SIGNATURE, b"evil\x1b[2J")
            assert str(await client.ask(Command.SIGNATURE, b"")).startswith("b'anyserial ")
        await eventually(lambda: "the client has left" in caplog.text)
        assert r"(evil\x1b[2J) is gone" in caplog.text


# Who has the port


async def test_a_second_client_is_refused_politely() -> None:
    async with bench(tcp=0) as (server, device), connected(server) as client:
        async with connected(server, agrees=False) as second:
            await second.send(b"unread when it is refused")  # which must not reset the connection
            await second.end()
            assert not second.was_reset
            assert second.data == b"anyserial: another client has the port\r\n"
        async with await anyio.connect_tcp("127.0.0.1", port_of(server, "tcp")) as raw:
            with anyio.fail_after(PATIENCE), pytest.raises(anyio.EndOfStream):
                await raw.receive()
        await device.send(b"still yours")
        assert await client.read(11) == b"still yours"
        assert (server.statistics.clients_served, server.statistics.clients_refused) == (1, 2)


async def test_many_clients_are_refused_and_leave_nothing() -> None:
    async with bench() as (server, device), connected(server) as client:

        async def refused() -> None:
            async with connected(server, agrees=False) as other:
                await other.end()
                assert other.data.startswith(b"anyserial: another client")

        async with anyio.create_task_group() as tasks:
            for _ in range(CLIENTS):
                tasks.start_soon(refused)
        assert server.statistics.clients_refused == CLIENTS
        await device.send(b"still yours")
        assert await client.read(11) == b"still yours"


async def test_a_new_client_takes_over() -> None:
    async with bench(take_over=True) as (server, device), connected(server) as first:
        async with connected(server) as second:
            await first.end()
            await second.send(b"mine")
            assert await received(device, 4) == b"mine"
            assert server.client is not None
        assert (server.statistics.clients_served, server.statistics.clients_refused) == (2, 0)


@pytest.mark.parametrize("take_over", [False, True])
async def test_a_client_waits_for_what_the_one_before_has_left(take_over: bool) -> None:
    port, device = serial_port_pair(config_a=SerialConfig(close_timeout=0.6))
    async with port, device, serving(port, take_over=take_over) as server, connected(server) as first:
        await fill(first)
        if take_over:  # the newest gets the port
            async with connected(server, agrees=False) as second, connected(server) as third:
                await second.end()
                assert await third.ask(SIZE) == 8
        else:
            await first.stream.aclose()
            async with connected(server) as second:
                assert await second.ask(SIZE) == 8


async def test_a_client_may_come_as_soon_as_the_one_before_has_left() -> None:
    async with bench() as (server, device):
        for number in range(4):
            async with connected(server) as client:
                await client.send(b"%d" % number)
        assert await received(device, 4) == b"0123"


async def test_the_server_lets_go_of_a_client() -> None:
    async with bench() as (server, _), connected(server) as client:
        assert repr(server) == f"<anyserial.network.PortServer of /dev/mockA: RFC 2217 on 127.0.0.1:{_number(server)}>"
        server.end_client()
        await client.end()
        await eventually(lambda: server.client is None)
        server.end_client()


def _number(server: PortServer) -> int:
    return port_of(server)


async def test_a_client_without_anything_to_say_is_let_go() -> None:
    async with bench(idle_timeout=0.05) as (server, _), connected(server, agrees=False) as client:
        await client.end()
        await eventually(lambda: server.client is None)


# How clients end


async def test_what_was_sent_before_the_end_reaches_the_device() -> None:
    async with bench() as (server, device), connected(server) as client:
        await client.send(b"x" * 100_000)
        await client.stream.send_eof()
        assert await received(device, 100_000) == b"x" * 100_000
        await client.end()


async def test_a_client_that_resets_its_connection_makes_room(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "anyserial.network")
    async with bench() as (server, _):
        async with connected(server) as client:
            raw = client.stream.extra(SocketAttribute.raw_socket)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await eventually(lambda: server.client is None)
        async with connected(server) as client:
            assert await client.ask(SIZE) == 8


async def test_garbage_harms_nobody() -> None:
    async with bench() as (server, device):

        async def swallow() -> None:
            while True:
                await device.receive()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(swallow)
            for _ in range(2):
                async with connected(server, agrees=False) as client:
                    for _ in range(20):
                        await client.write(os.urandom(5000) + bytes((255, 250, 44)) * 100)
                        with anyio.move_on_after(0):
                            await client.hear()
                await eventually(lambda: server.client is None)
            tasks.cancel_scope.cancel()
        async with connected(server) as client:
            assert await client.ask(RATE)


@asynccontextmanager
async def slow_link(server: PortServer) -> AsyncGenerator[Peer]:
    """Connect to *server* over a link that takes `DELAY` in each direction."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")

    async def carry(source: SocketStream, target: SocketStream) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                data = await source.receive(1000)
                await anyio.sleep(DELAY)
                await target.send(data)
        await target.aclose()

    async def relay(near: SocketStream) -> None:
        async with (
            near,
            await anyio.connect_tcp("127.0.0.1", port_of(server)) as far,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(carry, near, far)
            tasks.start_soon(carry, far, near)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, relay)
        address: Any = listener.extra(SocketAttribute.local_address)
        async with await anyio.connect_tcp(*address[:2]) as stream:
            peer = Peer(stream)
            await peer.agree()
            yield peer
        tasks.cancel_scope.cancel()


async def test_a_slow_link_changes_nothing() -> None:
    async with bench() as (server, device), slow_link(server) as client:
        assert await client.ask(RATE, 9600) == 9600
        whole = bytes(range(256)) * 20
        await client.send(whole)
        assert await received(device, len(whole)) == whole
        await device.send(whole)
        assert await client.read(len(whole)) == whole


# The port


async def test_a_port_is_opened_for_each_client_with_the_servers_settings(tmp_path: Path) -> None:
    with Pty(tmp_path / "port") as pty:
        async with serving(pty.path, baudrate=9600) as server:
            for _ in range(2):
                assert server.port is None
                async with connected(server) as client:
                    assert await client.ask(RATE) == 9600
                    assert await client.ask(RATE, 19200) == 19200
                    assert server.port is not None
                await eventually(lambda: server.port is None)
            async with open_serial_port(pty.path, exclusive=True):
                pass
    # The device has gone meanwhile; the next client is told.


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize(
    ("path", "reason"),
    [("/dev/null", "serial port"), ("/dev/nowhere", "there is no serial port at this path")],
)
async def test_what_is_no_port_is_not_served(path: str, reason: str, hold: bool) -> None:
    with pytest.raises(SerialError, match=reason):
        await serve(path, rfc2217=("127.0.0.1", 0), hold=hold)


async def test_a_port_that_cannot_be_opened_is_told_to_the_client(tmp_path: Path) -> None:
    async with serving(tmp_path / "none", wait=True) as server, connected(server, agrees=False) as client:
        await client.end()
        assert b"there is no serial port at this path" in client.data


async def test_a_held_port_keeps_its_settings_unless_told(tmp_path: Path) -> None:
    for resets, rate in ((False, 9600), (True, 115200)):
        with Pty(tmp_path / "port") as pty:
            async with serving(pty.path, hold=True, reset_on_connect=resets) as server:
                port = server.port
                async with connected(server) as client:
                    await client.ask(RATE, 9600)
                await eventually(lambda: server.client is None)
                async with connected(server) as client:
                    assert await client.ask(RATE) == rate
                    assert server.port is port


@pytest.mark.parametrize("hold", [False, True])
async def test_an_unplugged_port_ends_its_client_and_comes_back(tmp_path: Path, hold: bool) -> None:
    with Pty(tmp_path / "port") as pty:
        async with serving(pty.path, hold=hold) as server:
            async with connected(server) as client:
                os.write(pty.master, b"last words")
                assert await client.read(10) == b"last words"
                pty.unplug()
                await client.end()
            async with connected(server, agrees=False) as client:
                await client.end()
                assert client.data.startswith(b"anyserial: ")
            pty.plug()
            if hold:
                await eventually(lambda: server.port is not None)
            async with connected(server) as client:
                await client.send(b"back")
                assert await pty.read(4) == b"back"


async def test_a_held_port_that_nobody_uses_is_opened_again(tmp_path: Path) -> None:
    with Pty(tmp_path / "port") as pty:
        async with serving(pty.path, hold=True) as server:
            first = server.port
            assert first is not None
            pty.unplug()
            await eventually(lambda: server.port is None)
            pty.plug()
            await eventually(lambda: server.port is not None)
            assert server.port is not first


async def test_cancellation_lets_output_leave_and_closes_the_port(tmp_path: Path) -> None:
    with Pty(tmp_path / "port") as pty:
        async with serving(pty.path) as server:
            client = Peer(await anyio.connect_tcp("127.0.0.1", port_of(server)))
            await client.agree()
            await client.send(b"x" * 3000)
            await client.ask(RATE)
            port = server.port
            assert port is not None
        assert not port.is_open
        assert await pty.read(3000) == b"x" * 3000
        await client.end()
        await client.stream.aclose()


async def test_output_that_is_stuck_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with Pty(tmp_path / "port") as pty:
        with anyio.fail_after(PATIENCE):
            async with serving(pty.path, close_timeout=0.1) as server, connected(server) as client:
                await client.send(b"x" * 100_000)
                await client.until(lambda peer: peer.has(Command.SUSPEND))


async def test_a_lent_port_ends_the_server_with_it() -> None:
    async def hang_up(port: SerialPort) -> None:
        faults_of(port).disconnected = True

    for end, error in ((hang_up, SerialDisconnectedError), (SerialPort.aclose, SerialClosedError)):
        port, device = serial_port_pair()
        ended = anyio.Event()

        async def serve_it(
            port: SerialPort = port,
            error: type[Exception] = error,
            ended: anyio.Event = ended,
            *,
            task_status: TaskStatus[PortServer],
        ) -> None:
            with pytest.raises(error):
                await serve(port, 0, task_status=task_status)
            ended.set()

        async with port, device, anyio.create_task_group() as tasks:
            server: PortServer = await tasks.start(serve_it)
            async with connected(server) as client:
                await end(port)
                await client.end()
            with anyio.fail_after(PATIENCE):
                await ended.wait()


# Arguments


BAD_ARGUMENTS: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({}, ValueError, "somewhere to listen"),
    ({"rfc2217": "2217"}, TypeError, "rfc2217 must be a port number"),
    ({"rfc2217": True}, TypeError, "rfc2217 must be a port number"),
    ({"tcp": 65536}, ValueError, "tcp must be an integer from 0 to 65535"),
    ({"tcp": ("localhost",)}, TypeError, "tcp must be a port number"),
    ({"tcp": 0, "hold": 1}, TypeError, "hold must be True or False"),
    ({"tcp": 0, "idle_timeout": 0}, ValueError, "idle_timeout"),
    ({"tcp": 0, "baudrate": 0}, ValueError, "baudrate"),
    ({"tcp": 0}, PortNotFoundError, "there is no serial port"),
    ({"tcp": 0, "hold": True}, PortNotFoundError, "there is no serial port"),
    ({"tcp": ("203.0.113.1", 0), "wait": True}, OSError, "no such address"),
)


async def test_wrong_arguments_are_refused() -> None:
    for options, error, text in BAD_ARGUMENTS:
        with pytest.raises(error, match=text):
            await serve("/dev/ttyNONE", **options)


async def test_an_open_port_takes_no_settings() -> None:
    port, device = serial_port_pair()
    async with port, device:
        with pytest.raises(TypeError, match="has its settings already"):
            await serve(port, 0, baudrate=9600)


async def test_an_address_in_use_is_named() -> None:
    async with bench() as (server, _):
        number = _number(server)
        port, device = serial_port_pair()
        async with port, device:
            with pytest.raises(OSError, match="another program listens there already") as caught:
                await serve(port, 0, number)
        assert (caught.value.errno, caught.value.filename) == (errno.EADDRINUSE, f"127.0.0.1:{number}")


async def test_a_listener_of_the_callers_own_is_served(tmp_path: Path) -> None:
    listener = await anyio.create_unix_listener(tmp_path / "socket")
    async with bench(rfc2217=listener) as (server, device):
        assert server.urls == ()
        assert repr(server) == f"<anyserial.network.PortServer of /dev/mockA: RFC 2217 on {tmp_path / 'socket'}>"
        async with await anyio.connect_unix(tmp_path / "socket") as stream:
            await stream.send(b"by a path")
            assert await received(device, 9) == b"by a path"
            assert server.client == "a local client"
        await eventually(lambda: server.client is None)
