import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from anyserial import (
    LineError,
    ModemLines,
    PortNotFoundError,
    SerialClosedError,
    SerialConfig,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    open_serial_port,
)
from anyserial.testing import MockBackend, faults_of, serial_port_pair

pytestmark = pytest.mark.anyio

type Ports = tuple[SerialPort, SerialPort]

# Every method that needs the device.
METHODS: dict[str, Callable[[SerialPort], Awaitable[Any]]] = {
    "receive": lambda port: port.receive(),
    "receive_into": lambda port: port.receive_into(bytearray(8)),
    "receive_available": lambda port: port.receive_available(limit=8),
    "send": lambda port: port.send(b"x"),
    "send_buffer": lambda port: port.send_buffer(bytearray(b"x")),
    "send_eof": lambda port: port.send_eof(),
    "configure": lambda port: port.configure(SerialConfig(baudrate=9600)),
    "reset_input_buffer": lambda port: port.reset_input_buffer(),
    "reset_output_buffer": lambda port: port.reset_output_buffer(),
    "drain": lambda port: port.drain(),
    "drain_exact": lambda port: port.drain_exact(),
    "send_break": lambda port: port.send_break(0),
    "set_break": lambda port: port.set_break(True),
    "modem_lines": lambda port: port.modem_lines(),
    "control_lines": lambda port: port.control_lines(),
    "set_control_lines": lambda port: port.set_control_lines(rts=True),
    "line_counters": lambda port: port.line_counters(),
}


@pytest.fixture
async def ports() -> AsyncIterator[Ports]:
    a, b = serial_port_pair()
    async with a, b:
        yield a, b


def receive_all(port: SerialPort, size: int) -> Callable[[], Awaitable[bytes]]:
    async def receive() -> bytes:
        found = bytearray()
        while len(found) < size:
            found += await port.receive()
        return bytes(found)

    return receive


async def until_parked() -> None:
    """Give every other task a few turns, so that it waits where it will wait."""
    for _ in range(5):
        await checkpoint()


def test_pair_is_made_outside_an_event_loop_and_used_in_one(anyio_backend: Any) -> None:
    a, b = serial_port_pair()

    async def exchange() -> bytes:
        async with a, b:
            await a.send(b"hello")
            return await b.receive()

    assert anyio.run(exchange, backend=anyio_backend[0], backend_options=anyio_backend[1]) == b"hello"


async def test_pair_takes_paths_and_settings() -> None:
    config = SerialConfig(baudrate=9600)
    a, b = serial_port_pair(config_a=config, path_a="/dev/ttyX", path_b="/dev/ttyY")
    async with a, b:
        assert (a.path, a.config, a.actual_baudrate) == ("/dev/ttyX", config, 9600)
        assert (b.path, b.config) == ("/dev/ttyY", SerialConfig())
        assert a.is_open
        assert b.is_open
        assert a.capabilities.backend == "mock"


async def test_pair_refuses_what_is_no_configuration() -> None:
    wrong: Any = {"baudrate": 9600}
    with pytest.raises(TypeError, match="config must be a SerialConfig"):
        serial_port_pair(config_b=wrong)


async def test_mock_is_a_backend_for_open_serial_port() -> None:
    mock_a, mock_b = MockBackend.pair()
    async with await open_serial_port(mock_a.path, SerialConfig(baudrate=9600), backend=mock_a) as a:
        async with await open_serial_port("/dev/ttyUSB0", backend=mock_b) as b:
            await a.send(b"hello")
            assert await b.receive() == b"hello"
            assert b.path == "/dev/ttyUSB0"
            assert faults_of(b) is mock_b.faults
        assert not mock_b.is_open
        with pytest.raises(SerialDisconnectedError):
            await a.receive()


@pytest.mark.parametrize("thing", [None, object(), "port"])
async def test_faults_of_something_else_is_refused(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"^port must be a port on a MockBackend, as serial_port_pair\(\) gives \(got "):
        faults_of(thing)


async def test_parked_receive_wakes_with_the_bytes(ports: Ports) -> None:
    a, b = ports
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def receive() -> None:
                assert await a.receive() == b"wake"

            tasks.start_soon(receive)
            await until_parked()
            await b.send(b"wake")


async def test_injected_eagain_does_not_lose_the_wakeup(ports: Ports) -> None:
    a, b = ports
    faults_of(a).eagain_reads = 10
    faults_of(b).eagain_writes = 10
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def receive() -> None:
                assert await a.receive() == b"late, but complete"

            tasks.start_soon(receive)
            await until_parked()
            await b.send(b"late, but complete")
    assert faults_of(a).eagain_reads == 0
    assert faults_of(b).eagain_writes == 0


@pytest.mark.parametrize("seed", range(3))
async def test_payload_is_intact_under_random_faults(ports: Ports, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  # repeatable, not secret
    payload = dice.randbytes(300_000)
    done = False

    async def disturb() -> None:
        while not done:
            for port in ports:
                faults = faults_of(port)
                faults.eagain_reads = dice.randrange(3)
                faults.eagain_writes = dice.randrange(3)
                faults.eintr_reads = dice.randrange(3)
                faults.eintr_writes = dice.randrange(3)
                faults.short_write_max = dice.choice([None, 1, 7, 1000, 60_000])
            await checkpoint()

    async def transfer(sender: SerialPort, receiver: SerialPort) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sender.send, payload)
            assert await receive_all(receiver, len(payload))() == payload

    a, b = ports
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(disturb)
            async with anyio.create_task_group() as transfers:
                transfers.start_soon(transfer, a, b)
                transfers.start_soon(transfer, b, a)
            done = True


