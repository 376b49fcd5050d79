import contextlib
import errno
import io
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
from anyserial import (
    LineError,
    ModemLines,
    SerialClosedError,
    SerialConfig,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    UnsupportedFeatureError,
    open_serial_port,
)
from anyserial.testing import (
    MockBackend,
    RecordError,
    ReplayError,
    faults_of,
    record,
    replay,
    serial_port_pair,
    spy,
)

pytestmark = pytest.mark.anyio

HEADER = 'anyserial record 1\npath "/dev/ttyUSB0"\nconfig baudrate=9600\n'
ASKED = HEADER + (
    '0.000000 send "MEAS?\\n"\n0.010000 receive "+1.2"\n0.020000 receive "3\\n"\n0.500000 send "OFF\\n"\n0.600000 end\n'
)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        file = tmp_path / "meter.rec"
        file.write_text(text)
        return file

    return write


def events(text: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in text.splitlines()[3:]]


async def measure(port: SerialPort) -> bytes:
    await port.send(b"MEAS?\n")
    answer = b""
    while not answer.endswith(b"\n"):
        answer += await port.receive()
    return answer


async def test_record_holds_everything_in_order() -> None:
    host, device = serial_port_pair()
    text = io.StringIO()
    async with host, device:
        await device.set_control_lines(rts=True)
        with record(host, text):
            await host.send(b"A\n")
            await device.send(b"\x00\xff")
            await host.receive()
            await device.send(b"more")
            await host.receive_into(bytearray(4))
            await host.configure(host.config.with_changes(baudrate=9600))
            await host.set_control_lines(rts=True, dtr=False)
            await host.modem_lines()
            await host.modem_lines()
            await host.control_lines()
            await host.send_break(0)
            await host.reset_input_buffer()
            await host.reset_output_buffer()
        await host.send(b"not recorded")
    assert events(text.getvalue()) == [
        'send "A\\n"',
        'receive "\\x00\\xff"',
        'receive "more"',
        "configure baudrate=9600",
        "lines rts=on dtr=off",
        "modem cts=on dsr=off ri=off cd=off",
        "control rts=on dtr=off",
        "break on",
        "break off",
        "discard input",
        "discard output",
        "end",
    ]


async def test_record_ends_with_the_port(tmp_path: Path) -> None:
    host, device = serial_port_pair(config_a=SerialConfig(parity="odd"))
    file = tmp_path / "x.rec"
    record(host, file)
    await device.aclose()
    with pytest.raises(SerialDisconnectedError):
        await host.receive()
    await host.aclose()
    text = file.read_text()
    assert text.splitlines()[:3] == ["anyserial record 1", 'path "/dev/mockA"', "config parity=odd"]
    assert events(text) == ["gone", "close", "end"]


class FullDisk(io.StringIO):
    """Takes the header and one event; then the disk is full."""

    left = 2

    def write(self, text: str) -> int:
        if not self.left:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.left -= 1
        return super().write(text)


async def test_a_record_that_cannot_be_written_takes_nothing_from_the_port() -> None:
    host, device = serial_port_pair()
    async with host, device:
        recording = record(host, FullDisk())
        await host.send(b"A")
        assert recording.error is None
        await device.send(b"kept")
        assert await host.receive() == b"kept"
        assert isinstance(recording.error, OSError)
        await device.send(b"also kept")
        assert await host.receive() == b"also kept"
        with pytest.raises(OSError, match="No space left"):
            recording.close()
        recording.close()  # it has been told


async def test_the_end_of_a_block_tells_that_the_record_is_incomplete_unless_it_fails_itself() -> None:
    host, device = serial_port_pair()

    async def send_twice() -> None:
        await host.send(b"A")
        await host.send(b"B")

    async def fail() -> None:
        await send_twice()
        raise KeyError

    async with host, device:
        for use, error in ((send_twice, OSError), (fail, KeyError)):
            with pytest.raises(error), record(host, FullDisk()):
                await use()


