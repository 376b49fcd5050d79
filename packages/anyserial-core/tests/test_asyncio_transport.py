"""The asyncio transport: reading, writing, pausing, protocols and what they raise."""

import asyncio
import os
import subprocess
import sys
import threading
from typing import Any

import anyio
import pytest
import uvloop
from anyio import wait_all_tasks_blocked
from anyserial import SerialConfig, UnsupportedAsyncBackendError
from anyserial.asyncio import (
    SerialTransport,
    TransportSerial,
    connection_for_serial,
    create_serial_connection,
    open_serial_connection,
)
from anyserial.exceptions import SerialClosedError, SerialDisconnectedError
from backends import Far, OwnBackend, PtyBackend, until
from event_loops import NoReaderLoop
from protocols import Notes, connect, reports

pytestmark = pytest.mark.anyio
WATCHING = [
    pytest.param(("asyncio", {"loop_factory": asyncio.SelectorEventLoop}), id="asyncio"),
    pytest.param(("asyncio", {"loop_factory": uvloop.new_event_loop}), id="uvloop"),
]
LOOPS = [*WATCHING, pytest.param(("asyncio", {"loop_factory": NoReaderLoop}), id="portable")]
MUCH = bytes(range(256)) * 1200  # far more than a pty holds


everywhere = pytest.mark.parametrize("anyio_backend", LOOPS, indirect=True)


@pytest.fixture(params=WATCHING)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


async def in_thread(function: Any, *arguments: Any) -> Any:
    return await asyncio.to_thread(function, *arguments)


async def watch(number: int) -> None:
    await anyio.wait_readable(number)


async def shut(transport: SerialTransport, protocol: Notes) -> None:
    transport.abort()
    assert await protocol.lost() is None


# Reading and writing


@everywhere
async def test_a_conversation(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await connect(far.path, backend, baudrate=4800)
    assert protocol.events == ["made"]
    assert protocol.transport is transport
    transport.write(b"question")
    assert await in_thread(far.read, 8) == b"question"
    far.write(b"answer")
    await protocol.until(lambda: protocol.data == b"answer")
    assert transport.get_extra_info("statistics").bytes_sent == 8
    assert transport.get_extra_info("statistics").bytes_received == 6
    assert backend.config is not None
    assert backend.config.baudrate == 4800
    transport.close()
    assert transport.is_closing()
    assert await protocol.lost() is None
    assert not backend.is_open


async def test_a_program_that_watches_the_descriptor_of_a_transport(far: Far, backend: PtyBackend) -> None:
    """Neither takes the other's place, before and after a pause of reading."""
    transport, protocol = await connect(far.path, backend)
    number = await in_thread(transport.serial.fileno)
    assert number == backend.fileno()
    for count in (1, 2, 3):
        if protocol_sees_nothing := count == 2:
            transport.pause_reading()
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch, number)
                await wait_all_tasks_blocked()
                far.write(b"x")
        if protocol_sees_nothing:
            transport.resume_reading()
        await protocol.until(lambda count=count: protocol.data == b"x" * count)
    transport.write(MUCH)
    assert await in_thread(far.read, len(MUCH)) == MUCH
    await shut(transport, protocol)


async def test_what_is_known_about_a_port(far: Far) -> None:
    transport, protocol = await connect(far.path)
    serial = transport.serial
    assert isinstance(serial, TransportSerial)
    assert transport.get_extra_info("serial") is serial
    assert transport.get_extra_info("path") == serial.port == serial.name == far.path
    assert transport.get_extra_info("config") == serial.config
    assert transport.get_extra_info("actual_baudrate") == 9600
    assert transport.get_extra_info("capabilities").platform == "test"
    assert transport.get_extra_info("port_info", "unknown") == "unknown"
    assert transport.get_extra_info("peername") is None
    assert transport.loop is asyncio.get_running_loop()
    assert transport.get_protocol() is protocol
    assert repr(transport) == f"<anyserial.asyncio.SerialTransport {far.path!r}, open, 0 bytes held>"
    await shut(transport, protocol)
    assert "closed" in repr(transport)
    assert "closed" in repr(serial)