async def test_unplugging_wakes_a_parked_receive_on_both_sides(ports: Ports) -> None:
    a, b = ports
    woken: list[str] = []

    async def receive(port: SerialPort) -> None:
        with pytest.raises(SerialDisconnectedError) as caught:
            await port.receive()
        assert caught.value.filename == port.path
        woken.append(port.path)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive, a)
            tasks.start_soon(receive, b)
            await until_parked()
            faults_of(a).disconnected = True
    assert sorted(woken) == ["/dev/mockA", "/dev/mockB"]
    assert not a.is_open
    assert not b.is_open


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("how", ["unplugged", "far end closed"])
async def test_every_method_reports_the_disconnect(ports: Ports, method: str, how: str) -> None:
    a, b = ports
    if how == "unplugged":
        faults_of(a).disconnected = True
    else:
        await b.aclose()
    with anyio.fail_after(5):
        for _ in range(2):
            with pytest.raises(SerialDisconnectedError):
                await METHODS[method](a)
        assert not a.is_open
        await a.aclose()
        with pytest.raises(SerialClosedError):
            await METHODS[method](a)


async def test_bytes_sent_before_the_far_end_closed_come_first(ports: Ports) -> None:
    a, b = ports
    await b.send(b"last words")
    await b.aclose()
    assert await a.receive(4) == b"last"
    assert await a.receive() == b" words"
    with pytest.raises(SerialDisconnectedError):
        await a.receive()


async def test_both_sides_can_be_plugged_in_again() -> None:
    mock_a, mock_b = MockBackend.pair()
    async with await open_serial_port("/dev/a", backend=mock_a) as a, await open_serial_port("/dev/b", backend=mock_b):
        mock_a.faults.disconnected = True
        with pytest.raises(SerialDisconnectedError):
            await a.receive()
    with pytest.raises(PortNotFoundError):
        await open_serial_port("/dev/a", backend=mock_a)
    mock_a.faults.disconnected = False
    async with (
        await open_serial_port("/dev/a", backend=mock_a) as a,
        await open_serial_port("/dev/b", backend=mock_b) as b,
    ):
        await b.send(b"back")
        assert await a.receive() == b"back"


async def test_failed_transfer_is_no_disconnect(ports: Ports) -> None:
    a, b = ports
    faults_of(a).raise_eio_on_read = True
    await b.send(b"kept")
    with pytest.raises(SerialError) as caught:
        await a.receive()
    assert not isinstance(caught.value, SerialDisconnectedError)
    assert a.is_open
    faults_of(a).raise_eio_on_read = False
    assert await a.receive() == b"kept"


async def test_damage_is_reported_in_its_place() -> None:
    a, b = serial_port_pair(config_a=SerialConfig(parity="even", line_errors="raise"))
    async with a, b:
        await b.send(b"before")
        assert await a.receive() == b"before"
        faults_of(a).parity_errors = 1  # on a port that is open already
        await b.send(b"@after")
        with anyio.fail_after(5):
            with pytest.raises(LineError) as caught:
                await a.receive()
            assert (caught.value.kind, caught.value.byte) == ("parity_or_framing", 0x41)
            assert await a.receive() == b"after"
        assert (await a.line_counters()).parity == 1


@pytest.mark.parametrize(("line_errors", "expected"), [("ignore", b"Aafter"), ("discard", b"after")])
async def test_damage_that_is_not_to_be_reported(line_errors: Any, expected: bytes) -> None:
    a, b = serial_port_pair(config_a=SerialConfig(line_errors=line_errors))
    async with a, b:
        faults_of(a).parity_errors = 1
        await b.send(b"@after")
        assert await a.receive() == expected


async def test_lines_cross_and_a_change_is_waited_for(ports: Ports) -> None:
    a, b = ports
    seen: list[ModemLines] = []

    async def wait() -> None:
        seen.append(await b.wait_modem_change(interval=0.001))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            while not seen:
                # A pulse that no look at the levels need catch: the counters tell of it.
                await a.set_control_lines(rts=True, dtr=True)
                await a.set_control_lines(rts=False, dtr=False)
    await a.set_control_lines(rts=True)
    assert await b.modem_lines() == ModemLines(cts=True, dsr=False, ri=False, cd=False)


async def test_break_is_asserted_while_it_is_sent() -> None:
    mock, far = MockBackend.pair()
    async with await open_serial_port(mock.path, backend=mock) as port, await open_serial_port(far.path, backend=far):
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(port.send_break, 3600.0)
                while not mock.break_asserted:
                    await checkpoint()
                tasks.cancel_scope.cancel()
            # Cancelled in the very call that asserts it, the port's thread releases it a moment later.
            while mock.break_asserted:
                await checkpoint()
        assert far.line_counters().brk == 1


async def test_drain_does_not_wait_for_the_reader(ports: Ports) -> None:
    a, b = ports
    await a.send(b"unread")
    with anyio.fail_after(5):
        await a.drain()
        await a.drain_exact()
    assert a.output_waiting() == 0
    assert b.input_waiting() == 6


async def test_configure_is_recorded() -> None:
    mock, _ = MockBackend.pair()
    async with await open_serial_port(mock.path, backend=mock) as port:
        await port.configure(port.config.with_changes(baudrate=31250))
        assert mock.last_config == port.config
        assert port.actual_baudrate == 31250


async def test_forgotten_port_is_reported() -> None:
    a, b = serial_port_pair()
    async with b:
        with pytest.warns(ResourceWarning, match="unclosed serial port '/dev/mockA'"):
            del a
        with anyio.fail_after(5), pytest.raises(SerialDisconnectedError):
            await b.receive()


async def test_published_libraries_find_the_plan_where_it_was() -> None:
    host, device = serial_port_pair()
    async with host, device:
        backend: Any = getattr(host, "_backend")  # noqa: B009
        assert backend.faults is faults_of(host)
