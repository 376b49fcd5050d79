"""The async port on this driver: lines, line errors, read-back, disconnects and closing, on each runtime."""

import errno
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyserial import (
    Capability,
    ControlLines,
    LineError,
    ModemLines,
    PortBusyError,
    SerialClosedError,
    SerialConfig,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
    open_serial_port,
)

pytestmark = pytest.mark.anyio

PATH = "/dev/ttyTEST0"
# The calls that may run on the event loop's thread; the others may block.
ON_THE_LOOP = {"read", "write", "fionread", "tiocoutq"}


async def _open(kernel: Any, **fields: Any) -> SerialPort:
    return await open_serial_port(PATH, SerialConfig(**fields), backend=kernel.backend())


async def _until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110  # it becomes true on another thread, which knows no event
            await anyio.sleep(0.001)


async def _cancelled_when(call: Callable[[], Awaitable[object]], condition: Callable[[], bool]) -> None:
    """Start *call*, and cancel it as soon as *condition* is true."""
    async with anyio.create_task_group() as group:

        async def run() -> None:
            await call()
            raise AssertionError("it has returned before it was cancelled")

        group.start_soon(run)
        await _until(condition)
        group.cancel_scope.cancel()


async def test_a_conversation_over_a_pty(far: SimpleNamespace) -> None:
    async with await SerialPort.open(far.path, baudrate=250000, exclusive=True) as port:
        assert port.actual_baudrate == 250000
        os.write(far.master, b"\xffhello\x00")
        with anyio.fail_after(5):
            received = b""
            while len(received) < 7:
                received += await port.receive()
        assert received == b"\xffhello\x00"
        await port.send(b"world")
        await port.drain_exact()
        assert await anyio.to_thread.run_sync(os.read, far.master, 16) == b"world"
        with pytest.raises(PortBusyError, match=f"pid {os.getpid()}"):
            await SerialPort.open(far.path)
        await port.configure(port.config.with_changes(baudrate=57600))
        with pytest.raises(UnsupportedConfigurationError, match="parity='odd'"):
            await port.configure(port.config.with_changes(baudrate=300, parity="odd"))
        assert port.config.baudrate == port.actual_baudrate == 57600
    async with await SerialPort.open(far.path):
        pass


async def test_only_what_cannot_block_runs_on_the_loop(simulated: Any) -> None:
    kernel = simulated()
    port = await _open(
        kernel,
        exclusive=True,
        low_latency=True,
        dtr_on_open=False,
        line_errors="raise",
        discard_input_on_open=True,
    )
    kernel.far.send(b"x")
    with anyio.fail_after(5):
        assert await port.receive() == b"x"
        await port.send(b"y")
        port.input_waiting()
        port.output_waiting()
        await port.configure(port.config.with_changes(baudrate=300))
        await port.drain()
        await port.drain_exact()
        await port.send_break(0.001)
        await port.set_break(on=False)
        await port.modem_lines()
        await port.control_lines()
        await port.set_control_lines(rts=True, dtr=True)
        await port.line_counters()
        await port.reset_input_buffer()
        await port.reset_output_buffer()
        await port.aclose()
    assert kernel.here <= ON_THE_LOOP
    assert {"open", "tcsets", "close", "tiocmget", "tiocsbrk", "flush", "flock"} <= set(kernel.names())


async def test_lines_are_set_and_read_back(simulated: Any) -> None:
    kernel = simulated()
    async with await _open(kernel, dtr_on_open=False) as port:
        assert await port.control_lines() == ControlLines(rts=True, dtr=False)
        await port.set_control_lines(rts=False, dtr=True)
        assert await port.control_lines() == ControlLines(rts=False, dtr=True)
        kernel.lines |= kernel.platform.modem.cd
        assert await port.modem_lines() == ModemLines(cts=False, dsr=False, ri=False, cd=True)


async def test_a_pulse_between_two_looks_is_not_missed(simulated: Any) -> None:
    kernel = simulated()
    async with await _open(kernel) as port, anyio.create_task_group() as group:
        looked = kernel.names().count("tiocmget")

        async def pulse() -> None:
            # The second look has begun, so that the first one is over.
            await _until(lambda: kernel.names().count("tiocmget") > looked + 1)
            kernel.counters[2] += 1  # RI went up and down: only the counter tells

        group.start_soon(pulse)
        with anyio.fail_after(5):
            assert not (await port.wait_modem_change(interval=0.001)).ri


async def test_a_driver_that_does_not_count_is_looked_at(simulated: Any) -> None:
    kernel = simulated()
    kernel.refused["tiocgicount"] = errno.ENOTTY
    async with await _open(kernel) as port, anyio.create_task_group() as group:
        looked = kernel.names().count("tiocmget")

        async def change() -> None:
            await _until(lambda: kernel.names().count("tiocmget") > looked + 1)
            kernel.lines |= kernel.platform.modem.cts

        group.start_soon(change)
        with anyio.fail_after(5):
            assert (await port.wait_modem_change(interval=0.001)).cts
        with pytest.raises(UnsupportedFeatureError):
            await port.line_counters()


