"""Closing: what it wakes, what it waits for, what cancels it, and a port that is forgotten."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import anyio
import pytest
import uvloop
from anyio import wait_all_tasks_blocked
from anyserial import SerialConfig, SerialPort, _workers, open_serial_port
from anyserial._port.closing import Closing
from anyserial.exceptions import SerialClosedError, SerialError
from backends import Far, OwnBackend, PtyBackend, until
from event_loops import only_on

pytestmark = pytest.mark.anyio


def _calls(port: SerialPort) -> dict[str, Callable[[], Any]]:
    """Every coroutine method that a port has."""
    return {
        "receive": port.receive,
        "receive_into": lambda: port.receive_into(bytearray(4)),
        "receive_available": port.receive_available,
        "send": lambda: port.send(b"x"),
        "send_nothing": lambda: port.send(b""),
        "send_buffer": lambda: port.send_buffer(bytearray(b"x")),
        "send_eof": port.send_eof,
        "configure": lambda: port.configure(port.config),
        "reset_input_buffer": port.reset_input_buffer,
        "reset_output_buffer": port.reset_output_buffer,
        "drain": port.drain,
        "drain_exact": port.drain_exact,
        "send_break": port.send_break,
        "set_break": lambda: port.set_break(True),
        "modem_lines": port.modem_lines,
        "control_lines": port.control_lines,
        "set_control_lines": lambda: port.set_control_lines(rts=True),
        "wait_modem_change": port.wait_modem_change,
        "modem_changes": lambda: anext(port.modem_changes()),
        "line_counters": port.line_counters,
    }


async def test_every_call_on_a_closed_port_says_so(far: Far, backend: PtyBackend) -> None:
    port = await open_serial_port(far.path, SerialConfig(baudrate=4800), backend=backend)
    await port.aclose()
    for name, call in _calls(port).items():
        with pytest.raises(SerialClosedError) as caught:
            await call()
        assert isinstance(caught.value, anyio.ClosedResourceError), name
        assert caught.value.filename == far.path, name
    for query in (port.input_waiting, port.output_waiting):
        with pytest.raises(SerialClosedError):
            query()
    assert backend.names().count("close") == 1
    assert not backend.is_open
    assert port.path == far.path
    assert port.config.baudrate == 4800
    assert port.capabilities.platform == "test"
    assert port.actual_baudrate == 4800
    assert not port.is_open


async def test_closing_twice_closes_once(far: Far, backend: PtyBackend) -> None:
    port = await open_serial_port(far.path, backend=backend)
    async with port, anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(port.aclose)
    await port.aclose()
    assert backend.names().count("close") == 1


@pytest.mark.parametrize("call", ["receive", "receive_into", "receive_available"])
async def test_closing_wakes_a_receive_at_once(far: Far, backend: PtyBackend, call: str) -> None:
    port = await open_serial_port(far.path, backend=backend)
    caught: list[SerialClosedError] = []

    async def receive() -> None:
        with pytest.raises(SerialClosedError) as info:
            await _calls(port)[call]()
        caught.append(info.value)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            await wait_all_tasks_blocked()
            await port.aclose()
    assert isinstance(caught[0], anyio.ClosedResourceError)
    assert caught[0].filename == far.path


async def test_closing_wakes_a_send_at_once(far: Far, backend: PtyBackend) -> None:
    port = await open_serial_port(far.path, SerialConfig(close_timeout=0), backend=backend)

    async def send() -> None:
        with pytest.raises(SerialClosedError):
            await port.send(bytes(300_000))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(send)
            await wait_all_tasks_blocked()
            await port.aclose()
    assert 0 < port.statistics.bytes_sent < 300_000


@pytest.mark.parametrize("call", ["send_break", "wait_modem_change", "modem_changes", "drain", "drain_exact"])
async def test_closing_wakes_an_operation_that_waits(far: Far, backend: PtyBackend, call: str) -> None:
    backend.queued = 1000
    if call == "send_break":
        backend.queued = None
    port = await open_serial_port(far.path, SerialConfig(close_timeout=0, baudrate=50), backend=backend)
    calls = _calls(port) | {"send_break": lambda: port.send_break(60)}

    async def operate() -> None:
        with pytest.raises(SerialClosedError):
            await calls[call]()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(operate)
            await until(lambda: backend.breaks if call == "send_break" else backend.calls[1:])
            await wait_all_tasks_blocked()
            await port.aclose()
    if call == "send_break":
        assert backend.breaks == [True, False]
    await until(lambda: backend.names()[-1] == "close")


async def test_a_call_in_a_thread_holds_the_descriptor_until_it_returns(far: Far, backend: PtyBackend) -> None:
    entered, go = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        assert go.wait(10)

    backend.hooks["modem_lines"] = stay
    port = await open_serial_port(far.path, backend=backend)

    async def look() -> None:
        with pytest.raises(SerialClosedError):
            await port.modem_lines()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(look)
            await until(entered.is_set)
            with anyio.move_on_after(0.05):
                await port.aclose()
        assert backend.is_open
        assert "close" not in backend.names()
        go.set()
        await port.aclose()
    await until(lambda: not backend.is_open)


async def test_closing_lets_output_leave(far: Far, backend: PtyBackend) -> None:
    backend.queued = 100
    port = await open_serial_port(far.path, SerialConfig(close_timeout=30.0), backend=backend)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(port.aclose)
            await until(lambda: backend.names().count("output_waiting") >= 3)
            assert "close" not in backend.names()
            backend.queued = 0
    assert not backend.is_open


@pytest.mark.parametrize("seconds", [0.0, 0.05])
async def test_closing_does_not_wait_longer_than_close_timeout(far: Far, backend: PtyBackend, seconds: float) -> None:
    backend.queued = 100
    port = await open_serial_port(far.path, SerialConfig(close_timeout=seconds), backend=backend)
    start = time.monotonic()
    told = pytest.warns(RuntimeWarning, match="100 bytes of output not sent") if seconds else nullcontext()
    with anyio.fail_after(5), told:
        await port.aclose()
    assert time.monotonic() - start >= seconds
    # aclose waits for the driver's own close only so long.
    await until(lambda: backend.names()[-1] == "close" and not backend.is_open)


async def test_closing_does_not_wait_for_a_driver_that_is_stuck(far: Far, backend: PtyBackend) -> None:
    go = threading.Event()
    backend.hooks["close"] = lambda: go.wait(10)
    port = await open_serial_port(far.path, SerialConfig(close_timeout=0.05), backend=backend)
    with anyio.fail_after(5):
        await port.aclose()
        assert backend.is_open
        go.set()
        await until(lambda: not backend.is_open)


async def test_a_stuck_close_holds_one_thread_however_often_it_is_asked_for(far: Far, backend: PtyBackend) -> None:
    entered, go, followed = threading.Event(), threading.Event(), threading.Event()

    def stick() -> None:
        entered.set()
        go.wait(10)

    backend.hooks["close"] = stick
    port = await open_serial_port(far.path, SerialConfig(close_timeout=0.0), backend=backend)
    advance = port._lifecycle.closing.advance
    try:
        await port.aclose()
        assert entered.wait(5)
        for _ in range(20):
            _workers.post(advance)
        _workers.post(followed.set)
        assert followed.wait(5)
        inside = [frame for frame in sys._current_frames().values() if _is_in(frame, Closing.advance.__code__)]
        assert len(inside) == 1
    finally:
        go.set()
    await until(lambda: not backend.is_open)


def _is_in(frame: FrameType | None, code: CodeType) -> bool:
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False


async def test_closing_in_a_cancelled_scope_closes_at_once(far: Far, backend: PtyBackend) -> None:
    backend.queued = 100
    port = await open_serial_port(far.path, SerialConfig(close_timeout=30.0), backend=backend)
    with anyio.fail_after(5), anyio.CancelScope() as scope:
        scope.cancel()
        await port.aclose()
        pytest.fail("the cancellation was swallowed")
    assert scope.cancelled_caught
    await until(lambda: not backend.is_open)
    with pytest.raises(SerialClosedError):
        await port.receive()


async def test_closing_in_a_shielded_scope_lets_output_leave(far: Far, backend: PtyBackend) -> None:
    queued = [3, 2, 1, 0]
    port = await open_serial_port(far.path, backend=backend)
    backend.output_waiting = lambda: queued.pop(0) if queued else 0  # type: ignore[method-assign]
    with anyio.CancelScope() as outer:
        outer.cancel()
        with anyio.fail_after(5, shield=True):
            await port.aclose()
    assert not backend.is_open
    assert not queued
    assert "reset_output_buffer" not in backend.names()


async def test_leaving_a_cancelled_block_closes(far: Far, backend: PtyBackend) -> None:
    with anyio.CancelScope() as scope:
        async with await open_serial_port(far.path, backend=backend) as port:
            scope.cancel()
            await port.receive()
    assert scope.cancelled_caught
    await until(lambda: not backend.is_open)


async def test_closing_cancelled_while_it_waits_stops_waiting(far: Far, backend: PtyBackend) -> None:
    backend.queued = 100
    port = await open_serial_port(far.path, SerialConfig(close_timeout=30.0), backend=backend)
    with anyio.fail_after(5), anyio.move_on_after(0.02) as scope:
        await port.aclose()
    assert scope.cancelled_caught
    await until(lambda: not backend.is_open)


@only_on("asyncio", "uvloop", "portable")
async def test_task_cancel_closes_too(far: Far, backend: PtyBackend) -> None:
    backend.queued = 100
    port = await open_serial_port(far.path, SerialConfig(close_timeout=30.0), backend=backend)
    task = asyncio.create_task(port.aclose())
    await wait_all_tasks_blocked()
    task.cancel()
    with anyio.fail_after(5), pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not backend.is_open)


@only_on("asyncio", "uvloop", "portable")
async def test_task_cancel_ends_a_receive_and_the_port_stays_usable(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        for _ in range(3):
            task = asyncio.create_task(port.receive())
            await wait_all_tasks_blocked()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        far.write(b"still here")
        assert await port.receive() == b"still here"


async def test_an_error_of_the_driver_s_close_reaches_who_closes(far: Far, backend: PtyBackend) -> None:
    port = await open_serial_port(far.path, backend=backend)
    close = backend.close

    def fail() -> None:
        raise SerialError(5, "the driver is unhappy", far.path)

    backend.hooks["close"] = fail
    with pytest.raises(SerialError, match="unhappy"):
        await port.aclose()
    backend.hooks.clear()
    close()


async def test_a_receive_between_two_reads_does_not_touch_a_closed_descriptor(far: Far, backend: PtyBackend) -> None:
    """Closed while a receive lets others run: the number may be another file's by then."""
    port = await open_serial_port(far.path, backend=backend)
    outcome: list[BaseException] = []
    closed = anyio.Event()

    async def receive() -> None:
        try:
            while True:
                await port.receive(1)
        except BaseException as exc:  # noqa: BLE001  # looked at below
            outcome.append(exc)

    async def close() -> None:
        await port.aclose()
        closed.set()

    def read_of_a_closed_port() -> None:
        assert port.is_open, "read after the port was closed"

    backend.hooks["read"] = read_of_a_closed_port
    far.write(b"x" * 4000)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            group.start_soon(close)
    assert [type(exc) for exc in outcome] == [SerialClosedError]