async def test_a_record_that_ended_with_the_port_tells_that_it_is_incomplete() -> None:
    host, device = serial_port_pair()
    async with device:
        recording = record(host, FullDisk())
        await host.send(b"A")
        await host.aclose()
        with pytest.raises(OSError, match="No space left"):
            recording.close()


async def test_a_record_that_cannot_be_begun_leaves_no_file_open() -> None:
    host, device = serial_port_pair()
    async with host, device:
        with pytest.raises(OSError, match="No space left"):
            record(host, "/dev/full")
        await device.send(b"kept")
        assert await host.receive() == b"kept"


async def test_damaged_bytes_are_recorded_and_replayed(tmp_path: Path) -> None:
    file = tmp_path / "x.rec"

    async def listen(port: SerialPort) -> list[bytes | int | None]:
        got: list[bytes | int | None] = []
        while sum(1 if item is None or isinstance(item, int) else len(item) for item in got) < 4:
            try:
                got.append(await port.receive())
            except LineError as error:
                got.append(error.byte)
        return got

    host, device = serial_port_pair(config_a=SerialConfig(line_errors="raise"))
    async with host, device:
        faults_of(host).parity_errors = 1
        with record(host, file):
            await device.send(b"@B\xffC")
            first = await listen(host)
    assert events(file.read_text()) == ["damaged parity_or_framing byte=0x41", 'receive "B\\xffC"', "end"]
    async with replay(file).port() as port:
        assert await listen(port) == first == [0x41, b"B\xffC"]


async def test_faults_of_a_recorded_port_are_still_found() -> None:
    host, device = serial_port_pair()
    async with host, device:
        plan = faults_of(host)
        with record(host, io.StringIO()):
            assert faults_of(host) is plan


async def test_two_may_look_on_and_leave_in_any_order() -> None:
    host, device = serial_port_pair()
    first, second = io.StringIO(), io.StringIO()
    async with host, device:
        outer, inner = record(host, first), record(host, second)
        await host.send(b"1")
        outer.close()
        await host.send(b"2")
        inner.close()
        inner.close()
        await host.send(b"3")
    assert events(first.getvalue()) == ['send "1"', "end"]
    assert events(second.getvalue()) == ['send "1"', 'send "2"', "end"]


async def test_calls_that_wait_are_recorded() -> None:
    host, device = serial_port_pair()
    text = io.StringIO()
    got: list[bytes] = []
    received = anyio.Event()

    async def receive() -> None:
        got.append(await host.receive())
        received.set()

    async with host, device, anyio.create_task_group() as tasks:
        tasks.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        with record(host, text):
            await device.send(b"late")
            await received.wait()
    assert got == [b"late"]
    assert events(text.getvalue()) == ['receive "late"', "end"]


async def test_what_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    host, device = serial_port_pair()
    with pytest.raises(TypeError, match="port must be an open SerialPort"):
        record("/dev/ttyUSB0", tmp_path / "x.rec")
    with pytest.raises(FileNotFoundError):
        record(host, tmp_path / "missing" / "x.rec")
    with pytest.raises(ValueError, match="max_bytes must be"):
        spy(host, max_bytes=0)
    await device.aclose()
    await host.aclose()
    with pytest.raises(SerialClosedError):
        record(host, tmp_path / "x.rec")
    assert not await anyio.Path(tmp_path / "x.rec").exists()


@pytest.mark.parametrize("size", [1, 2, 3, 6])
async def test_replay_does_not_care_how_a_send_is_split(written: Callable[[str], Path], size: int) -> None:
    async with replay(written(ASKED)).port() as port:
        assert port.path == "/dev/ttyUSB0"
        assert port.config == SerialConfig(baudrate=9600)
        for at in range(0, 6, size):
            await port.send(b"MEAS?\n"[at : at + size])
        with anyio.fail_after(5):
            assert await port.receive(1) == b"+"
            assert await port.receive(3) + await port.receive(9) == b"1.23\n"
        await port.send(b"OFF\n")


async def test_one_send_may_span_several_of_the_record(written: Callable[[str], Path]) -> None:
    text = HEADER + '0.000000 send "ab"\n0.000000 send "c"\n0.100000 send "de"\n0.200000 end\n'
    async with replay(written(text)).port() as port:
        await port.send(b"abcde")