async def test_a_break_is_released_whatever_happens(simulated: Any) -> None:
    kernel = simulated()
    async with await _open(kernel) as port:
        await _cancelled_when(lambda: port.send_break(60), lambda: "tiocsbrk" in kernel.names())
        await _until(lambda: "tioccbrk" in kernel.names())
        assert kernel.names().count("tiocsbrk") == kernel.names().count("tioccbrk") == 1


async def test_line_errors_come_in_their_place(simulated: Any) -> None:
    kernel = simulated()
    async with await _open(kernel, line_errors="raise") as port:
        kernel.far.send(b"good\xff\xff\xff\x00Xmore\xff\x00\x00\xff")
        with anyio.fail_after(5):
            assert await port.receive() == b"good\xff"
            with pytest.raises(LineError) as caught:
                await port.receive()
            assert (caught.value.kind, caught.value.byte) == ("parity_or_framing", ord("X"))
            assert await port.receive() == b"more"
            with pytest.raises(LineError) as caught:
                await port.receive()
            assert caught.value.kind == "break"
            kernel.far.send(b"\xffend")
            assert await port.receive() == b"\xffend"
        assert (await port.line_counters()).brk == 9


async def test_damage_is_discarded(simulated: Any) -> None:
    kernel = simulated()
    async with await _open(kernel, line_errors="discard") as port:
        kernel.far.send(b"\xff\x00X\xff\x00\x00a\xff\x00Yb")
        with anyio.fail_after(5):
            received = b""
            while received != b"ab":
                received += await port.receive()


async def test_what_the_driver_really_set(simulated: Any) -> None:
    kernel = simulated()
    async with await _open(kernel, low_latency=True) as port:
        assert port.capabilities.low_latency is Capability.SUPPORTED
        kernel.drop(kernel.platform.flags.crtscts, at=19200)
        flow = port.config.flow_control
        with pytest.raises(UnsupportedConfigurationError, match="rts_cts=True"):
            await port.configure(port.config.with_changes(baudrate=19200, flow_control=type(flow)(rts_cts=True)))
        assert port.actual_baudrate == port.config.baudrate == 115200
        assert kernel.attributes.ospeed == 115200


CALLS: dict[str, Callable[[SerialPort], Awaitable[object]]] = {
    "receive": lambda port: port.receive(),
    "receive_into": lambda port: port.receive_into(bytearray(4)),
    "receive_available": lambda port: port.receive_available(),
    "send": lambda port: port.send(b"x"),
    "send_buffer": lambda port: port.send_buffer(b"x"),
    "send_eof": lambda port: port.send_eof(),
    "configure": lambda port: port.configure(SerialConfig()),
    "reset_input_buffer": lambda port: port.reset_input_buffer(),
    "reset_output_buffer": lambda port: port.reset_output_buffer(),
    "drain": lambda port: port.drain(),
    "drain_exact": lambda port: port.drain_exact(),
    "send_break": lambda port: port.send_break(),
    "set_break": lambda port: port.set_break(on=True),
    "modem_lines": lambda port: port.modem_lines(),
    "control_lines": lambda port: port.control_lines(),
    "set_control_lines": lambda port: port.set_control_lines(rts=True),
    "wait_modem_change": lambda port: port.wait_modem_change(),
    "line_counters": lambda port: port.line_counters(),
}


@pytest.mark.parametrize("name", CALLS)
async def test_every_method_finds_the_device_gone(simulated: Any, name: str) -> None:
    kernel = simulated()
    port = await _open(kernel)
    kernel.unplug()
    with anyio.fail_after(5):
        with pytest.raises(SerialDisconnectedError) as caught:
            await CALLS[name](port)
        assert caught.value.filename == PATH
        assert not port.is_open
        for again in CALLS.values():
            with pytest.raises(SerialDisconnectedError):
                await again(port)
        for query in (port.input_waiting, port.output_waiting):
            with pytest.raises(SerialDisconnectedError):
                query()
        # The descriptor is let go of, so that the device can come back under its name.
        await _until(lambda: kernel.names()[-1] == "close")
        assert (port.path, port.config) == (PATH, SerialConfig())
        await port.aclose()
        with pytest.raises(SerialClosedError):
            await CALLS[name](port)


