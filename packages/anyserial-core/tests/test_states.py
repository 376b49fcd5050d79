"""Open, disconnected, closed: a device that goes, and what is left of it."""

import asyncio
import errno
import gc
import os
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.streams.file import FileStreamAttribute
from anyserial import PortInfo, SerialConfig, SerialPort, SerialStreamAttribute, open_serial_port
from anyserial.exceptions import SerialClosedError, SerialDisconnectedError, SerialError
from backends import CAPABILITIES, Far, PtyBackend, until
from event_loops import only_on

pytestmark = pytest.mark.anyio
reads_in_callback = only_on("asyncio", "uvloop")  # the others do not read in the event loop's callback

CALLS: dict[str, Callable[[SerialPort], Any]] = {
    "receive": lambda port: port.receive(),
    "receive_into": lambda port: port.receive_into(bytearray(4)),
    "receive_available": lambda port: port.receive_available(),
    "send": lambda port: port.send(b"x"),
    "send_buffer": lambda port: port.send_buffer(bytearray(b"x")),
    "send_eof": lambda port: port.send_eof(),
    "configure": lambda port: port.configure(port.config),
    "reset_input_buffer": lambda port: port.reset_input_buffer(),
    "reset_output_buffer": lambda port: port.reset_output_buffer(),
    "drain": lambda port: port.drain(),
    "drain_exact": lambda port: port.drain_exact(),
    "send_break": lambda port: port.send_break(0),
    "set_break": lambda port: port.set_break(True),
    "modem_lines": lambda port: port.modem_lines(),
    "control_lines": lambda port: port.control_lines(),
    "set_control_lines": lambda port: port.set_control_lines(rts=True),
    "wait_modem_change": lambda port: port.wait_modem_change(),
    "modem_changes": lambda port: anext(port.modem_changes()),
    "line_counters": lambda port: port.line_counters(),
}
WAITING: dict[str, Callable[[SerialPort], Any]] = {
    "receive": lambda port: port.receive(),
    "receive_into": lambda port: port.receive_into(bytearray(4)),
    "send": lambda port: port.send(bytes(300_000)),
    "drain": lambda port: port.drain(),
    "drain_exact": lambda port: port.drain_exact(),
    "send_break": lambda port: port.send_break(60),
    "wait_modem_change": lambda port: port.wait_modem_change(),
}


async def _closed(backend: PtyBackend) -> None:
    await until(lambda: not backend.is_open)


@pytest.mark.parametrize("name", CALLS)
async def test_every_call_notices_a_hang_up(far: Far, backend: PtyBackend, name: str) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        far.hang_up()
        for _ in range(2):
            with anyio.fail_after(5), pytest.raises(SerialDisconnectedError) as caught:
                await CALLS[name](port)
            assert isinstance(caught.value, anyio.BrokenResourceError)
            assert caught.value.filename == far.path
            assert caught.value.errno is not None
            assert not port.is_open
        for other in ("receive", "send", "configure", "modem_lines"):
            with pytest.raises(SerialDisconnectedError):
                await CALLS[other](port)
        await _closed(backend)
    with pytest.raises(SerialClosedError):
        await CALLS[name](port)
    assert backend.names().count("close") == 1


@pytest.mark.parametrize("name", ["receive", "send", "drain", "configure", "modem_changes"])
async def test_a_port_that_was_unplugged_and_closed_needs_no_collector(far: Far, name: str) -> None:
    async def use() -> "weakref.ref[SerialPort]":
        port = await open_serial_port(far.path, backend=PtyBackend())
        far.hang_up()
        with pytest.raises(SerialDisconnectedError):
            await CALLS[name](port)
        with pytest.raises(SerialDisconnectedError):
            await port.receive()
        await port.aclose()
        return weakref.ref(port)

    gc.disable()
    try:
        seen = await use()
        await until(lambda: seen() is None)  # a worker may have it for a moment
    finally:
        gc.enable()


@pytest.mark.parametrize("query", ["input_waiting", "output_waiting"])
async def test_the_plain_calls_notice_a_hang_up(far: Far, backend: PtyBackend, query: str) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        far.hang_up()
        for _ in range(2):
            with pytest.raises(SerialDisconnectedError):
                getattr(port, query)()
        assert not port.is_open
        await _closed(backend)


@pytest.mark.parametrize("name", WAITING)
async def test_a_hang_up_ends_whatever_waits(far: Far, backend: PtyBackend, name: str) -> None:
    if name in ("drain", "drain_exact"):
        backend.queued = 1000
    async with await open_serial_port(far.path, SerialConfig(baudrate=50), backend=backend) as port:

        async def wait() -> None:
            with pytest.raises(SerialDisconnectedError):
                await WAITING[name](port)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await wait_all_tasks_blocked()
                backend.queued = None if name == "send_break" else backend.queued
                far.hang_up()
        assert not port.is_open
        await _closed(backend)