async def test_answer_comes_only_after_what_it_followed(written: Callable[[str], Path]) -> None:
    async with replay(written(ASKED)).port() as port:
        assert port.input_waiting() == 0
        await port.send(b"MEAS?")
        assert port.input_waiting() == 0
        await port.send(b"\n")
        assert port.input_waiting() == 6
        await port.receive()
        await port.send(b"OFF\n")


async def off(port: SerialPort) -> None:
    await measure(port)
    await port.send(b"OFF\n")


async def wrong_bytes(port: SerialPort) -> None:
    await port.send(b"ME")
    await port.send(b"AX?\n")


async def other_call(port: SerialPort) -> None:
    await port.send(b"ME")
    await port.configure(port.config.with_changes(baudrate=19200))


async def goes_on(port: SerialPort) -> None:
    await off(port)
    await port.send(b"X")


async def waits_for_more(port: SerialPort) -> None:
    await off(port)
    await port.receive()


async def stops(port: SerialPort) -> None:
    await measure(port)


async def stops_inside(port: SerialPort) -> None:
    await port.send(b"MEAS")


async def stops_unread(port: SerialPort) -> None:
    await port.send(b"MEAS?\nOFF\n")
    await port.receive(2)


async def swallows(port: SerialPort) -> None:
    with contextlib.suppress(Exception):
        await port.send(b"X")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            wrong_bytes,
            r"left .*meter.rec at line 4, byte 4 of 6 of the send:\n  expected \"S\?\\n\"\n  got      \"X\?\\n\"",
        ),
        (
            other_call,
            r"line 4, after byte 2 of 6 of the send:\n  expected send \"AS\?\\n\"\n  got      configure baudrate=19200",
        ),
        (goes_on, r"meter.rec is over \(line 8\), and the program goes on:\n  got      send \"X\""),
        (waits_for_more, r"meter.rec is over \(line 8\), and the program waits for more bytes. Pass silent_end=True"),
        (stops, r"stopped early, at .*meter.rec, line 7:\n  expected send \"OFF\\n\"\n  got      close"),
        (stops_inside, r"line 4, after byte 4 of the send:\n  expected send \"\?\\n\""),
        (stops_unread, r"had received everything: .*meter.rec, line 5, receive \"\.2\""),
        (swallows, r"left .*meter.rec at line 4, byte 1 of 6"),
    ],
)
async def test_replay_says_where_the_program_left_the_record(
    written: Callable[[str], Path], program: Callable[[SerialPort], Awaitable[None]], message: str
) -> None:
    with anyio.fail_after(5), pytest.raises(ReplayError, match=message):
        async with replay(written(ASKED)).port() as port:
            await program(port)


async def test_silent_end_waits(written: Callable[[str], Path]) -> None:
    async with replay(written(ASKED), silent_end=True).port() as port:
        await off(port)
        with anyio.move_on_after(0.02) as scope:
            await port.receive()
        assert scope.cancelled_caught


async def test_replay_opens_as_any_backend_and_again(written: Callable[[str], Path]) -> None:
    device = replay(written(ASKED))
    for _ in range(2):
        async with await open_serial_port("/dev/meter", SerialConfig(baudrate=9600), backend=device) as port:
            assert port.path == "/dev/meter"
            await off(port)
    with pytest.raises(ReplayError, match="recorded with '9600 8N1', and the port is opened with '115200 8N1'"):
        await open_serial_port("/dev/meter", backend=device)
    assert not device.is_open