async def test_a_send_between_two_writes_does_not_touch_a_closed_descriptor(far: Far, backend: PtyBackend) -> None:
    port = await open_serial_port(far.path, backend=backend)
    outcome: list[BaseException] = []

    async def send() -> None:
        try:
            while True:
                await port.send(b"x")
        except BaseException as exc:  # noqa: BLE001  # looked at below
            outcome.append(exc)

    def write_to_a_closed_port() -> None:
        assert port.is_open, "written to after the port was closed"

    backend.hooks["write"] = write_to_a_closed_port
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(send)
            group.start_soon(port.aclose)
    assert [type(exc) for exc in outcome] == [SerialClosedError]


async def test_a_send_whose_room_came_with_the_close_does_not_write_on(far: Far, backend: PtyBackend) -> None:
    """The kernel takes some of it, and the port is closed before its task runs again."""
    port = await open_serial_port(far.path, SerialConfig(close_timeout=0), backend=backend)
    os.set_blocking(far.master, False)

    async def send() -> None:
        with pytest.raises(SerialClosedError):
            await port.send(bytes(300_000))

    async with anyio.create_task_group() as group:

        def close_meanwhile() -> None:
            assert port.is_open, "written to after the port was closed"
            if "close soon" in backend.hooks:
                del backend.hooks["close soon"]
                group.start_soon(port.aclose)

        group.start_soon(send)
        await wait_all_tasks_blocked()
        backend.hooks.update({"write": close_meanwhile, "close soon": bool})
        with anyio.fail_after(5):
            while "close soon" in backend.hooks:
                with suppress(BlockingIOError):
                    os.read(far.master, 65536)
                await anyio.lowlevel.checkpoint()
    assert not backend.is_open