async def test_one_task_s_discovery_wakes_the_others(far: Far, backend: PtyBackend) -> None:
    """A call in a thread finds out; whoever else waits hears the same, with its cause."""

    def gone() -> None:
        raise SerialDisconnectedError(errno.ENODEV, "pulled out", far.path)

    backend.queued = 1000
    async with await open_serial_port(far.path, SerialConfig(baudrate=50, close_timeout=0), backend=backend) as port:
        outcomes: list[SerialDisconnectedError] = []

        async def wait(name: str) -> None:
            with pytest.raises(SerialDisconnectedError) as caught:
                await WAITING[name](port)
            outcomes.append(caught.value)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                for name in ("receive", "drain", "wait_modem_change"):
                    group.start_soon(wait, name)
                await wait_all_tasks_blocked()
                backend.hooks["control_lines"] = gone
                with pytest.raises(SerialDisconnectedError, match="pulled out"):
                    await port.control_lines()
        assert len(outcomes) == 3
        assert any("pulled out" in str(outcome.__cause__) for outcome in outcomes)


async def test_what_stays_readable(far: Far, backend: PtyBackend) -> None:
    config = SerialConfig(baudrate=4800)
    async with await open_serial_port(far.path, config, backend=backend) as port:
        far.hang_up()
        with pytest.raises(SerialDisconnectedError):
            await port.receive()
        assert port.path == far.path
        assert port.config == config
        assert port.capabilities == CAPABILITIES
        assert port.statistics.bytes_received == 0
        assert FileStreamAttribute.fileno not in port.extra_attributes
        assert port.extra(SerialStreamAttribute.config) == config
        assert str(port.extra(FileStreamAttribute.path)) == far.path


async def test_an_io_error_alone_is_no_disconnect(far: Far, backend: PtyBackend) -> None:
    """EIO may be a failed USB transfer: the port stays open."""

    def fail() -> None:
        raise SerialError(errno.EIO, "a transfer failed", far.path)

    async with await open_serial_port(far.path, backend=backend) as port:
        for name, call in (
            ("read", port.receive),
            ("write", lambda: port.send(b"x")),
            ("modem_lines", port.modem_lines),
        ):
            backend.hooks[name] = fail
            far.write(b"data")
            with pytest.raises(SerialError, match="a transfer failed") as caught:
                await call()
            assert not isinstance(caught.value, SerialDisconnectedError)
            assert port.is_open
            backend.hooks.clear()
            assert await port.receive() == b"data"
        await port.send(b"usable")
        assert far.read(6) == b"usable"


async def test_an_io_error_wakes_the_receiver_and_the_sender(far: Far, backend: PtyBackend) -> None:
    def fail() -> None:
        raise SerialError(errno.EIO, "a transfer failed", far.path)

    async with await open_serial_port(far.path, SerialConfig(close_timeout=0), backend=backend) as port:
        errors: list[SerialError] = []

        async def expect(call: Callable[[SerialPort], Any]) -> None:
            with pytest.raises(SerialError, match="a transfer failed") as caught:
                await call(port)
            errors.append(caught.value)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(expect, WAITING["receive"])
                group.start_soon(expect, WAITING["send"])
                await wait_all_tasks_blocked()
                backend.hooks["read"] = backend.hooks["write"] = fail
                far.write(b"x")
                os.set_blocking(far.master, False)
                # A pty has room again only once enough of it was read.
                while len(errors) < 2:
                    with suppress(BlockingIOError):
                        os.read(far.master, 65536)
                    await anyio.sleep(0.001)
        assert len(errors) == 2
        backend.hooks.clear()
        assert await port.receive() == b"x"


async def _calls_while_asleep(seconds: float) -> int:
    """How many Python functions are called while the event loop's only task sleeps.

    Each turn of a loop in Python is several, each callback of uvloop's is one: a descriptor that stays
    ready and registered makes thousands.
    """
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    await anyio.sleep(seconds)
    sys.setprofile(None)
    return calls


async def test_the_process_stays_idle_after_a_hang_up(far: Far, backend: PtyBackend) -> None:
    # What a sleep takes by itself: hundreds of calls where asyncio debugs (-X dev), some without.
    quiet = await _calls_while_asleep(0.2)
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.move_on_after(0.01):
            await port.receive()
        far.hang_up()
        with anyio.fail_after(5):
            await wait_all_tasks_blocked()
        before = len(backend.calls)
        assert await _calls_while_asleep(0.2) < 2 * quiet + 200
        assert len(backend.calls) - before < 10
        with pytest.raises(SerialDisconnectedError):
            await port.receive()


