"""Raw TCP: a port that is a connection, on every runtime."""

import asyncio
import errno
import gc
import os
import socket
import struct
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyserial import (
    Capability,
    ConfigurationError,
    FlowControl,
    LineErrors,
    PortInfo,
    PortNotFoundError,
    RS485Config,
    SerialClosedError,
    SerialConfig,
    SerialConnectable,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    UnsupportedFeatureError,
    open_serial_port,
)
from anyserial._network import connecting
from anyserial._network.address import RFC2217_OPTIONS, TCP_OPTIONS, parse
from anyserial._network.inbox import Inbox
from anyserial._network.session import Session
from servers import PATIENCE

# Every coroutine test runs on each runtime.
pytestmark = pytest.mark.anyio


class Listener:
    """A listening socket whose one client the test is."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.create_server((host, 0), family=family)
        self.port: int = self.socket.getsockname()[1]
        self.url = f"tcp://[{host}]:{self.port}" if ":" in host else f"tcp://{host}:{self.port}"
        self.client: socket.socket | None = None

    def accept(self) -> socket.socket:
        self.client, _ = self.socket.accept()
        self.client.settimeout(PATIENCE)
        return self.client

    def close(self) -> None:
        self.socket.close()
        if self.client is not None:
            self.client.close()


@pytest.fixture
def listener() -> Any:
    server = Listener()
    yield server
    server.close()


@pytest.mark.parametrize("scheme", ["tcp", "socket", "TCP"])
async def test_bytes_go_both_ways(listener: Listener, scheme: str) -> None:
    url = listener.url.replace("tcp", scheme, 1)
    async with open_serial_port(url) as port:
        far = listener.accept()
        assert (port.path, port.is_open, port.actual_baudrate) == (url, True, None)
        assert port.port_info == PortInfo(
            device=url, name=f"127.0.0.1:{listener.port}", description="raw TCP connection", transport="network"
        )
        await port.send(bytes(range(256)))
        assert far.recv(1000) == bytes(range(256))
        far.sendall(b"\xff\xfe and back")
        assert await port.receive(2) == b"\xff\xfe"
        assert port.input_waiting() == 9
        assert await port.receive() == b" and back"
        await port.drain()
        await port.drain_exact()
        assert port.output_waiting() == 0
        assert far.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0  # the client's side has it
    assert far.recv(1) == b""


async def test_the_socket_is_set_up_for_messages_and_dead_peers() -> None:
    with socket.socket() as sock:
        connecting.tuned(sock)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not sock.getblocking()


async def test_ipv6() -> None:
    try:
        server = Listener("::1")
    except OSError:
        pytest.skip("this system has no IPv6")
    try:
        async with await SerialConnectable(path=server.url).connect() as port:
            server.accept().sendall(b"six")
            assert await port.receive() == b"six"
    finally:
        server.close()


# Errors of the open


async def test_nothing_listens(listener: Listener) -> None:
    listener.close()
    with pytest.raises(PortNotFoundError, match=f"nothing listens at 127.0.0.1:{listener.port}") as caught:
        await open_serial_port(listener.url)
    assert (caught.value.errno, caught.value.filename) == (errno.ECONNREFUSED, listener.url)


async def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_args: object, **_named: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(anyio, "getaddrinfo", fail)
    with pytest.raises(PortNotFoundError, match="host name 'no-such-host' cannot be resolved"):
        await open_serial_port("tcp://no-such-host:2217")


async def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def attempt(*_args: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr(connecting, "_attempt", attempt)
    with pytest.raises(SerialError, match=r"did not answer within 0\.01 s") as caught:
        await open_serial_port("tcp://192.0.2.1:2217?connect_timeout=0.01")
    assert caught.value.errno == errno.ETIMEDOUT


async def test_the_addresses_of_a_name_are_tried_one_after_the_other(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(*_args: object, **_named: object) -> Any:
        stream = socket.SOCK_STREAM
        return [
            (socket.AF_INET, stream, 6, "", ("127.0.0.1", 1)),
            (socket.AF_INET, stream, 6, "", ("127.0.0.1", listener.port)),
        ]

    monkeypatch.setattr(anyio, "getaddrinfo", resolve)
    async with open_serial_port(f"tcp://gateway:{listener.port}") as port:
        listener.accept().sendall(b"x")
        assert await port.receive() == b"x"

    async def resolve_badly(*_args: object, **_named: object) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))] * 2

    monkeypatch.setattr(anyio, "getaddrinfo", resolve_badly)
    with pytest.raises(PortNotFoundError):
        await open_serial_port("tcp://gateway:1")


async def test_an_address_that_refuses_says_more_than_one_without_a_route(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_args: object, **_named: object) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 1)) for host in ("192.0.2.1", "127.0.0.1")]

    async def attempt(_family: int, where: tuple[object, ...]) -> None:
        number = errno.ENETUNREACH if where[0] == "192.0.2.1" else errno.ECONNREFUSED
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(anyio, "getaddrinfo", resolve)
    monkeypatch.setattr(connecting, "_attempt", attempt)
    with pytest.raises(PortNotFoundError, match="nothing listens at gateway:1"):
        await open_serial_port("tcp://gateway:1")


async def test_what_is_wrong_with_the_zone_of_an_address_is_said() -> None:
    with pytest.raises(SerialError, match="is there a network interface 'nowhere'"):
        await open_serial_port("tcp://[fe80::1%nowhere]:2217")
    try:
        socket.socket(socket.AF_INET6).close()
    except OSError:
        pytest.skip("this system has no IPv6")
    with pytest.raises(SerialError, match=r"a link-local address needs its network interface, as in \[fe80::1%eth0\]"):
        await open_serial_port("tcp://[fe80::1]:2217")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("tcp://", "names no host"),
        ("tcp://:2217", "names no host"),
        ("tcp://host", "names no TCP port"),
        ("tcp://host:0", "a TCP port is a number from 1 to 65535, and '0' is none"),
        ("tcp://host:70000", "'70000' is none"),
        ("tcp://host:x", "'x' is none"),
        ("tcp://host:-1", "'-1' is none"),
        ("tcp://host:1_000", "'1_000' is none"),
        ("tcp://host:\uff15", "is none"),
        (f"tcp://host:{'9' * 5000}", "is none"),
        ("tcp://host: 5", "a space or a character that cannot be printed"),
        ("tcp://host\t:5", "a space or a character that cannot be printed"),
        ("tcp://host:5\n", "a space or a character that cannot be printed"),
        ("tcp://h\x1b[2J:5", "a space or a character that cannot be printed"),
        ("tcp://a\0b:5", "a space or a character that cannot be printed"),
        ("tcp://\udcff:5", "a space or a character that cannot be printed"),
        ("tcp://h%6Fst:5", "a host name is written without %"),
        ("tcp://fe80::1%eth0:5", "an IPv6 address is written in brackets"),
        ("tcp://::1:5", "an IPv6 address is written in brackets"),
        ("tcp://[fe80::1%]:5", "does not appear to be"),
        ("tcp://[1.2.3.4]:5", "IPv4 address cannot be in brackets"),
        ("tcp://[v1.abc]:5", "brackets are for IPv6 addresses"),
        ("tcp://[::1:2217", "Invalid IPv6"),
        ("tcp://host:1?connect_timeout=1&connect_timeout=2", "the option connect_timeout twice"),
        ("tcp://me:se/cret@host:1", "user name or a password"),
        ("tcp://me:se?cret@host:1", "user name or a password"),
        ("tcp://me:se#cret@host:1", "user name or a password"),
        ("tcp://host:1/path", "options are written as"),
        ("tcp://host:1#f", "options are written as"),
        ("tcp://me:secret@host:1", "user name or a password"),
        ("tcp://host:1?speed=9", "unknown option 'speed'; known are connect_timeout, logging"),
        ("tcp://host:1?connect_timeout=soon", "option connect_timeout must be a number of seconds"),
        ("tcp://host:1?connect_timeout=0", "option connect_timeout must be"),
        ("rfc2217://host:1?poll_modem=1", "option poll_modem must be written without a value"),
    ],
)
def test_a_url_that_is_wrong_says_what_is_wrong(url: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        parse(url, TCP_OPTIONS if url.startswith("tcp") else RFC2217_OPTIONS)
    assert not any(part in str(caught.value) for part in ("secret", "'se'", "cret@"))


def test_a_url_that_is_right() -> None:
    assert parse("tcp://[fe80::1]:5?logging=debug", TCP_OPTIONS)[1:3] == ("fe80::1", 5)
    for zone in ("%eth0", "%25eth0"):  # as everybody writes it, and as RFC 6874 has it
        assert parse(f"tcp://[fe80::1{zone}]:00005/", TCP_OPTIONS)[1:3] == ("fe80::1%eth0", 5)
    assert parse("tcp://b\u00fccher.example:5", TCP_OPTIONS).host == "b\u00fccher.example"
    options = parse("rfc2217://h:5?timeout=2.5&poll_modem&ign_set_control", RFC2217_OPTIONS).options
    assert options == {"timeout": 2.5, "poll_modem": True, "ign_set_control": True}
    assert str(parse("tcp://[::1]:5", TCP_OPTIONS)) == "[::1]:5"


# What a stream of bytes does not have


REFUSED: list[dict[str, Any]] = [
    {"baudrate": 9600},
    {"byte_size": 7},
    {"parity": "even"},
    {"stop_bits": 2},
    {"flow_control": FlowControl(rts_cts=True)},
    {"exclusive": True},
    {"rs485": RS485Config()},
    {"dtr_on_open": False},
    {"rts_on_open": True},
    {"line_errors": LineErrors.RAISE},
]


async def test_settings_are_refused_by_name(listener: Listener) -> None:
    async with open_serial_port(listener.url) as port:
        for fields in REFUSED:
            (name,) = fields
            with pytest.raises(UnsupportedFeatureError, match=f"a raw TCP connection has no {name}="):
                await port.configure(SerialConfig(**fields))
            with pytest.warns(RuntimeWarning, match=f"{name}=.*; going on without"):
                await port.configure(SerialConfig(**fields, unsupported_policy="warn"))
            await port.configure(SerialConfig(**fields, unsupported_policy="ignore"))
            assert port.config == SerialConfig(**fields, unsupported_policy="ignore")
        await port.configure(SerialConfig())


async def test_settings_are_refused_when_a_port_is_opened(listener: Listener) -> None:
    with pytest.raises(UnsupportedFeatureError, match="a raw TCP connection has no baudrate=9600, parity=even"):
        await open_serial_port(listener.url, baudrate=9600, parity="even")
    async with open_serial_port(listener.url, baudrate=9600, unsupported_policy="ignore") as port:
        assert port.actual_baudrate is None


async def test_an_unknown_scheme_names_those_that_are_known() -> None:
    with pytest.raises(ConfigurationError, match=r"tcp://, socket://, rfc2217://"):
        await open_serial_port("telnet://host:1")


CALLS: dict[str, Callable[[SerialPort], Any]] = {
    "modem lines": lambda port: port.modem_lines(),
    "control lines": lambda port: port.control_lines(),
    "line counters": lambda port: port.line_counters(),
}


async def test_lines_and_breaks_are_refused_by_name(listener: Listener) -> None:
    async with open_serial_port(listener.url) as port:
        assert port.capabilities.modem_lines == port.capabilities.break_signal == Capability.UNSUPPORTED
        for name, call in CALLS.items():
            with pytest.raises(UnsupportedFeatureError, match=f"no {name}"):
                await call(port)
        with pytest.raises(UnsupportedFeatureError, match="no break"):
            await port.send_break(0)
        with pytest.raises(UnsupportedFeatureError, match="no control lines"):
            await port.set_control_lines(rts=True)
        with pytest.raises(UnsupportedFeatureError, match="no modem lines"):
            await port.wait_modem_change()
        await port.reset_output_buffer()


# The end of the peer


async def test_a_peer_that_closes_is_a_disconnect_after_its_last_byte(listener: Listener) -> None:
    async with open_serial_port(listener.url) as port:
        far = listener.accept()
        far.sendall(b"last")
        far.shutdown(socket.SHUT_WR)
        assert await port.receive() == b"last"
        with pytest.raises(SerialDisconnectedError, match=f"127.0.0.1:{listener.port} closed the connection") as caught:
            await port.receive()
        assert caught.value.filename == listener.url
        assert not port.is_open
        with pytest.raises(SerialDisconnectedError):
            await port.send(b"x")


async def test_what_came_before_a_reset_is_received_although_a_send_notices_it_first(listener: Listener) -> None:
    port = await open_serial_port(listener.url)
    peer = listener.accept()
    whole = bytes(range(256)) * 400
    async with port:
        peer.sendall(whole)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        with anyio.fail_after(PATIENCE), suppress(SerialDisconnectedError):
            while True:
                await port.send(b"x")
        got = bytearray()
        with anyio.fail_after(PATIENCE), suppress(SerialDisconnectedError):
            while True:
                got += await port.receive(1000)
        assert got == whole[: len(got)]
        assert len(got) > 30_000, "what the system held is lost"


async def test_a_peer_that_resets_wakes_a_parked_receive(listener: Listener) -> None:
    async with open_serial_port(listener.url) as port:
        far = listener.accept()

        async def receive() -> None:
            with pytest.raises(SerialDisconnectedError, match=r"broke \(connection reset by peer\)"):
                await port.receive()

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(receive)
                await wait_all_tasks_blocked()
                far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                far.close()


async def test_an_idle_port_notices_at_the_next_call(listener: Listener) -> None:
    async with open_serial_port(listener.url) as port:
        listener.accept().close()

        async def use() -> None:
            while True:
                port.output_waiting()
                await anyio.sleep(0.001)

        with anyio.fail_after(PATIENCE), pytest.raises(SerialDisconnectedError):
            await use()


# The end of the port


async def test_closing_wakes_a_parked_receive_and_a_parked_send(listener: Listener) -> None:
    port = await open_serial_port(listener.url, close_timeout=0)
    far = listener.accept()

    async def receive() -> None:
        with pytest.raises(SerialClosedError):
            await port.receive()

    async def send() -> None:
        with pytest.raises(SerialClosedError):
            await port.send(bytes(1 << 26))

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            tasks.start_soon(send)
            await anyio.sleep(0.05)
            await wait_all_tasks_blocked()
            await port.aclose()
    with pytest.raises(SerialClosedError):
        await port.receive()
    assert far.fileno() >= 0


def read_all(far: socket.socket) -> None:
    while far.recv(1 << 20):
        pass


async def test_a_close_does_not_outlast_its_timeout(listener: Listener) -> None:
    port = await open_serial_port(listener.url, close_timeout=0.05)
    far = listener.accept()
    with anyio.move_on_after(0.1):
        await port.send(bytes(1 << 26))
    assert port.output_waiting() > 0
    begun = anyio.current_time()
    await port.aclose()
    assert 0.04 < anyio.current_time() - begun < 1
    with pytest.raises(ConnectionResetError):  # discarded, and not left to the kernel for minutes
        read_all(far)


async def test_a_cancelled_send_is_accounted_for(listener: Listener) -> None:
    async with open_serial_port(listener.url, close_timeout=0) as port:
        far = listener.accept()
        with anyio.move_on_after(0.05):
            await port.send(bytes(1 << 26))
        sent = port.statistics.bytes_sent
        got = 0
        while got < sent:
            got += len(far.recv(1 << 20))
        await port.send(b"end")
        assert got + len(far.recv(10)) == port.statistics.bytes_sent


async def test_cancelled_receives_lose_nothing(listener: Listener) -> None:
    async with open_serial_port(listener.url) as port:
        far = listener.accept()
        found = bytearray()
        for number in range(60):
            far.send(bytes((number,)))
            async with anyio.create_task_group() as tasks:

                async def receive() -> None:
                    found.extend(await port.receive())

                tasks.start_soon(receive)
                for _ in range(number % 6):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        with anyio.fail_after(PATIENCE):
            while len(found) < 60:
                found += await port.receive()
        assert found == bytes(range(60))


async def test_input_can_be_discarded(listener: Listener) -> None:
    async with open_serial_port(listener.url) as port:
        far = listener.accept()
        far.sendall(b"old")
        assert await port.receive(1) == b"o"
        await port.reset_input_buffer()
        far.sendall(b"new")
        assert await port.receive() == b"new"


async def test_a_cancelled_open_leaves_nothing_open(listener: Listener) -> None:
    for steps in range(12):
        async with anyio.create_task_group() as tasks:

            async def opening() -> None:
                port = await open_serial_port(listener.url)
                await port.aclose()

            tasks.start_soon(opening)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()


async def test_a_flood_holds_up_the_peer_and_not_the_memory(listener: Listener) -> None:
    async with open_serial_port(listener.url, close_timeout=0) as port:
        far = listener.accept()
        far.setblocking(False)
        full_looks = 0
        while full_looks < 3:
            try:
                far.send(bytes(1 << 18))
                full_looks = 0
            except BlockingIOError:
                full_looks += 1
            assert port.input_waiting() < 1 << 21
        with anyio.fail_after(PATIENCE):
            assert await port.receive() == bytes(65536)


async def test_what_takes_long_to_parse_does_not_hold_up_the_event_loop(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = 0

    def put(_inbox: Inbox, _data: bytes) -> None:
        nonlocal parsed
        parsed += 1
        time.sleep(0.02)  # as long as a message of a hostile peer may take

    monkeypatch.setattr(Inbox, "put", put)
    async with open_serial_port(listener.url, close_timeout=0) as port:
        far = listener.accept()

        def flood() -> None:
            with suppress(OSError):
                while True:
                    far.sendall(bytes(1 << 16))

        thread = threading.Thread(target=flood)
        thread.start()
        with anyio.fail_after(PATIENCE):
            while not parsed:  # until the flood has begun
                await port.reset_input_buffer()
        assert parsed <= 6
    thread.join(PATIENCE)


async def test_a_peer_that_never_falls_silent_cannot_keep_a_receive_from_being_cancelled(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()

    def talk() -> None:
        far = listener.accept()
        with suppress(OSError):
            for _ in range(200):  # an end, for a client that does not notice the cancellation
                if done.is_set():
                    return
                far.sendall(b"\xff\xf1" * 30_000)  # NOP, which is no data
            far.sendall(b"at last")

    def feed(session: Session, data: bytes) -> None:
        # While what came is parsed, before the task is woken for it: AnyIO then finds the task woken at each attempt.
        if not scope.cancel_called:
            try:
                asyncio.get_running_loop().call_soon(scope.cancel)
            except RuntimeError:
                scope.cancel()
        parse(session, data)

    parse = Session.feed
    talking = threading.Thread(target=talk)
    talking.start()
    try:
        async with open_serial_port(listener.url.replace("tcp", "rfc2217") + "?timeout=0.05") as port:
            with anyio.CancelScope() as scope:
                monkeypatch.setattr(Session, "feed", feed)
                await port.receive()
            assert scope.cancelled_caught
    finally:
        done.set()
        talking.join()


@pytest.mark.parametrize("how", ["ends", "resets"])
async def test_a_port_whose_peer_has_gone_needs_no_collector(listener: Listener, how: str) -> None:
    async def use() -> "weakref.ref[SerialPort]":
        port = await open_serial_port(listener.url)
        far = listener.accept()
        if how == "resets":
            far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        far.close()
        for call in (port.receive, lambda: port.send(b"x")):
            with pytest.raises(SerialDisconnectedError):
                await call()
        await port.aclose()
        return weakref.ref(port)

    gc.disable()
    try:
        seen = await use()
        with anyio.fail_after(PATIENCE):
            while seen() is not None:  # noqa: ASYNC110  # a worker may have it for a moment
                await anyio.sleep(0.001)
    finally:
        gc.enable()