async def test_a_receive_that_became_ready_does_not_read_a_closed_port(far: Far, backend: PtyBackend) -> None:
    """Bytes arrive and the port is closed in one turn of the event loop."""
    port = await open_serial_port(far.path, backend=backend)

    def read_of_a_closed_port() -> None:
        assert port.is_open, "read after the port was closed"

    backend.hooks["read"] = read_of_a_closed_port
    outcome: list[BaseException | bytes] = []

    async def receive() -> None:
        try:
            outcome.append(await port.receive())
        except SerialClosedError as exc:
            outcome.append(exc)

    async def close_when_readable() -> None:
        await anyio.wait_readable(far.slave)
        await port.aclose()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            group.start_soon(close_when_readable)
            await wait_all_tasks_blocked()
            os.write(far.master, b"last")
    assert outcome
    assert isinstance(outcome[0], SerialClosedError) or outcome == [b"last"]


# A port that is forgotten


async def _forgotten(far: Far, backend: PtyBackend, *, received: bool) -> None:
    port = await open_serial_port(far.path, backend=backend)
    if received:
        with anyio.move_on_after(0.01):
            await port.receive()
        far.write(b"x")
        assert await port.receive() == b"x"


@pytest.mark.parametrize("received", [False, True])
async def test_a_forgotten_port_warns_with_its_path_and_is_closed(
    far: Far, backend: PtyBackend, received: bool
) -> None:
    with pytest.warns(ResourceWarning, match=f"unclosed serial port '{far.path}'"):
        await _forgotten(far, backend, received=received)
        await anyio.lowlevel.checkpoint()  # trio holds the last cancellation, with its frames, until then
        gc.collect()
    await until(lambda: not backend.is_open)
    assert backend.names().count("close") == 1


