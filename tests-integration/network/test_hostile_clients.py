"""Clients that mean harm: the server survives each, serves the next one, and holds no more than before.

Each attack is repeated until what a client leaves behind would show in the memory of the process. That takes minutes,
so all of this runs with ANYSERIAL_STRESS=full only, in a step of the gate.
"""

import gc
import os
import resource
import socket
import struct
import tty
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from anyserial import SerialPort
from anyserial._network.com_port import Command, Control, encode
from anyserial._network.telnet import COM_PORT, subnegotiation
from anyserial.network import PortServer, serve
from anyserial.testing import serial_port_pair
from network_peer import PATIENCE, connected, port_of

FULL = os.environ.get("ANYSERIAL_STRESS") == "full"
pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not FULL, reason="takes minutes: ANYSERIAL_STRESS=full")]

ROUNDS = 4
CROWD = 1000  # more than may wait; each has two descriptors in this process
MORE_MEMORY = 4 << 20  # bytes that the process may have grown by
IAC, SB, SE, WILL, WONT, DO, DONT = 255, 250, 240, 251, 252, 253, 254
WANTED = bytes((IAC, WILL, COM_PORT))


def descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def has_at_most(count: int) -> bool:
    return descriptors() <= count


def memory() -> int:
    """Return the resident memory of this process, in bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def setting(command: Command, value: int) -> bytes:
    return subnegotiation(COM_PORT, encode(command, value))


async def reset(stream: SocketStream) -> None:
    """End a connection without a goodbye."""
    stream.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()


async def push(stream: SocketStream, data: bytes, times: int = 1) -> None:
    """Send until the server has had enough, or takes nothing more for a moment."""
    with suppress(anyio.BrokenResourceError), anyio.move_on_after(0.2):
        for _ in range(times):
            await stream.send(data)


# What a client does after it has connected. Then the test resets the connection.


async def say_nothing(_stream: SocketStream) -> None:
    await anyio.sleep(0.05)


async def leave_at_once(_stream: SocketStream) -> None:
    await anyio.lowlevel.checkpoint()


async def flood(stream: SocketStream) -> None:
    await push(stream, os.urandom(65536), 64)


async def close_half(stream: SocketStream) -> None:
    await push(stream, WANTED + b"last words")
    await stream.send_eof()


async def send_single_bytes(stream: SocketStream) -> None:
    for byte in WANTED + setting(Command.BAUDRATE, 9600) + b"x" + setting(Command.CONTROL, Control.DTR_ON):
        await push(stream, bytes((byte,)))


async def begin_a_message_and_never_end_it(stream: SocketStream) -> None:
    await push(stream, WANTED + bytes((IAC, SB, COM_PORT)))
    await push(stream, bytes(65536), 64)


async def loop_options(stream: SocketStream) -> None:
    whole = b"".join(bytes((IAC, verb, option)) for option in range(255) for verb in (WILL, WONT, DO, DONT))
    await push(stream, whole, 50)


async def leave_within_a_setting(stream: SocketStream) -> None:
    await push(stream, WANTED + setting(Command.BAUDRATE, 9600)[:5])


async def leave_before_the_answer(stream: SocketStream) -> None:
    await push(stream, WANTED + setting(Command.BAUDRATE, 9600) * 50 + setting(Command.CONTROL, Control.BREAK_ON))


async def order_without_reading(stream: SocketStream) -> None:
    await push(stream, WANTED + setting(Command.BAUDRATE, 0) * 10_000, 50)


async def suspend_forever(stream: SocketStream) -> None:
    await push(stream, WANTED + setting(Command.SUSPEND, 0) + b"x" * 1000)


async def purge_without_end(stream: SocketStream) -> None:
    await push(stream, WANTED + setting(Command.PURGE, 3) * 1000)


ATTACKS: tuple[Callable[[SocketStream], Awaitable[None]], ...] = (
    say_nothing,
    leave_at_once,
    flood,
    close_half,
    send_single_bytes,
    begin_a_message_and_never_end_it,
    loop_options,
    leave_within_a_setting,
    leave_before_the_answer,
    order_without_reading,
    suspend_forever,
    purge_without_end,
)


@asynccontextmanager
async def bench(**options: Any) -> AsyncGenerator[tuple[PortServer, SerialPort]]:
    """A server on one end of a cable, and the device at the other end, which sends and swallows without end."""
    port, device = serial_port_pair()
    async with port, device, anyio.create_task_group() as tasks:
        yield await tasks.start(partial(serve, port, 0, **options)), device
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def busy(device: SerialPort) -> AsyncGenerator[None]:
    """Let the device send and swallow all the time."""

    async def send() -> None:
        while True:
            await device.send(bytes(range(256)) * 16)
            await anyio.lowlevel.checkpoint()

    async def swallow() -> None:
        while True:
            await device.receive()
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        tasks.start_soon(swallow)
        yield
        tasks.cancel_scope.cancel()


def has_ended(one: socket.socket) -> bool:
    """Read what has come, and return whether the server has closed the connection."""
    try:
        while one.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


async def until(condition: Callable[[], object]) -> None:
    """Wait for what the server reports to nobody."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110  # as above
            await anyio.sleep(0.002)