@only_on("asyncio", "uvloop")  # the others keep no registration between receives
async def test_an_idle_port_that_was_read_from_notices_by_itself(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.move_on_after(0.01):
            await port.receive()
        far.hang_up()
        await until(lambda: not port.is_open)
        await _closed(backend)


async def test_an_idle_port_with_data_stays_open(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.move_on_after(0.01):
            await port.receive()
        far.write(b"waiting")
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert port.is_open
        assert await port.receive() == b"waiting"


async def _carry(port: SerialPort, far: Far, backend: PtyBackend, data: bytes) -> None:
    """Have *data* read for a task that is cancelled before it wakes."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(port.receive())
    await wait_all_tasks_blocked()
    backend.hooks["read"] = lambda: loop.call_soon(task.cancel)
    far.write(data)
    with anyio.fail_after(5), pytest.raises(asyncio.CancelledError):
        await task
    backend.hooks.clear()


@reads_in_callback
@pytest.mark.parametrize("noticed_by", ["receive", "send", "input_waiting", "output_waiting", "itself"])
async def test_bytes_come_before_the_disconnect(far: Far, backend: PtyBackend, noticed_by: str) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        await _carry(port, far, backend, b"last words")
        far.hang_up()
        if noticed_by == "itself":
            await until(lambda: not port.is_open)
        elif noticed_by == "send":
            with pytest.raises(SerialDisconnectedError):
                await port.send(b"x")
        elif noticed_by == "output_waiting":
            with pytest.raises(SerialDisconnectedError):
                port.output_waiting()
        elif noticed_by == "input_waiting":
            assert port.input_waiting() == 10
        assert port.input_waiting() == 10
        assert await port.receive(4) == b"last"
        buffer = bytearray(3)
        assert await port.receive_into(buffer) == 3
        assert buffer == b" wo"
        assert await port.receive_available() == b"rds"
        for _ in range(2):
            with pytest.raises(SerialDisconnectedError):
                await port.receive()
            with pytest.raises(SerialDisconnectedError):
                port.input_waiting()


@reads_in_callback
async def test_closing_forgets_what_was_carried(far: Far, backend: PtyBackend) -> None:
    port = await open_serial_port(far.path, backend=backend)
    await _carry(port, far, backend, b"gone")
    await port.aclose()
    with pytest.raises(SerialClosedError):
        await port.receive()
    with pytest.raises(SerialClosedError):
        port.input_waiting()


@reads_in_callback
async def test_a_hang_up_seen_for_a_cancelled_task_is_noticed(far: Far, backend: PtyBackend) -> None:
    """The cancellation stays one, and the port knows nevertheless."""
    async with await open_serial_port(far.path, backend=backend) as port:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(port.receive())
        await wait_all_tasks_blocked()
        backend.hooks["read"] = lambda: loop.call_soon(task.cancel)
        far.hang_up()
        with anyio.fail_after(5), pytest.raises(asyncio.CancelledError):
            await task
        assert not port.is_open
        with pytest.raises(SerialDisconnectedError):
            await port.receive()


async def test_an_unread_rest_comes_before_the_disconnect(backend: PtyBackend, far: Far) -> None:
    """Where the kernel keeps the bytes beyond the hang-up, as for a socket."""
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.move_on_after(0.01):
            await port.receive()
        hung_up = backend.hung_up
        backend.hung_up = lambda: True  # type: ignore[method-assign]
        far.write(b"unread")
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert await port.receive() == b"unread"
        backend.hung_up = hung_up  # type: ignore[method-assign]


async def test_the_device_can_come_back_before_aclose(far: Far, backend: PtyBackend) -> None:
    """The descriptor is closed off the loop as soon as the hang-up is known."""
    loop_thread = threading.get_ident()
    port = await open_serial_port(far.path, backend=backend)
    far.hang_up()
    with pytest.raises(SerialDisconnectedError):
        await port.receive()
    await _closed(backend)
    assert [thread != loop_thread for name, thread in backend.calls if name == "close"] == [True]
    await port.aclose()
    assert backend.names().count("close") == 1


async def test_typed_attributes(far: Far, backend: PtyBackend) -> None:
    config = SerialConfig(baudrate=2400)
    async with await open_serial_port(far.path, config, backend=backend) as port:
        assert port.extra(SerialStreamAttribute.capabilities) == CAPABILITIES
        assert port.extra(SerialStreamAttribute.config) == config
        assert port.extra(FileStreamAttribute.fileno) == backend.fileno()
        assert str(port.extra(FileStreamAttribute.path)) == far.path
        assert SerialStreamAttribute.port_info not in port.extra_attributes
        with pytest.raises(anyio.TypedAttributeLookupError):
            port.extra(SerialStreamAttribute.port_info)
        changed = config.with_changes(baudrate=9600)
        await port.configure(changed)
        assert port.extra(SerialStreamAttribute.config) == changed


async def test_a_port_opened_by_its_info_has_it(far: Far, backend: PtyBackend) -> None:
    info = PortInfo(device=far.path, vid=0x1234)
    async with await open_serial_port(info, backend=backend) as port:
        assert port.path == far.path
        assert port.port_info == port.extra(SerialStreamAttribute.port_info) == info


def test_a_port_wraps_only_an_open_backend(backend: PtyBackend) -> None:
    with pytest.raises(SerialClosedError):
        SerialPort(backend, SerialConfig())