async def test_other_events_are_checked_and_given_back(written: Callable[[str], Path]) -> None:
    text = HEADER + (
        "0.000000 configure parity=even\n"
        '0.100000 fail configure UnsupportedConfigurationError EINVAL "refused"\n'
        "0.200000 lines rts=on\n"
        "0.300000 modem cts=on dsr=off ri=off cd=off\n"
        "0.300000 modem cts=off dsr=off ri=off cd=off\n"
        '0.300000 fail control UnsupportedFeatureError ENOTTY "no such lines"\n'
        "0.400000 break on\n0.500000 break off\n"
        '0.600000 fail receive SerialError EIO "a transfer failed"\n'
        "0.700000 discard input\n"
        '0.800000 receive "bye"\n0.900000 gone\n0.900000 end\n'
    )
    async with replay(written(text)).port() as port:
        with pytest.raises(SerialError, match="refused"):
            await port.configure(port.config.with_changes(parity="even"))
        assert port.config.parity == "none"
        await port.set_control_lines(rts=True)
        assert await port.modem_lines() == ModemLines(cts=True, dsr=False, ri=False, cd=False)
        for _ in range(2):
            assert await port.modem_lines() == ModemLines(cts=False, dsr=False, ri=False, cd=False)
        with pytest.raises(UnsupportedFeatureError, match="no such lines"):
            await port.control_lines()
        with pytest.raises(UnsupportedFeatureError, match="the record has no line counters before line"):
            await port.line_counters()
        await port.send_break(0)
        with pytest.raises(SerialError, match="a transfer failed") as caught:
            await port.receive()
        assert caught.value.errno == errno.EIO
        await port.reset_input_buffer()
        assert await port.receive() == b"bye"
        with pytest.raises(SerialDisconnectedError):
            await port.receive()


async def test_replay_keeps_the_recorded_pace(written: Callable[[str], Path]) -> None:
    text = HEADER + '1.000000 send "?"\n1.050000 receive "a"\n1.100000 receive "b"\n1.100000 end\n'
    async with replay(written(text), pace=True).port() as port:
        began = time.monotonic()
        await port.send(b"?")
        with anyio.fail_after(5):
            assert await port.receive() == b"a"
            assert time.monotonic() - began >= 0.05
            assert await port.receive() == b"b"
            assert time.monotonic() - began >= 0.1


async def test_damaged_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.rec"
    file.write_bytes(b"anyserial record 1\n\xff")
    with pytest.raises(RecordError, match=r"x\.rec, line 2: the byte 0xff is not ASCII; write it as \\xff,"):
        replay(file)
    with pytest.raises(FileNotFoundError):
        replay(tmp_path / "missing.rec")


async def test_what_was_recorded_can_be_replayed(tmp_path: Path) -> None:
    file = tmp_path / "x.rec"
    near, far = MockBackend.pair()
    got = b""
    async with (
        await open_serial_port("near", backend=near) as host,
        await open_serial_port("far", backend=far) as device,
        anyio.create_task_group() as tasks,
    ):

        async def play() -> None:
            for byte in await device.receive():
                await device.send(bytes((byte, 0xFF - byte)))

        tasks.start_soon(play)
        with record(host, file):
            await host.send(bytes(range(100)))
            while len(got) < 200:
                got += await host.receive()
    async with replay(file).port() as port:
        await port.send(bytes(range(50)))
        await port.send(bytes(range(50, 100)))
        again = b""
        while len(again) < 200:
            again += await port.receive(7)
    assert again == got


async def test_spy_logs_bounded_lines(caplog: pytest.LogCaptureFixture) -> None:
    host, device = serial_port_pair()
    async with host, device:
        with caplog.at_level(logging.DEBUG, "anyserial.spy"), spy(host, max_bytes=4):
            await host.send(b"A\n\x00")
            await host.send(b"0123456789")
            await host.set_control_lines(rts=True)
        await host.send(b"quiet")
        other = logging.getLogger("meter")
        with caplog.at_level(logging.INFO, "meter"):
            with spy(host, other, level=logging.INFO):
                await device.send(b"!")
                await host.receive()
            with spy(host, other):
                await host.send(b"below the level")
    assert [(entry.name, entry.message) for entry in caplog.records if entry.name != "asyncio"] == [
        ("anyserial.spy", '/dev/mockA send 3: 41 0a 00 "A\\n\\x00"'),
        ("anyserial.spy", '/dev/mockA send 10: 30 31 32 33 "0123" and 6 more'),
        ("anyserial.spy", "/dev/mockA lines rts=on"),
        ("meter", '/dev/mockA receive 1: 21 "!"'),
    ]
