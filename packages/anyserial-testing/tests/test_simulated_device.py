"""Simulated devices in memory, on the virtual clock of both runtimes: what they answer, and when."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import anyio
import pytest
from anyserial import (
    FlowControl,
    LineError,
    LineErrors,
    ModemLines,
    PortBusyError,
    PortNotFoundError,
    SerialConfig,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    open_serial_port,
)
from anyserial.exceptions import ConfigurationError
from anyserial_testing import (
    Fault,
    FaultPlan,
    Request,
    SimulatedBackend,
    SimulatedDevice,
    VirtualClock,
    simulated_port,
)

pytestmark = pytest.mark.anyio
SLOW = SerialConfig(baudrate=1000)  # 10 bits a character: 10 ms


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param, VirtualClock().backend_options(request.param)


async def receive(port: SerialPort, count: int) -> bytes:
    data = b""
    with anyio.fail_after(3600):
        while len(data) < count:
            data += await port.receive(count - len(data))
    return data


async def ask(port: SerialPort, request: bytes, count: int) -> bytes:
    await port.send(request)
    return await receive(port, count)


async def test_rules_answer_bytes_patterns_functions_and_sequences() -> None:
    device = SimulatedDevice(paced=False)
    device.on(b"*IDN?\n", b"ACME\n")
    device.on(
        re.compile(rb"ADD (\d+)\n"), lambda request: b"%d\n" % (int(request.match[1]) + 1 if request.match else 0)
    )
    device.on(lambda data: data.startswith(b"SET"), None)
    device.on(b"NEXT\n", [b"1", b"2"])
    device.on(b"ONCE\n", b"first", times=1)
    device.on(b"ONCE\n", b"later")

    @device.on(b"COUNT\n")
    def count(request: Request) -> bytes:
        device.state.asked = getattr(device.state, "asked", 0) + 1
        return b"%d" % device.state.asked

    async with simulated_port(device) as port:
        assert await ask(port, b"*IDN?\n", 5) == b"ACME\n"
        assert await ask(port, b"ADD 41\n", 3) == b"42\n"
        assert [await ask(port, b"NEXT\n", 1) for _ in range(3)] == [b"1", b"2", b"2"]
        assert [await ask(port, b"ONCE\n", 5) for _ in range(3)] == [b"first", b"later", b"later"]
        assert [await ask(port, b"COUNT\n", 1) for _ in range(2)] == [b"1", b"2"]
        await port.send(b"SET 1\n")
        assert port.input_waiting() == 0
    assert device.requests[-1].data == b"SET 1\n"
    device.check()


def counted(data: bytes) -> int | None:
    """The length of a request whose first byte is that length."""
    return data[0] if len(data) >= data[0] else None


@pytest.mark.parametrize(
    ("arguments", "sent", "requests"),
    [
        ({"until": b"\r\n"}, b"a\nb\r\nc\r\n", [b"a\nb\r\n", b"c\r\n"]),
        ({"size": 3}, b"abcdef", [b"abc", b"def"]),
        ({"split": counted}, b"\x02a\x03bc", [b"\x02a", b"\x03bc"]),
        ({"silence": 0.05}, b"abc", [b"abc"]),
    ],
)
async def test_requests_end_where_the_device_says(
    arguments: dict[str, Any], sent: bytes, requests: list[bytes]
) -> None:
    device = SimulatedDevice(**arguments)
    device.on(None, b".")
    async with simulated_port(device, SLOW) as port:
        await ask(port, sent, len(requests))
    assert [request.data for request in device.requests] == requests


async def test_silence_is_counted_from_the_last_byte() -> None:
    device = SimulatedDevice(silence=0.05)
    device.on(None, b".")
    async with simulated_port(device, SLOW) as port:
        await port.send(b"ab")
        await anyio.sleep(0.06)  # 20 ms on the line, then 40 ms of silence
        await port.send(b"cd")
        await receive(port, 1)
        await anyio.sleep(1)
        await ask(port, b"e", 1)
    assert [request.data for request in device.requests] == [b"abcd", b"e"]


async def test_characters_take_their_time_by_the_settings_of_the_port() -> None:
    device = SimulatedDevice().on(b"?\n", b"0123456789", delay=0.5)
    async with simulated_port(device, SLOW) as port:
        began = anyio.current_time()
        assert await ask(port, b"?\n", 10) == b"0123456789"
        assert anyio.current_time() - began == pytest.approx(0.02 + 0.5 + 0.1, abs=1e-5)
        await port.configure(SerialConfig(baudrate=1000, parity="even", stop_bits=2))
        began = anyio.current_time()
        await ask(port, b"?\n", 10)
        assert anyio.current_time() - began == pytest.approx(0.024 + 0.5 + 0.12, abs=1e-5)


async def test_send_waits_for_the_line_and_drain_for_the_last_bit() -> None:
    device = SimulatedDevice().on(None, None)
    async with simulated_port(device, SLOW) as port:
        began = anyio.current_time()
        await port.send(bytes(5000))  # 4096 are queued, the others have to wait for room
        assert anyio.current_time() - began == pytest.approx((5000 - 4096) * 0.01, abs=2.57)
        assert 4096 - 256 <= port.output_waiting() <= 4096
        await port.drain_exact()
        assert anyio.current_time() - began == pytest.approx(50, abs=1e-3)
        assert port.output_waiting() == 0


async def test_a_fifo_that_nobody_reads_overruns() -> None:
    device = SimulatedDevice(fifo=16)
    async with simulated_port(device, SerialConfig(baudrate=1000, line_errors="raise")) as port:
        device.send(bytes(range(20)))
        await anyio.sleep(1)
        assert port.input_waiting() == 16
        assert await receive(port, 16) == bytes(range(16))
        with pytest.raises(LineError) as caught:
            await port.receive()
        assert caught.value.kind == "overrun"
        assert (await port.line_counters()).overrun == 4
    assert device.overruns == 4


async def test_hardware_flow_control_stops_both_directions() -> None:
    device = SimulatedDevice(fifo=16).on(None, None)
    config = SerialConfig(baudrate=1000, flow_control=FlowControl(rts_cts=True))
    async with simulated_port(device, config) as port:
        device.set_lines(cts=False)
        await port.send(b"held\n")
        await anyio.sleep(1)
        assert port.output_waiting() == 5
        device.set_lines(cts=True)
        await port.drain()
        device.send(bytes(range(100)))
        await anyio.sleep(10)
        assert await receive(port, 100) == bytes(range(100))
    assert device.overruns == 0


async def test_a_receive_that_waits_hears_the_answer_to_what_another_task_sends() -> None:
    device = SimulatedDevice().on(b"A\n", b"B")
    async with simulated_port(device, SLOW) as port, anyio.create_task_group() as tasks:
        tasks.start_soon(ask_later, port)
        start = anyio.current_time()
        assert await receive(port, 1) == b"B"
        assert anyio.current_time() - start == pytest.approx(1.03)


async def ask_later(port: SerialPort) -> None:
    await anyio.sleep(1)
    await port.send(b"A\n")


async def test_faster_settings_wake_a_receive_that_waits() -> None:
    device = SimulatedDevice().on(None, b"B")
    async with simulated_port(device, SLOW) as port, anyio.create_task_group() as tasks:
        await port.send(b"123456789A\n")
        tasks.start_soon(port.configure, SLOW.with_changes(baudrate=100_000))
        start = anyio.current_time()
        assert await receive(port, 1) == b"B"
        assert anyio.current_time() - start < 0.02


async def test_drain_goes_on_once_flow_control_is_off() -> None:
    config = SLOW.with_changes(flow_control=FlowControl(rts_cts=True))
    device = SimulatedDevice()
    device.set_lines(cts=False)
    async with simulated_port(device, config) as port, anyio.create_task_group() as tasks:
        await port.send(b"12")

        async def release() -> None:
            await anyio.sleep(1)
            await port.configure(SLOW)

        tasks.start_soon(release)
        with anyio.fail_after(10):
            await port.drain()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("ending", "request_", "jumps"),
    [
        ({}, b"ABCDEFG\n", 2),
        ({"until": b"\r\n"}, b"\n\nABC\r\n", 4),
        ({"size": 8}, b"ABCDEFGH", 9),
    ],
)
def test_bytes_that_a_device_only_keeps_wake_nobody(
    ending: dict[str, Any], request_: bytes, jumps: int, backend: Literal["asyncio", "trio"]
) -> None:
    device, clock = SimulatedDevice(**ending).on(request_, b"x"), VirtualClock()

    async def main() -> None:
        async with simulated_port(device, SLOW) as port:
            await port.send(request_)
            start, before = anyio.current_time(), clock.jumps
            assert await receive(port, 1) == b"x"
            assert clock.jumps - before == jumps
            assert anyio.current_time() - start == pytest.approx(0.01 * (len(request_) + 1))
            assert device.requests[0].seconds == pytest.approx(0.01 * len(request_))

    clock.run(main, backend=backend)


async def test_wrong_baud_rate_is_garbage_on_both_sides() -> None:
    device = SimulatedDevice(settings=SerialConfig(baudrate=9600)).on(None, None)
    async with simulated_port(device, SerialConfig(baudrate=19200, line_errors=LineErrors.RAISE)) as port:
        device.send(b"U" * 4)
        with anyio.fail_after(1), pytest.raises(LineError) as caught:
            await receive(port, 100)
        assert caught.value.kind in {"parity_or_framing", "break"}
        await port.send(b"hello\n")
        await port.drain()
        await anyio.sleep(1)
    assert b"hello\n" not in [request.data for request in device.requests]


async def test_right_settings_of_its_own_are_understood() -> None:
    settings = SerialConfig(baudrate=9600, parity="even", byte_size=7)
    device = SimulatedDevice(settings=settings).on(b"?\n", b"yes\n")
    async with simulated_port(device, settings) as port:
        assert await ask(port, b"?\n", 4) == b"yes\n"


async def test_periodic_output_until_it_is_stopped() -> None:
    device = SimulatedDevice(paced=False)
    stop = device.every(2.0, b"tick")
    device.every(5.0, lambda found: b"%d" % len(found.requests), times=1)
    async with simulated_port(device) as port:
        began = anyio.current_time()
        assert await receive(port, 9) == b"ticktick0"
        assert anyio.current_time() - began == pytest.approx(5, abs=1e-5)
        stop()
        with pytest.raises(TimeoutError), anyio.fail_after(60):
            await port.receive()


async def test_modem_lines_follow_until_the_device_drives_them() -> None:
    seen: list[tuple[bool, bool]] = []
    device = SimulatedDevice()
    device.when("lines", lambda found: seen.append((found.control_lines.rts, found.control_lines.dtr)))
    async with simulated_port(device) as port:
        await port.set_control_lines(rts=True, dtr=True)
        assert await port.modem_lines() == ModemLines(cts=True, dsr=True, ri=False, cd=True)
        await port.set_control_lines(dtr=False)
        device.set_lines(cd=True, cts=False)
        assert await port.modem_lines() == ModemLines(cts=False, dsr=False, ri=False, cd=True)
        device.ring(2.0)
        with anyio.fail_after(10):
            assert (await port.wait_modem_change()).ri is False
        assert (await port.line_counters()).ri == 2
    assert seen == [(True, True), (True, False), (False, False)]


async def test_events_and_breaks() -> None:
    events: list[str] = []
    device = SimulatedDevice()
    names: tuple[Any, ...] = ("open", "close", "break", "configure")

    def note(name: str, _: SimulatedDevice) -> None:
        events.append(name)

    for name in names:
        device.when(name, partial(note, name))
    async with simulated_port(device, SerialConfig(line_errors="raise")) as port:
        began = anyio.current_time()
        await port.send_break(0.25)
        assert anyio.current_time() - began == pytest.approx(0.25, abs=1e-5)
        await port.configure(SerialConfig(baudrate=9600, line_errors="raise"))
        assert device.port_settings.baudrate == 9600
        device.send_break()
        with pytest.raises(LineError) as caught:
            await port.receive()
        assert (caught.value.kind, caught.value.byte) == ("break", 0)
    assert events == ["open", "break", "configure", "close"]


async def test_open_port_does_not_survive_an_unplug_however_short() -> None:
    device = SimulatedDevice().on(b"?\n", b"!\n")

    async def listen(port: SerialPort) -> None:
        with pytest.raises(SerialDisconnectedError):
            await port.receive()

    async with simulated_port(device) as idle:
        device.unplug()
        device.replug()
        with pytest.raises(SerialDisconnectedError):
            await idle.send(b"?\n")
    async with simulated_port(device) as port, anyio.create_task_group() as tasks:
        await port.send(b"?\n")
        assert await port.receive() + await port.receive() == b"!\n"
        tasks.start_soon(listen, port)
        await anyio.wait_all_tasks_blocked()
        device.unplug()
        device.replug()


async def test_unplugged_device_ends_calls_and_can_come_back() -> None:
    device = SimulatedDevice().on(b"?\n", b"!")
    backend = SimulatedBackend(device)
    async with await open_serial_port("/dev/sim", backend=backend) as port:

        async def pull() -> None:
            await anyio.sleep(5)
            device.unplug()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pull)
            with anyio.fail_after(60), pytest.raises(SerialDisconnectedError):
                await port.receive()
        assert not port.is_open
    with pytest.raises(PortNotFoundError):
        await open_serial_port("/dev/sim", backend=SimulatedBackend(device))
    device.replug()
    async with await open_serial_port("/dev/sim", backend=SimulatedBackend(device)) as port:
        assert await ask(port, b"?\n", 1) == b"!"


async def test_device_serves_one_port_at_a_time() -> None:
    device = SimulatedDevice()
    async with simulated_port(device):
        with pytest.raises(PortBusyError, match="one port at a time"):
            simulated_port(device)
    async with simulated_port(device):
        pass


async def test_unexpected_requests_fail_a_check() -> None:
    device = SimulatedDevice().on(b"ok\n", b"ok\n")
    async with simulated_port(device) as port:
        await ask(port, b"ok\n", 3)
        device.check()
        await port.send(b"what\nand")
        await port.drain()
        with pytest.raises(
            AssertionError, match=r"no rule matches:\n  at 0\.\d+ s: b'what\\n'\n  without an end: b'and'"
        ):
            device.check()
    assert [request.data for request in device.unexpected] == [b"what\n"]


FAULTS: list[tuple[Fault, bytes, float, list[str]]] = [
    (Fault("stall", at_byte=2, seconds=30), b"0123", 30.0, []),
    (Fault("eagain", at_byte=2), b"0123", 0.0, []),
    (Fault("eintr", at_byte=2), b"0123", 0.0, []),
    (Fault("short_read", at_byte=0, times=4), b"0123", 0.0, []),
    (Fault("eio", at_byte=2), b"0123", 0.0, ["SerialError"]),
    (Fault("parity", at_byte=2), b"013", 0.0, ["LineError"]),
    (Fault("framing", at_byte=2), b"013", 0.0, ["LineError"]),
    (Fault("overrun", at_byte=2), b"013", 0.0, ["LineError"]),
    (Fault("break", at_byte=2), b"0123", 0.0, ["LineError"]),
    (Fault("hangup", at_byte=2), b"01", 0.0, ["SerialDisconnectedError"]),
    (Fault("enodev", at_byte=2), b"01", 0.0, ["SerialDisconnectedError"]),
]


@pytest.mark.parametrize(("fault", "received", "seconds", "errors"), FAULTS, ids=str)
async def test_scheduled_fault_of_a_read(fault: Fault, received: bytes, seconds: float, errors: list[str]) -> None:
    device = SimulatedDevice(paced=False)
    plan = FaultPlan(schedule=(fault,))
    data, seen = b"", list[str]()
    async with simulated_port(device, SerialConfig(line_errors="raise"), faults=plan) as port:
        device.send(b"0123")
        began = anyio.current_time()
        with anyio.move_on_after(60):
            while len(data) < len(received) or seen != errors:
                try:
                    data += await port.receive()
                except SerialError as exc:
                    seen.append(type(exc).__name__)
        assert anyio.current_time() - began == pytest.approx(seconds, abs=1e-5)
    assert (data, seen) == (received, errors)
    assert {item.kind for item in plan.fired} == {fault.kind}


async def test_stalled_read_waits_while_more_arrives() -> None:
    device, start = SimulatedDevice(), anyio.current_time()
    plan = FaultPlan(schedule=(Fault("stall", at_byte=2, seconds=1.0, times=2),))
    async with simulated_port(device, SLOW, faults=plan) as port:
        device.send(b"123456")
        assert await receive(port, 6) == b"123456"
        assert anyio.current_time() - start == pytest.approx(2.03)


async def test_plan_that_has_unplugged_is_printed_as_it_was_given() -> None:
    plan = FaultPlan(schedule=(Fault("hangup", at_byte=2),))
    device = SimulatedDevice(paced=False)
    async with simulated_port(device, faults=plan) as port:
        device.send(b"123")
        with pytest.raises(SerialDisconnectedError):
            await receive(port, 3)
    assert str(plan).startswith("hangup read at_byte=2  # hangup read at byte 2")
    assert FaultPlan.parse(str(plan)) == FaultPlan(schedule=plan.schedule)
    plan.disconnected = True
    assert str(plan).startswith("disconnected=True; hangup")


async def test_replay_of_a_fault_at_a_byte_splits_the_operation_before_too() -> None:
    plan = FaultPlan(schedule=(Fault("eio", on="write", at_byte=2, times=2),))
    for _ in range(2):
        async with simulated_port(SimulatedDevice(), faults=plan) as port:
            for _ in range(2):
                with pytest.raises(SerialError):
                    await port.send(b"12345\n")
        assert [(at.byte, at.operation) for at in plan.fired] == [(2, 2), (2, 3)]
        plan = plan.replay()


@pytest.mark.parametrize("kind", ["eintr", "eagain"])
async def test_call_survives_any_number_of_interruptions(kind: Literal["eintr", "eagain"]) -> None:
    device = SimulatedDevice(paced=False).on(b"A\n", b"B")
    schedule = (Fault(kind, at_operation=1, times=3000), Fault(kind, on="write", probability=1, times=3000))
    async with simulated_port(device, faults=FaultPlan(schedule=schedule)) as port:
        assert await ask(port, b"A\n", 1) == b"B"


async def test_stalled_write_and_a_time_on_the_virtual_clock() -> None:
    device = SimulatedDevice(paced=False).on(None, None)
    plan = FaultPlan(schedule=(Fault("stall", "write", after=10, seconds=5),))
    async with simulated_port(device, faults=plan) as port:
        await port.send(b"a\n")
        began = anyio.current_time()
        await anyio.sleep(10)
        await port.send(b"b\n")
        assert anyio.current_time() - began == pytest.approx(15, abs=1e-5)


async def test_cancelled_receive_loses_nothing() -> None:
    device = SimulatedDevice()
    async with simulated_port(device, SLOW) as port:
        device.send(b"0123456789", after=1)
        data = b""
        for _ in range(2000):
            with anyio.move_on_after(0.0007):
                data += await port.receive()
        assert data == b"0123456789"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SimulatedDevice(until=b"\n", size=3), "only one of until, size, silence and split"),
        (lambda: SimulatedDevice(size=0), "size"),
        (lambda: SimulatedDevice(fifo=0), "fifo"),
        (lambda: SimulatedDevice(until=b""), "until must be bytes, at least one"),
        (lambda: SimulatedDevice().on("x", b""), "pattern must be bytes, a compiled pattern"),  # type: ignore[call-overload]
        (lambda: SimulatedDevice().on(re.compile("x"), b""), "a pattern of bytes"),  # type: ignore[arg-type]
        (lambda: SimulatedDevice().on(b"x", "y"), "reply must be bytes"),  # type: ignore[arg-type]
        (lambda: SimulatedDevice().on(b"x", []), "reply must be bytes"),
        (lambda: SimulatedDevice().every(0, b""), "seconds"),
        (lambda: SimulatedDevice().when("smoke", print), "event must be one of open"),  # type: ignore[arg-type]
        (lambda: VirtualClock(patience=-1), "patience"),
        (lambda: VirtualClock().backend_options("uvloop"), "backend must be one of"),  # type: ignore[arg-type]
    ],
)
async def test_wrong_argument_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()