async def test_a_closed_or_disconnected_port_is_forgotten_silently(far: Far, backend: PtyBackend) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        port = await open_serial_port(far.path, backend=backend)
        far.hang_up()
        with pytest.raises(SerialError):
            await port.receive()
        del port
        gc.collect()
    assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == []
    await until(lambda: not backend.is_open)


def test_a_port_forgotten_after_its_event_loop_is_gone_is_closed(
    far: Far, backend: PtyBackend, anyio_backend: Any
) -> None:
    async def use() -> SerialPort:
        port = await open_serial_port(far.path, backend=backend)
        with anyio.move_on_after(0.01):
            await port.receive()
        return port

    ports = [anyio.run(use, backend=anyio_backend[0], backend_options=anyio_backend[1])]
    with pytest.warns(ResourceWarning, match=far.path):
        ports.clear()
        gc.collect()
    assert _closed(backend)


def _closed(backend: PtyBackend) -> bool:
    """Wait for the thread that closes, where no event loop runs."""
    deadline = time.monotonic() + 5
    while backend.is_open and time.monotonic() < deadline:
        time.sleep(0.001)
    return not backend.is_open


FORGET_AT_EXIT = """
import os, sys
sys.path.insert(0, sys.argv[1])
import anyio
from anyserial import open_serial_port
from backends import Far, PtyBackend

class Told(PtyBackend):
    def close(self):
        super().close()
        os.write(1, b"closed")

async def main():
    global port
    port = await open_serial_port(far.path, backend=Told())
    with anyio.move_on_after(0.01):
        await port.receive()

far = Far()
anyio.run(main, backend=sys.argv[2])
"""


