"""What the quickstart promises, one test per promise, on a real tty: a pty whose far end the test holds."""

import os
import tty
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint
from anyio.streams.buffered import BufferedByteStream
from anyserial import (
    PortNotFoundError,
    SerialConfig,
    SerialConnectable,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    find_serial_port,
    list_serial_ports,
    open_serial_port,
)
from anyserial.sync import SerialPort as BlockingPort
from anyserial.testing import faults_of, serial_port_pair
from documented_ports import documented_ports
from virtual_bench import reply_to

pytestmark = pytest.mark.anyio


class Device:
    """The far end of one pty."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        # Both stay open: a master whose slave nobody has open reports a hang-up.
        self._ends = [self.master, slave]

    def says(self, data: bytes) -> None:
        """Send to the port."""
        assert os.write(self.master, data) == len(data)

    async def hears(self, size: int) -> bytes:
        """Return *size* bytes that the port sent."""
        found = b""
        while len(found) < size:
            await anyio.wait_readable(self.master)
            found += os.read(self.master, size - len(found))
        return found

    def hang_up(self) -> None:
        """Close both ends."""
        while self._ends:
            os.close(self._ends.pop())


@pytest.fixture
def device() -> Iterator[Device]:
    far = Device()
    yield far
    far.hang_up()


async def until_tasks_wait() -> None:
    """Let the other tasks run until they wait."""
    for _ in range(5):
        await checkpoint()


async def until_read(port: SerialPort) -> None:
    """Let the other task receive what the far end has sent last."""
    before = port.statistics.bytes_received
    while port.statistics.bytes_received == before:
        await checkpoint()
    await until_tasks_wait()


async def test_open_send_receive(device: Device) -> None:
    with anyio.fail_after(10):
        async with await open_serial_port(device.path) as port:
            await port.send(b"*IDN?\n")
            assert await device.hears(6) == b"*IDN?\n"
            device.says(b"ACME,1\n")
            assert await port.receive() == b"ACME,1\n"
        assert not port.is_open


async def test_open_by_keywords(device: Device) -> None:
    with anyio.fail_after(10):
        async with await SerialPort.open(device.path, baudrate=9600, stop_bits=2) as port:
            assert (port.path, port.config.baudrate, port.config.stop_bits) == (device.path, 9600, "2")
            assert port.actual_baudrate == 9600
            device.says(b"x")
            assert await port.receive() == b"x"


async def test_connectable(device: Device) -> None:
    with anyio.fail_after(10):
        connectable = SerialConnectable(path=device.path, config=SerialConfig(baudrate=57600))
        async with await connectable.connect() as port:
            device.says(b"x")
            assert await port.receive() == b"x"


async def test_port_that_is_not_there() -> None:
    with pytest.raises(PortNotFoundError, match="/dev/no-such-port") as caught:
        await open_serial_port("/dev/no-such-port")
    assert isinstance(caught.value, FileNotFoundError)


async def test_fixed_length_frame_in_pieces(device: Device) -> None:
    received: list[bytes] = []
    with anyio.fail_after(10):
        async with await open_serial_port(device.path) as port, anyio.create_task_group() as tasks:
            frames = BufferedByteStream(port)

            async def read() -> None:
                received.append(await frames.receive_exactly(8))
                received.append(await frames.receive_exactly(2))

            tasks.start_soon(read)
            for piece in (b"\x02abc", b"def", b"\x03more"):
                device.says(piece)
                await until_read(port)
    assert received == [b"\x02abcdef\x03", b"mo"]


async def test_delimiter_that_straddles_two_reads(device: Device) -> None:
    received: list[bytes] = []
    with anyio.fail_after(10):
        async with await open_serial_port(device.path) as port, anyio.create_task_group() as tasks:
            lines = BufferedByteStream(port)

            async def read() -> None:
                received.append(await lines.receive_until(b"\r\n", max_bytes=64))
                received.append(await lines.receive_until(b"\r\n", max_bytes=64))

            tasks.start_soon(read)
            device.says(b"first\r")
            await until_read(port)
            assert received == []
            device.says(b"\nsecond\r\n")
    assert received == [b"first", b"second"]


async def test_delimiter_that_does_not_come(device: Device) -> None:
    with anyio.fail_after(10):
        async with await open_serial_port(device.path) as port:
            lines = BufferedByteStream(port)
            device.says(b"x" * 40)
            with pytest.raises(anyio.DelimiterNotFound):
                await lines.receive_until(b"\n", max_bytes=32)
            assert await lines.receive_exactly(40) == b"x" * 40


async def test_timeout_around_a_receive_loses_nothing(device: Device) -> None:
    with anyio.fail_after(10):
        async with await open_serial_port(device.path) as port:
            with anyio.move_on_after(0.01) as scope:
                await port.receive()
            assert scope.cancelled_caught
            device.says(b"late")
            assert await port.receive() == b"late"


async def test_all_that_is_queued_in_one_read(device: Device) -> None:
    burst = bytes(range(256)) * 15 + bytes(255)  # 4095 bytes, what a Linux tty holds
    with anyio.fail_after(10):
        async with await open_serial_port(device.path) as port:
            device.says(burst)
            while port.input_waiting() < len(burst):
                await checkpoint()  # the kernel's worker brings it across
            assert await port.receive_available(limit=4096) == burst
            assert port.statistics.bytes_received == len(burst)


async def test_fan_out_with_one_failing_port_kept_apart() -> None:
    devices = [Device() for _ in range(8)]
    devices[3].hang_up()
    answers: dict[str, bytes | SerialError] = {}

    async def query(path: str) -> None:
        try:
            async with await open_serial_port(path) as port:
                await port.send(b"?")
                answers[path] = await port.receive()
        except SerialError as exc:
            answers[path] = exc

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for device in devices:
                tasks.start_soon(query, device.path)
            for number, device in enumerate(devices):
                if number != 3:
                    assert await device.hears(1) == b"?"
                    device.says(bytes([number]))
    assert isinstance(answers.pop(devices[3].path), PortNotFoundError)
    assert sorted(answer for answer in answers.values() if isinstance(answer, bytes)) == [
        bytes([number]) for number in range(8) if number != 3
    ]
    for device in devices:
        device.hang_up()


async def test_reconfiguration_of_a_port_in_use(device: Device) -> None:
    with anyio.fail_after(10):
        async with await open_serial_port(device.path) as port:
            received: list[bytes] = []

            async def read() -> None:
                received.append(await port.receive())

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await until_tasks_wait()
                await port.configure(port.config.with_changes(baudrate=9600))
                assert (port.config.baudrate, port.actual_baudrate) == (9600, 9600)
                assert received == []
                device.says(b"undisturbed")
    assert received == [b"undisturbed"]


async def test_hang_up_ends_a_receive(device: Device) -> None:
    with anyio.fail_after(10):
        async with await open_serial_port(device.path) as port:

            async def read() -> None:
                with pytest.raises(SerialDisconnectedError):
                    await port.receive()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await until_tasks_wait()
                device.hang_up()
            assert not port.is_open


async def test_list_and_find(tmp_path: Path) -> None:
    with documented_ports(tmp_path), anyio.fail_after(10):
        devices = [info.device for info in await list_serial_ports()]
        assert "/dev/ttyUSB0" in devices
        found = await find_serial_port(vid=0x0403, serial_number="RIG-USB0")
        assert found is not None
        assert found.device == "/dev/ttyUSB0"
        async with await open_serial_port(found) as port:
            assert port.port_info == found
            await port.send(b"*IDN?\n")
            assert await BufferedByteStream(port).receive_until(b"\n", 64) == reply_to(b"*IDN?").rstrip()
    assert await find_serial_port(device="/dev/no-such-port") is None


async def test_pair_of_ports_with_a_fault() -> None:
    host, device = serial_port_pair()
    async with host, device:
        faults_of(host).short_write_max = 2
        with anyio.fail_after(10):
            await host.send(b"in pieces")
            assert await device.receive() == b"in pieces"


def test_blocking_port(device: Device) -> None:
    with BlockingPort.open(device.path, baudrate=9600) as port:
        device.says(b"hello")
        assert port.receive(64, timeout=1.0) == b"hello"
        with pytest.raises(TimeoutError):
            port.receive(64, timeout=0.01)
        device.says(b"still there")
        assert port.receive(64, timeout=1.0) == b"still there"
        port.send(b"ok", timeout=1.0)
        assert os.read(device.master, 2) == b"ok"