@everywhere
async def test_a_flood_holds_up_nobody_and_loses_nothing(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = 0
    reads: list[int] = []  # at which turn each was made
    note = Notes.data_received

    def data_received(self: Notes, data: bytes) -> None:
        reads.append(turns)
        note(self, data)

    monkeypatch.setattr(Notes, "data_received", data_received)
    transport, protocol = await connect(far.path)

    def turn() -> None:
        nonlocal turns
        turns += 1
        if len(protocol.data) < len(MUCH):
            transport.loop.call_soon(turn)

    flood = threading.Thread(target=os.write, args=(far.master, MUCH))
    turn()
    flood.start()
    await protocol.until(lambda: len(protocol.data) == len(MUCH))
    flood.join()
    assert protocol.data == MUCH
    assert len(reads) > 1
    assert len(set(reads)) == len(reads)  # one read between two turns, and no more
    await shut(transport, protocol)


@everywhere
async def test_pausing_leaves_the_bytes_to_the_driver(far: Far) -> None:
    transport, protocol = await connect(far.path)
    far.write(b"a")
    await protocol.until(lambda: protocol.data == b"a")
    transport.pause_reading()
    transport.pause_reading()
    assert not transport.is_reading()
    assert "paused" in repr(transport)
    far.write(b"bc")
    await wait_all_tasks_blocked()
    assert protocol.data == b"a"
    transport.resume_reading()
    transport.resume_reading()
    assert transport.is_reading()
    await protocol.until(lambda: protocol.data == b"abc")
    await shut(transport, protocol)
    transport.pause_reading()
    transport.resume_reading()
    assert not transport.is_reading()


class PausesFirst(Notes):
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.pause_reading()


async def test_a_protocol_can_pause_before_it_gets_anything(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await create_serial_connection(None, PausesFirst, far.path, backend=backend)
    far.write(b"x")
    await wait_all_tasks_blocked()
    assert protocol.data == b""
    transport.resume_reading()
    await protocol.until(lambda: protocol.data == b"x")
    await shut(transport, protocol)


@everywhere
async def test_stuck_output_is_held_and_the_protocol_told(far: Far) -> None:
    transport, protocol = await connect(far.path)
    assert transport.get_write_buffer_limits() == (16384, 65536)
    transport.write(MUCH[:1000])
    transport.writelines([bytearray(MUCH[1000:2000]), memoryview(MUCH)[2000:]])
    held = transport.get_write_buffer_size()
    assert held > 65536
    assert protocol.events == ["made", "pause"]
    transport.write(b"the end")
    assert transport.get_write_buffer_size() == held + 7
    got = await in_thread(far.read, len(MUCH) + 7)
    assert got == MUCH + b"the end"
    await protocol.until(lambda: protocol.events[1:] == ["pause", "resume"])
    await until(lambda: transport.get_write_buffer_size() == 0)
    transport.write(b"more")
    assert await in_thread(far.read, 4) == b"more"
    assert transport.get_extra_info("statistics").bytes_sent == len(MUCH) + 11
    await shut(transport, protocol)


async def test_what_is_written_may_change_afterwards(far: Far) -> None:
    transport, protocol = await connect(far.path)
    data = bytearray(MUCH)
    transport.write(data)
    data[:] = bytes(len(data))
    assert await in_thread(far.read, len(MUCH)) == MUCH
    await shut(transport, protocol)


@pytest.mark.parametrize(
    ("limits", "effective"),
    [
        ({}, (16384, 65536)),
        ({"high": 100}, (25, 100)),
        ({"low": 100}, (100, 400)),
        ({"high": 100, "low": 100}, (100, 100)),
        ({"high": 0}, (0, 0)),
    ],
)
async def test_the_limits_of_the_output(far: Far, limits: dict[str, int], effective: tuple[int, int]) -> None:
    transport, protocol = await connect(far.path)
    transport.set_write_buffer_limits(**limits)
    assert transport.get_write_buffer_limits() == effective
    await shut(transport, protocol)


async def test_limits_that_make_no_sense(far: Far) -> None:
    transport, protocol = await connect(far.path)
    for limits in ({"high": 1, "low": 2}, {"high": 1, "low": -1}):
        with pytest.raises(ValueError, match=f"high={limits['high']}, low={limits['low']}"):
            transport.set_write_buffer_limits(**limits)
    assert transport.get_write_buffer_limits() == (16384, 65536)
    await shut(transport, protocol)


async def test_limits_take_effect_at_once(far: Far) -> None:
    transport, protocol = await connect(far.path)
    transport.write(MUCH[:40000])
    assert protocol.events == ["made"]
    transport.set_write_buffer_limits(high=1000)
    assert protocol.events == ["made", "pause"]
    transport.flush()
    assert transport.get_write_buffer_size() == 0
    assert protocol.events == ["made", "pause", "resume"]
    await shut(transport, protocol)


async def test_a_serial_line_has_no_end_of_file(far: Far) -> None:
    transport, protocol = await connect(far.path)
    assert not transport.can_write_eof()
    with pytest.raises(NotImplementedError):
        transport.write_eof()
    await shut(transport, protocol)


@pytest.mark.parametrize("data", ["text", 5, None, [1]])
async def test_what_is_no_buffer_is_refused(far: Far, data: Any) -> None:
    transport, protocol = await connect(far.path)
    with pytest.raises(TypeError, match="buffer"):
        transport.write(data)
    with pytest.raises(TypeError, match="buffer"):
        transport.writelines([data])
    await shut(transport, protocol)


# Protocols


class Buffered(asyncio.BufferedProtocol):
    """Offers four bytes at a time."""

    def __init__(self) -> None:
        self.buffer = bytearray(4)
        self.data = b""
        self.error: list[Exception | None] = []

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data += self.buffer[:nbytes]

    def connection_lost(self, exc: Exception | None) -> None:
        self.error.append(exc)


async def test_a_buffered_protocol(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await create_serial_connection(None, Buffered, far.path, backend=backend)
    far.write(b"0123456789")
    await until(lambda: protocol.data == b"0123456789")
    found = reports()
    protocol.buffer = bytearray()
    far.write(b"x")
    await until(lambda: protocol.error)
    assert "empty buffer" in str(protocol.error[0])
    assert [report["protocol"] for report in found] == [protocol]
    assert transport.is_closing()


async def test_another_protocol_takes_over(far: Far) -> None:
    transport, first = await connect(far.path)
    far.write(b"1")
    await first.until(lambda: first.data == b"1")
    second = Notes()
    transport.set_protocol(second)
    assert transport.get_protocol() is second
    far.write(b"2")
    await second.until(lambda: second.data == b"2")
    third = Buffered()
    transport.set_protocol(third)
    far.write(b"3")
    await until(lambda: third.data == b"3")
    transport.set_protocol(second)
    await shut(transport, second)
    assert first.data == b"1"
    assert first.losses == []


class Broken(Notes):
    """Raises in the callback of that name."""

    def __init__(self, name: str, error: BaseException) -> None:
        super().__init__()
        self.error = error

        def fail(*arguments: Any) -> None:
            getattr(Notes, name)(self, *arguments)
            raise self.error

        setattr(self, name, fail)


@everywhere
@pytest.mark.parametrize("error", [ZeroDivisionError("x"), OSError(5, "x")])
async def test_an_error_in_data_received_ends_the_connection(far: Far, backend: PtyBackend, error: Exception) -> None:
    found = reports()
    transport, protocol = await create_serial_connection(
        None, lambda: Broken("data_received", error), far.path, backend=backend
    )
    far.write(b"x")
    assert await protocol.lost() is error
    assert protocol.data == b"x"
    expected = [] if isinstance(error, OSError) else [(error, transport, protocol)]  # as asyncio's own transports
    assert [(report["exception"], report["transport"], report["protocol"]) for report in found] == expected
    assert not backend.is_open


async def test_errors_in_other_callbacks_are_reported_and_end_nothing(far: Far) -> None:
    found = reports()
    error = ZeroDivisionError()
    for name in ("connection_made", "pause_writing", "resume_writing"):
        transport, protocol = await create_serial_connection(
            None,
            lambda name=name: Broken(name, error),  # type: ignore[misc]
            far.path,
            backend=PtyBackend(),
        )
        transport.write(MUCH)
        assert await in_thread(far.read, len(MUCH)) == MUCH
        await protocol.until(lambda protocol=protocol: protocol.events == ["made", "pause", "resume"])
        far.write(b"x")
        await protocol.until(lambda protocol=protocol: protocol.data == b"x")
        assert [report["exception"] for report in found] == [error], name
        found.clear()
        await shut(transport, protocol)


async def test_an_error_in_connection_lost_is_reported_and_the_port_is_closed(far: Far, backend: PtyBackend) -> None:
    found = reports()
    error = ZeroDivisionError()
    transport, protocol = await create_serial_connection(
        None, lambda: Broken("connection_lost", error), far.path, backend=backend
    )
    transport.close()
    assert await protocol.lost() is None
    assert [report["exception"] for report in found] == [error]
    assert not backend.is_open


# Streams


@everywhere
async def test_streams(far: Far, backend: PtyBackend) -> None:
    reader, writer = await open_serial_connection(url=far.path, baudrate=19200, backend=backend, limit=64)
    assert isinstance(writer.transport, SerialTransport)
    writer.write(MUCH)
    draining = asyncio.create_task(writer.drain())
    assert await in_thread(far.read, len(MUCH)) == MUCH
    await asyncio.wait_for(draining, 5)
    far.write(b"line 1\nline 2\n" + b"x" * 1000)  # more than the limit, so the reader pauses the transport
    assert await reader.readline() == b"line 1\n"
    assert await reader.readline() == b"line 2\n"
    assert await reader.readexactly(1000) == b"x" * 1000
    writer.close()
    await asyncio.wait_for(writer.wait_closed(), 5)
    assert await reader.read() == b""
    assert not backend.is_open


async def test_streams_of_a_device_that_is_unplugged(far: Far, backend: PtyBackend) -> None:
    reader, writer = await open_serial_connection(url=far.path, backend=backend)
    reading = asyncio.create_task(reader.readline())
    await wait_all_tasks_blocked()
    far.hang_up()
    with pytest.raises(SerialDisconnectedError):
        await asyncio.wait_for(reading, 5)
    with pytest.raises(SerialDisconnectedError):
        await writer.wait_closed()


# Opening


async def test_a_port_that_is_open_already(far: Far, backend: PtyBackend) -> None:
    config = SerialConfig(baudrate=4800)
    backend.open(far.path, config)
    serial = TransportSerial(backend, config)
    transport, protocol = await connection_for_serial(asyncio.get_running_loop(), Notes, serial)
    assert transport.serial is serial
    far.write(b"x")
    await protocol.until(lambda: protocol.data == b"x")
    await shut(transport, protocol)
    with pytest.raises(SerialClosedError, match=far.path):
        await connection_for_serial(None, Notes, serial)


@pytest.mark.parametrize("serial", [None, "/dev/ttyS0", object()])
async def test_what_is_no_port(serial: Any) -> None:
    with pytest.raises(TypeError, match="create_serial_connection"):
        await connection_for_serial(None, Notes, serial)


async def test_the_event_loop_must_be_the_running_one(far: Far) -> None:
    other = asyncio.SelectorEventLoop()
    try:
        for call in (
            create_serial_connection(other, Notes, far.path),
            connection_for_serial(other, Notes, None),
            open_serial_connection(loop=other, url=far.path),
        ):
            with pytest.raises(ValueError, match="running event loop"):
                await call
    finally:
        other.close()


def test_trio_is_refused() -> None:
    async def main() -> None:
        await open_serial_connection(url="/dev/null")

    with pytest.raises(UnsupportedAsyncBackendError, match="open_serial_port"):
        anyio.run(main, backend="trio")


@pytest.mark.parametrize("how", ["native", "scope"])
async def test_a_cancelled_connection_leaves_nothing_open(far: Far, how: str) -> None:
    backend = PtyBackend()
    entered, go_on = threading.Event(), threading.Event()

    def stall() -> None:
        entered.set()
        go_on.wait(5)

    backend.hooks["open"] = stall
    factory: list[Notes] = []

    def make() -> Notes:
        factory.append(Notes())
        return factory[-1]

    scope = anyio.CancelScope()

    async def open_it() -> None:
        with scope:
            await create_serial_connection(None, make, far.path, backend=backend)

    task = asyncio.create_task(open_it())
    await until(entered.is_set)
    if how == "native":
        task.cancel()
    else:
        scope.cancel()
    asyncio.get_running_loop().call_later(0.01, go_on.set)
    await asyncio.wait((task,), timeout=5)
    assert task.done()
    assert factory == []
    assert backend.names().count("close") == 1
    assert not backend.is_open


async def test_the_protocol_is_connected_after_the_call(far: Far, backend: PtyBackend) -> None:
    """Programs that run the call by itself, and the event loop afterwards, count on it."""
    transport, protocol = await create_serial_connection(None, Notes, far.path, backend=backend)
    assert protocol.events == []
    transport.write(b"x")
    assert await in_thread(far.read, 1) == b"x"
    await protocol.until(lambda: protocol.events)  # the thread may end before the event loop's next round
    assert protocol.events == ["made"]
    await shut(transport, protocol)


async def test_a_transport_that_is_closed_before_it_has_begun(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await create_serial_connection(None, Notes, far.path, backend=backend)
    transport.close()
    assert await protocol.lost() is None
    assert protocol.events == ["made", ("lost", None)]
    assert not backend.is_open


@pytest.mark.parametrize("kind", [PtyBackend, OwnBackend])
async def test_a_factory_that_raises_leaves_nothing_open(far: Far, kind: Any) -> None:
    backend = kind()

    def make() -> Notes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await create_serial_connection(None, make, far.path, backend=backend)
    assert not backend.is_open


async def test_opening_does_not_hold_up_the_event_loop(far: Far, backend: PtyBackend) -> None:
    go_on = threading.Event()
    backend.hooks["open"] = lambda: go_on.wait(5)
    task = asyncio.create_task(connect(far.path, backend))
    await until(lambda: "open" in backend.names())
    await asyncio.sleep(0)  # the event loop runs
    assert not task.done()
    go_on.set()
    transport, protocol = await task
    await shut(transport, protocol)
    here = threading.get_ident()
    assert not {thread for name, thread in backend.calls if name in ("open", "close")} & {here}


PROGRAM = """
import sys, asyncio
import anyserial
assert "anyserial.asyncio" not in sys.modules and "anyserial._asyncio" not in sys.modules
assert anyserial.asyncio.open_serial_connection
assert sys.modules["asyncio"] is asyncio is not anyserial.asyncio
assert asyncio.Protocol.__module__ == "asyncio.protocols"
assert "asyncio" in dir(anyserial)
"""


def test_the_module_is_loaded_when_it_is_asked_for_and_hides_nothing() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