@pytest.mark.parametrize("runtime", ["asyncio", "trio"])
def test_a_port_forgotten_until_the_interpreter_exits_is_closed(runtime: str) -> None:
    """Nothing can be imported then, and no thread be started."""
    support = str(Path(__file__).parent / "support")
    done = subprocess.run(
        [sys.executable, "-W", "always::ResourceWarning", "-c", FORGET_AT_EXIT, support, runtime],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "closed"), done.stderr
    assert "ResourceWarning: unclosed serial port" in done.stderr
    assert "Traceback" not in done.stderr


def _new_loop(options: dict[str, Any]) -> asyncio.AbstractEventLoop:
    if options.get("use_uvloop"):
        return uvloop.new_event_loop()
    loop: asyncio.AbstractEventLoop = options.get("loop_factory", asyncio.new_event_loop)()
    return loop


# A run of trio ends after its tasks, and AnyIO's selector holds the waiting task for as long as the process lives.
@only_on("asyncio", "uvloop")
def test_a_port_forgotten_while_a_task_reads_from_it_warns(far: Far, backend: PtyBackend, anyio_backend: Any) -> None:
    """The event loop ends with a task still parked in receive, and nobody closed the port."""
    complaints: list[str] = []

    def complain(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        complaints.append(context["message"])

    loop = _new_loop(anyio_backend[1])
    loop.set_exception_handler(complain)

    async def read() -> None:
        port = await open_serial_port(far.path, backend=backend)
        await port.receive()

    async def main() -> None:
        task = asyncio.create_task(read())
        await until(lambda: backend.is_open)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()

    with pytest.warns(ResourceWarning, match=f"unclosed serial port '{far.path}'"):
        loop.run_until_complete(main())
        loop.close()
        del loop
        gc.collect()
    assert complaints == ["Task was destroyed but it is pending!"]
    assert _closed(backend)


def test_a_port_is_forgotten_safely_wherever_the_collector_runs(far: Far, backend: PtyBackend) -> None:
    """The collector may run on a worker, and in a signal handler that interrupts anything."""

    async def forget() -> None:
        ports = [await open_serial_port(far.path, backend=backend)]
        ports.append(ports)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a cycle

    collected = threading.Event()

    def collect() -> None:
        gc.collect()
        collected.set()

    gc.disable()
    try:
        with pytest.warns(ResourceWarning, match=far.path):
            anyio.run(forget)
            _workers.post(collect)
            assert collected.wait(5), "the collector waits for something that its own thread holds"
    finally:
        gc.enable()
    assert _closed(backend)


async def test_a_forgotten_port_of_a_backend_that_waits_itself_warns() -> None:
    async def forget() -> None:
        await open_serial_port("/dev/own", backend=OwnBackend())

    with pytest.warns(ResourceWarning, match="unclosed serial port '/dev/own'"):
        await forget()
        gc.collect()