async def attack(server: PortServer, act: Callable[[SocketStream], Awaitable[None]]) -> None:
    stream = await anyio.connect_tcp("127.0.0.1", port_of(server))
    with anyio.fail_after(PATIENCE):
        await act(stream)
        await reset(stream)
    await until(lambda: server.client is None and not server._waiting)


async def is_served(server: PortServer) -> None:
    async with connected(server) as client:
        rate = await client.ask(Command.BAUDRATE)
        assert rate in {9600, 115200}
        assert await client.ask(Command.CONTROL, Control.ASK_BREAK) == Control.BREAK_OFF
    await until(lambda: server.client is None and not server._waiting)


async def test_no_attack_leaves_anything() -> None:
    async with bench() as (server, device), busy(device):
        for act in ATTACKS:
            before = 0, 0
            for _ in range(2):  # the first half makes what is kept, such as caches
                before = descriptors(), memory()
                for _ in range(ROUNDS):
                    await attack(server, act)
                await is_served(server)
            await until(partial(has_at_most, before[0]))
            more = memory() - before[1]
            assert more < MORE_MEMORY, (act.__name__, more)


async def test_a_crowd_is_turned_away_and_the_client_notices_nothing(many_descriptors: None) -> None:
    async with bench() as (server, device), connected(server) as client:
        before = descriptors(), memory()
        crowd = [socket.create_connection(("127.0.0.1", port_of(server))) for _ in range(CROWD)]
        # They say nothing and do not leave: none may stay longer than the server has patience.
        for one in crowd:
            one.setblocking(False)
            await until(partial(has_ended, one))
            one.close()
        await until(lambda: server._waiting == 1)
        assert server.statistics.clients_refused == CROWD
        await device.send(b"still yours")
        assert await client.read(11) == b"still yours"
        await until(lambda: descriptors() <= before[0])
        assert memory() - before[1] < 2 * MORE_MEMORY


async def test_of_many_that_take_over_at_once_one_has_the_port() -> None:
    async with bench(take_over=True) as (server, device):
        await is_served(server)
        before = descriptors()
        has_ended: list[bool] = []
        winner = anyio.Event()

        async def take() -> None:
            async with await anyio.connect_tcp("127.0.0.1", port_of(server)) as stream:
                with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                    while b"only you" not in await stream.receive():
                        pass
                    winner.set()
                    return
                has_ended.append(True)

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(take)
                await until(lambda: len(has_ended) == 19)
                await device.send(b"only you")
                await winner.wait()
        await until(lambda: server.client is None and descriptors() <= before)
        await is_served(server)


async def test_a_client_that_leaves_while_the_device_is_unplugged_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "port"
    ends: list[int] = []

    def plug() -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        path.symlink_to(os.ttyname(slave))
        ends[:] = master, slave

    def unplug() -> None:
        path.unlink()
        for end in ends:
            os.close(end)

    plug()
    async with anyio.create_task_group() as tasks:
        server: PortServer = await tasks.start(partial(serve, path, 0))
        await is_served(server)
        before = descriptors()
        for number in range(4):
            client = await anyio.connect_tcp("127.0.0.1", port_of(server))
            await client.send(WANTED + setting(Command.CONTROL, Control.BREAK_ON) + b"x" * 5000)
            await until(lambda: server.client is not None)
            for act in (unplug, partial(reset, client))[:: 1 if number % 2 else -1]:
                if (waiting := act()) is not None:
                    await waiting
            await until(lambda: server.client is None and not server._waiting and server.port is None)
            await until(lambda: descriptors() <= before - 2)  # without the pty's own
            plug()
            await is_served(server)
        tasks.cancel_scope.cancel()
    unplug()


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Let the process have as many descriptors as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * CROWD + 100:
        pytest.skip(f"this process may have {hard} descriptors, and the test needs {2 * CROWD + 100}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * CROWD + 100), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