@pytest.mark.parametrize(
    "name", ["receive", "send", "drain", "drain_exact", "send_break", "wait_modem_change", "modem_lines"]
)
async def test_an_unplug_ends_what_is_pending(simulated: Any, name: str) -> None:
    kernel = simulated()
    port = await _open(kernel)
    kernel.queued = 100  # what drain waits for
    if name == "drain_exact":
        kernel.queued, kernel.line_status = 0, 0
    if name == "modem_lines":
        kernel.held["tiocmget"] = threading.Event()
    longer: dict[str, Callable[[], Awaitable[object]]] = {
        "send_break": lambda: port.send_break(60),
        "send": lambda: port.send(bytes(1 << 24)),
    }
    async with anyio.create_task_group() as group:

        async def pending() -> None:
            with pytest.raises(SerialDisconnectedError):
                await (longer[name]() if name in longer else CALLS[name](port))

        group.start_soon(pending)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(5):
            kernel.unplug()
            for event in kernel.held.values():
                event.set()
            await _until(lambda: not port.is_open)
    await port.aclose()


async def test_eio_without_a_hang_up_leaves_the_port_open(simulated: Any) -> None:
    kernel = simulated()
    async with await _open(kernel) as port:
        kernel.refused["tiocmget"] = errno.EIO
        with pytest.raises(SerialError) as caught:
            await port.modem_lines()
        assert type(caught.value) is SerialError
        kernel.refused.clear()
        assert port.is_open
        await port.modem_lines()


async def test_closing_lets_output_leave(simulated: Any) -> None:
    kernel = simulated()
    kernel.make_raw()
    port = await _open(kernel, close_timeout=60)
    kernel.queued = 50
    async with anyio.create_task_group() as group:
        group.start_soon(port.aclose)
        asked = kernel.names().count("tiocoutq")
        await _until(lambda: kernel.names().count("tiocoutq") > asked)
        kernel.queued = 0
    assert "flush" not in kernel.names()
    assert kernel.names()[-1] == "close"


@pytest.mark.parametrize("how", ["timeout", "cancelled"])
async def test_closing_discards_what_does_not_leave(simulated: Any, how: str) -> None:
    kernel = simulated()
    port = await _open(kernel, close_timeout=0.01 if how == "timeout" else 60)
    kernel.queued = 50
    told = pytest.warns(RuntimeWarning, match="50 bytes of output") if how == "timeout" else nullcontext()
    with anyio.fail_after(5), anyio.CancelScope() as scope, told:
        if how == "cancelled":
            scope.cancel()
        await port.aclose()
    await _until(lambda: kernel.names()[-1] == "close")
    assert ("flush", 1) in kernel.log


async def test_a_driver_that_holds_the_close_up_holds_up_nothing_else(simulated: Any) -> None:
    kernel = simulated()
    port = await _open(kernel, close_timeout=0.01, exclusive=True)
    kernel.queued = 50
    kernel.held["close"] = threading.Event()
    try:
        with anyio.fail_after(5), pytest.warns(RuntimeWarning, match="50 bytes of output"):
            await port.aclose()
        assert not port.is_open
        # The locks are gone before: the next open does not find its own process in the way.
        assert kernel.exclusive == 0
        assert ("flock", 8) in kernel.log
    finally:
        kernel.held["close"].set()
    await _until(lambda: "close" in kernel.names())


async def test_a_cancelled_open_leaves_nothing(simulated: Any) -> None:
    kernel = simulated()
    kernel.held["tcsets"] = threading.Event()
    await _cancelled_when(lambda: _open(kernel, exclusive=True, low_latency=True), lambda: "tcsets" in kernel.names())
    kernel.held["tcsets"].set()
    await _until(lambda: kernel.names()[-1] == "close")
    assert kernel.exclusive == 0
    assert kernel.serial[17] & 0x20 == 0


async def test_drain_exact_waits_for_the_transmitter_and_can_be_cancelled(simulated: Any) -> None:
    kernel = simulated()
    kernel.line_status = 0
    async with await _open(kernel) as port:
        await _cancelled_when(port.drain_exact, lambda: kernel.names().count("tiocsergetlsr") > 1)
        assert "drain" not in kernel.names()
        kernel.line_status = 1
        with anyio.fail_after(5):
            await port.drain_exact()


async def test_statistics_count_what_was_taken(simulated: Any) -> None:
    kernel = simulated()
    async with await _open(kernel) as port:
        await _cancelled_when(lambda: port.send(bytes(1 << 24)), lambda: port.statistics.bytes_sent > 0)
        taken = port.statistics.bytes_sent
        assert 0 < taken < 1 << 24
        received = 0
        kernel.far.setblocking(False)
        while received < taken:
            received += len(kernel.far.recv(65536))
        with pytest.raises(BlockingIOError):
            kernel.far.recv(1)
        kernel.far.send(b"12345")
        with anyio.fail_after(5):
            await port.receive()
        assert port.statistics.bytes_received == 5
