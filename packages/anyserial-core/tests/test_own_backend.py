"""The contract of `AsyncSerialBackend`, proved by one of the tests' own: a port without a descriptor."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.streams.buffered import BufferedByteStream
from anyio.streams.file import FileStreamAttribute
from anyserial import (
    LineError,
    ModemLines,
    SerialConfig,
    SerialError,
    SerialPort,
    SerialStreamAttribute,
    UnsupportedFeatureError,
    _workers,
    open_serial_port,
)
from anyserial.exceptions import SerialClosedError, SerialDisconnectedError
from backends import CAPABILITIES, OwnBackend, until

pytestmark = pytest.mark.anyio

CALLS: dict[str, Callable[[SerialPort], Any]] = {
    "receive": lambda port: port.receive(),
    "receive_into": lambda port: port.receive_into(bytearray(4)),
    "send": lambda port: port.send(b"x"),
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
    "wait_modem_change": lambda port: port.wait_modem_change(interval=0.001),
}


@pytest.fixture
def own() -> OwnBackend:
    return OwnBackend()


async def test_every_method_reaches_the_backend(own: OwnBackend) -> None:
    config = SerialConfig(baudrate=4800)
    async with await open_serial_port("/dev/own", config, backend=own) as port:
        assert (port.path, port.is_open, port.config, port.actual_baudrate) == ("/dev/own", True, config, 4800)
        assert port.capabilities == CAPABILITIES
        await port.send(b"there and back")
        assert port.input_waiting() == 14
        assert port.output_waiting() == 0
        assert await port.receive(5) == b"there"
        buffer = bytearray(20)
        assert await port.receive_into(buffer) == 9
        assert buffer[:9] == b" and back"
        await port.configure(config.with_changes(baudrate=9600))
        assert own.config == port.config == config.with_changes(baudrate=9600)
        await port.send_break(0.01)
        await port.set_break(True)
        assert own.breaks == [True, False, True]
        await port.set_control_lines(rts=False)
        assert not (await port.control_lines()).rts
        with pytest.raises(UnsupportedFeatureError):
            await port.line_counters()
        await port.reset_input_buffer()
        await port.reset_output_buffer()
        await port.drain()
        await port.drain_exact()
        await port.send_eof()
        assert own.calls.count("drain") == 2
        assert port.statistics.bytes_sent == port.statistics.bytes_received == 14
        assert FileStreamAttribute.fileno not in port.extra_attributes
        assert port.extra(SerialStreamAttribute.config) == port.config
    assert own.calls.count("aclose") == 1
    assert not own.is_open
    assert not _workers._the_pool().holders


async def test_a_large_send_goes_in_the_pieces_that_are_taken(own: OwnBackend) -> None:
    own.takes = 7
    async with await open_serial_port("/dev/own", backend=own) as port:
        await port.send_buffer(bytearray(range(100)))
        assert own.calls.count("send") == 15
        stream = BufferedByteStream(port)
        assert await stream.receive_exactly(100) == bytes(range(100))


async def test_a_receive_waits_and_is_woken(own: OwnBackend) -> None:
    async with await open_serial_port("/dev/own", backend=own) as port:
        got: list[bytes] = []

        async def receive() -> None:
            got.append(await port.receive())

        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            await wait_all_tasks_blocked()
            with pytest.raises(anyio.BusyResourceError):
                await port.receive()
            own.arrive(b"at last")
        assert got == [b"at last"]


async def test_a_cancelled_receive_loses_nothing(own: OwnBackend) -> None:
    async with await open_serial_port("/dev/own", backend=own) as port:
        with anyio.move_on_after(0.01) as scope:
            await port.receive()
        assert scope.cancelled_caught
        own.arrive(b"late")
        assert await port.receive() == b"late"


async def test_a_cancelled_send_can_be_accounted_for(own: OwnBackend) -> None:
    async with await open_serial_port("/dev/own", backend=own) as port:
        own.takes = 10

        async def stay() -> None:
            if own.calls.count("send") > 3:
                await anyio.sleep_forever()

        own.hooks["send"] = stay
        with anyio.move_on_after(0.05) as scope:
            await port.send(bytes(100))
        assert scope.cancelled_caught
        assert port.statistics.bytes_sent == 30


@pytest.mark.parametrize("name", ["receive", "send", "drain", "modem_lines", "configure"])
async def test_closing_wakes_whoever_waits(own: OwnBackend, name: str) -> None:
    async def stay() -> None:
        await anyio.sleep_forever()

    own.hooks[name] = stay
    port = await open_serial_port("/dev/own", backend=own)

    async def wait() -> None:
        with pytest.raises(SerialClosedError):
            await CALLS[name](port)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await wait_all_tasks_blocked()
            await port.aclose()
    assert own.calls[-1] == "aclose"


@pytest.mark.parametrize("name", CALLS)
async def test_a_closed_port_says_so(own: OwnBackend, name: str) -> None:
    port = await open_serial_port("/dev/own", backend=own)
    await port.aclose()
    await port.aclose()
    with pytest.raises(SerialClosedError):
        await CALLS[name](port)
    assert own.calls == ["open", "aclose"]


@pytest.mark.parametrize("name", CALLS)
async def test_a_device_that_goes_is_noticed_by_every_method(own: OwnBackend, name: str) -> None:
    async with await open_serial_port("/dev/own", backend=own) as port:
        own.unplug()
        for _ in range(2):
            with anyio.fail_after(5), pytest.raises(SerialDisconnectedError):
                await CALLS[name](port)
            assert not port.is_open
        assert port.path == "/dev/own"
    with pytest.raises(SerialClosedError):
        await CALLS[name](port)
    assert own.calls.count("aclose") == 1


async def test_a_device_that_goes_ends_what_waits(own: OwnBackend) -> None:
    async with await open_serial_port("/dev/own", backend=own) as port:
        ended: list[str] = []

        async def wait(name: str, call: Callable[[], Any]) -> None:
            with pytest.raises(SerialDisconnectedError):
                await call()
            ended.append(name)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(wait, "receive", port.receive)
                group.start_soon(wait, "break", lambda: port.send_break(60))
                await wait_all_tasks_blocked()
                own.unplug()
        assert sorted(ended) == ["break", "receive"]


async def test_a_plain_call_notices_it_too(own: OwnBackend) -> None:
    async with await open_serial_port("/dev/own", backend=own) as port:
        own.unplug()
        with pytest.raises(SerialDisconnectedError):
            port.output_waiting()
        assert not port.is_open


async def test_a_line_error_leaves_the_port_usable(own: OwnBackend) -> None:
    async with await open_serial_port("/dev/own", SerialConfig(line_errors="raise"), backend=own) as port:
        own.arrive(b"\0")
        with pytest.raises(LineError, match="break"):
            await port.receive()
        own.arrive(b"data")
        assert await port.receive() == b"data"


async def test_a_cancelled_break_is_released(own: OwnBackend) -> None:
    async with await open_serial_port("/dev/own", backend=own) as port:
        with anyio.move_on_after(0.02) as scope:
            await port.send_break(60)
        assert scope.cancelled_caught
        assert own.breaks == [True, False]


async def test_a_break_cancelled_while_it_begins_is_released(own: OwnBackend) -> None:
    async def stay_once() -> None:
        own.hooks.clear()
        await anyio.sleep_forever()

    own.hooks["set_break"] = stay_once
    async with await open_serial_port("/dev/own", backend=own) as port:
        with anyio.move_on_after(0.02) as scope:
            await port.send_break(60)
        assert scope.cancelled_caught
        assert own.breaks == [False]


async def test_a_change_of_the_lines_is_noticed(own: OwnBackend) -> None:
    async with await open_serial_port("/dev/own", backend=own) as port:
        changed = ModemLines(cts=True, dsr=False, ri=False, cd=False)
        changes: list[ModemLines] = []

        async def wait() -> None:
            changes.append(await port.wait_modem_change(interval=0.001))

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await until(lambda: own.calls.count("modem_lines") >= 2)
                own.lines = changed
        assert changes == [changed]


async def test_a_failed_configure_keeps_the_settings(own: OwnBackend) -> None:
    async def refuse() -> None:
        raise SerialError(22, "no")

    async with await open_serial_port("/dev/own", backend=own) as port:
        own.hooks["configure"] = refuse
        before = port.config
        with pytest.raises(SerialError, match="no"):
            await port.configure(before.with_changes(baudrate=1))
        assert port.config is before


async def test_closing_in_a_cancelled_scope_reaches_the_backend(own: OwnBackend) -> None:
    async def look() -> None:
        await anyio.lowlevel.checkpoint()

    own.hooks["aclose"] = look
    port = await open_serial_port("/dev/own", backend=own)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await port.aclose()
    assert scope.cancelled_caught
    assert not own.is_open
    await until(lambda: not _workers._the_pool().holders)
    with pytest.raises(SerialClosedError):
        await port.receive()


async def test_a_flood_does_not_starve_other_tasks(own: OwnBackend) -> None:
    async with await open_serial_port("/dev/own", backend=own) as port:
        own.arrive(bytes(2000))
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            group.start_soon(other)
            for _ in range(1000):
                await port.receive(1)
                await port.send(b"x")
            group.cancel_scope.cancel()
        assert turns >= 10
