"""Frames over AnyIO streams and over a port: receiving, ends, silence, exchanges, and the time of a read."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.abc import ObjectStream
from anyserial import (
    Capability,
    LineErrors,
    PortInfo,
    SerialCapabilities,
    SerialConfig,
    SerialDisconnectedError,
    SerialPort,
    UnsupportedFeatureError,
    open_serial_port,
)
from anyserial.exceptions import LineError
from anyserial.framing import (
    Delimited,
    FrameCutOff,
    FrameDamaged,
    FramedStream,
    FrameTooLong,
    Framing,
    Silence,
    Slip,
)
from backends import CAPABILITIES, Far, PtyBackend, until
from event_loops import only_on

pytestmark = pytest.mark.anyio
PATIENCE = 5


class Line(ObjectStream[bytes]):
    """A stream without a port: the test feeds it, and sees what is sent."""

    def __init__(self) -> None:
        self._feed, self._bytes = anyio.create_memory_object_stream[bytes](100)
        self.sent: list[bytes] = []
        self.on_send: Callable[[bytes], object] | None = None

    def feed(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._feed.send_nowait(piece)

    async def receive(self) -> bytes:
        return await self._bytes.receive()

    async def send(self, item: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        self.sent.append(item)
        if self.on_send is not None:
            self.on_send(item)

    async def send_eof(self) -> None:
        self.sent.append(b"eof")

    def end(self) -> None:
        self._feed.close()

    async def aclose(self) -> None:
        self.close()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {}

    def close(self) -> None:
        self._feed.close()
        self._bytes.close()


class FastBackend(PtyBackend):
    """A `PtyBackend` that can be set to low latency."""

    @property
    def capabilities(self) -> SerialCapabilities:
        return replace(CAPABILITIES, low_latency=Capability.SUPPORTED)


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


@asynccontextmanager
async def lines_from(far: Far, backend: PtyBackend, **fields: Any) -> AsyncGenerator[FramedStream]:
    async with FramedStream(
        await open_serial_port(far.path, SerialConfig(**fields), backend=backend), Delimited(b"\n")
    ) as framed:
        yield framed


async def test_frames_come_one_by_one(far: Far, backend: PtyBackend) -> None:
    async with lines_from(far, backend) as framed:
        assert isinstance(framed.stream, SerialPort)
        assert isinstance(framed.framing, Delimited)
        far.write(b"one\ntwo\nthr")
        with anyio.fail_after(PATIENCE):
            assert [await framed.receive(), await framed.receive()] == [b"one", b"two"]
            far.write(b"ee\n")
            assert await framed.receive() == b"three"
            await framed.send(b"four")
            await framed.send_eof()
        assert far.read(5) == b"four\n"
        assert framed.extra_attributes.keys() == framed.stream.extra_attributes.keys()


async def test_a_cancelled_receive_loses_nothing(far: Far, backend: PtyBackend) -> None:
    async with lines_from(far, backend) as framed:
        for piece in (b"a", b"bc", b"", b"d"):
            if piece:
                far.write(piece)
            with anyio.move_on_after(0.02):
                await framed.receive()
        far.write(b"e\nf\n")
        with anyio.fail_after(PATIENCE):
            assert [await framed.receive(), await framed.receive()] == [b"abcde", b"f"]


async def test_iteration_ends_with_the_stream(line: Line) -> None:
    line.feed(b"a\nb", b"\n\n")
    line.end()
    async with FramedStream(line, Delimited(b"\n")) as framed:
        assert [frame async for frame in framed] == [b"a", b"b", b""]
        await framed.send_eof()
    assert line.sent == [b"eof"]
    with pytest.raises(anyio.ClosedResourceError):
        await framed.receive()


async def test_the_end_in_a_frame_is_told_with_what_came(line: Line) -> None:
    line.feed(b"a\nbc")
    line.end()
    async with FramedStream(line, Delimited(b"\n")) as framed:
        assert await framed.receive() == b"a"
        with pytest.raises(FrameCutOff) as caught:
            await framed.receive()
        assert caught.value.partial == b"bc"
        assert isinstance(caught.value.__cause__, anyio.EndOfStream)
        with pytest.raises(anyio.EndOfStream):
            await framed.receive()


async def test_an_unplug_in_a_frame_is_told_with_what_came(far: Far, backend: PtyBackend) -> None:
    async with lines_from(far, backend) as framed:
        far.write(b"a\nbc")
        with anyio.fail_after(PATIENCE):
            assert await framed.receive() == b"a"
            far.hang_up()
            with pytest.raises(FrameCutOff) as caught:
                await framed.receive()
            assert (caught.value.partial, caught.value.filename) == (b"bc", far.path)
            assert isinstance(caught.value.__cause__, SerialDisconnectedError)
            for _ in range(2):
                with pytest.raises(SerialDisconnectedError):
                    await framed.receive()


async def test_a_line_error_ends_its_frame(far: Far, backend: PtyBackend) -> None:
    damage = LineError(None, "damaged", kind="parity_or_framing", byte=1)
    a_break = LineError(None, "break", kind="break", byte=0)

    def decode(data: bytes) -> list[bytes | LineError]:
        items: list[bytes | LineError] = []
        for number, part in enumerate(data.split(b"!")):
            items += [damage] * bool(number) + [piece for piece in [part] if piece]
        return [a_break if item == b"%" else item for item in items]

    backend.decoder = decode
    async with lines_from(far, backend, line_errors=LineErrors.RAISE) as framed:
        with anyio.fail_after(PATIENCE):
            far.write(b"ab!c\nd\n")
            with pytest.raises(FrameDamaged) as caught:
                await framed.receive()
            assert caught.value.partial == b"ab"
            assert caught.value.__cause__ is damage
            assert await framed.receive() == b"d"
            far.write(b"%")
            with pytest.raises(LineError):
                await framed.receive()
            far.write(b"e\n")
            assert await framed.receive() == b"e"
            far.write(b"fg")
            await until(lambda: framed.stream.input_waiting() == 2)  # type: ignore[union-attr]
            with anyio.move_on_after(0.02):
                await framed.receive()
            far.write(b"%")
            with pytest.raises(FrameDamaged) as caught:
                await framed.receive()
            assert caught.value.partial == b"fg"
            far.write(b"h\ni\n")
            assert await framed.receive() == b"i"


async def test_too_long_frames_are_told_once_and_skipped(line: Line) -> None:
    framed = FramedStream(line, Delimited(b"\n", max_size=3))
    line.feed(b"abcd", b"efgh", b"\nok\n")
    with pytest.raises(FrameTooLong) as caught:
        await framed.receive()
    assert caught.value.partial == b"abc"
    assert await framed.receive() == b"ok"


async def test_one_task_receives(line: Line) -> None:
    framed = FramedStream(line, Delimited(b"\n"))
    async with anyio.create_task_group() as group:
        group.start_soon(framed.receive)
        await wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError, match="receiving from"):
            await framed.receive()
        with pytest.raises(anyio.BusyResourceError, match="receiving from"):
            await framed.exchange(b"x", timeout=1)
        assert line.sent == []
        line.feed(b"a\n")
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: framed.exchange(b"x", timeout=PATIENCE))
        await until(lambda: line.sent)
        with pytest.raises(anyio.BusyResourceError, match="exchanging over"):
            await framed.receive()
        line.feed(b"a\n")


async def test_sends_are_not_mixed(line: Line) -> None:
    framed = FramedStream(line, Slip())
    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(framed.send, bytes([number + 1]) * 3)
    assert sorted(line.sent) == [bytes([0xC0, *[number + 1] * 3, 0xC0]) for number in range(5)]


async def test_what_is_no_framing_is_refused(line: Line) -> None:
    with pytest.raises(TypeError, match="framing must be a Framing"):
        FramedStream(line, b"\n")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="quiet"):
        FramedStream(line, Delimited(b"\n"), quiet=-1)


# Silence


async def test_silence_ends_a_frame(far: Far, backend: PtyBackend) -> None:
    port = await open_serial_port(far.path, SerialConfig(baudrate=300), backend=backend)
    async with FramedStream(port, Silence()) as framed:
        with anyio.fail_after(PATIENCE):
            far.write(b"one")
            assert await framed.receive() == b"one"
            far.write(b"tw")
            with anyio.move_on_after(0):
                await framed.receive()
            far.write(b"o")
            assert await framed.receive() == b"two"


async def test_silence_is_heard_without_a_port(line: Line) -> None:
    framed = FramedStream(line, Silence(seconds=0.1))  # a busy machine may take longer than 20 ms between the two
    line.feed(b"o", b"ne")
    with anyio.fail_after(PATIENCE):
        assert await framed.receive() == b"one"
    with pytest.raises(UnsupportedFeatureError, match="seconds="):
        FramedStream(line, Silence())
    with pytest.raises(UnsupportedFeatureError, match="seconds="):
        _ = Silence().length


async def test_the_silence_follows_the_settings(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, SerialConfig(baudrate=9600), backend=backend) as port:
        silence = Silence(minimum=0.00175)
        FramedStream(port, silence)
        assert silence.length == pytest.approx(35 / 9600)
        assert (silence.guess, silence.uncertainty, silence.silence) == (None, 0, None)
        await port.configure(port.config.with_changes(parity="even", stop_bits=2))
        assert silence.length == pytest.approx(42 / 9600)
        await port.configure(port.config.with_changes(baudrate=115200))
        assert silence.length == 0.00175
        assert (Silence(seconds=2).length, Silence(seconds=2).guess, Silence(seconds=2).uncertainty) == (2, None, 0)


@pytest.mark.parametrize(
    ("transport", "driver", "low_latency", "held", "why"),
    [
        ("usb", "ftdi_sio", False, 0.017, "FTDI"),
        ("usb", "ftdi_sio", True, 0.002, "FTDI"),
        ("usb", "cp210x", False, 0.005, "USB"),
        ("pci", "serial", False, 0.001 + 110 / 9600, "FIFO"),
        ("virtual", None, False, 0, None),
    ],
)
async def test_the_driver_s_buffering_is_added(
    far: Far, *, transport: str, driver: str | None, low_latency: bool, held: float, why: str | None
) -> None:
    backend = FastBackend()
    config = SerialConfig(baudrate=9600, low_latency=low_latency)
    backend.open(far.path, config)
    info = PortInfo(device=far.path, transport=transport, driver=driver)
    async with SerialPort(backend, config, port_info=info) as port:
        silence = Silence(low_latency=False)
        FramedStream(port, silence)
        assert silence.uncertainty == pytest.approx(held)
        assert silence.length == pytest.approx(35 / 9600 + held)
        assert (silence.guess is None) if why is None else (why in (silence.guess or ""))
        allowed = FramedStream(port, Silence())
        far.write(b"x")
        with anyio.fail_after(PATIENCE):
            assert await allowed.receive() == b"x"
        assert port.config.low_latency == (driver == "ftdi_sio")


# Exchanges


async def test_exchanges_are_made_in_the_order_of_asking(line: Line) -> None:
    framed = FramedStream(line, Delimited(b"\n"))
    line.on_send = lambda data: line.feed(b"re:" + data)
    answers: list[bytes] = []

    async def ask(request: bytes) -> None:
        answers.append(await framed.exchange(request, timeout=PATIENCE))

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(ask, b"%d" % number)
            await wait_all_tasks_blocked() if not number else None
    assert sorted(answers) == [b"re:%d" % number for number in range(5)]
    assert [b"re:" + data[:-1] for data in line.sent] == answers


async def test_stale_input_is_no_answer(far: Far, backend: PtyBackend) -> None:
    strays: list[bytes] = []
    async with await open_serial_port(far.path, backend=backend) as port:
        framed = FramedStream(port, Delimited(b"\n"), unsolicited=strays.append)
        far.write(b"old\nhalf")

        async def answer() -> None:
            assert await anyio.to_thread.run_sync(far.read, 4) == b"ask\n"
            far.write(b"note\nanswer\n")

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(answer)
                assert await framed.exchange(b"ask", timeout=PATIENCE, accept=lambda f: f != b"note") == b"answer"
        assert strays == [b"old", b"note"]


async def test_a_full_queue_for_strays_ends_no_exchange(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    queue, strays = anyio.create_memory_object_stream[bytes](1)
    framed = FramedStream(line, Delimited(b"\n"), unsolicited=queue.send_nowait)
    line.feed(b"old\nolder\n")
    line.on_send = lambda data: line.feed(b"x" * 70 + b"\n" + b"re:" + data)
    with queue, strays, caplog.at_level(logging.WARNING, "anyserial.framing"):
        assert await framed.exchange(b"1", timeout=PATIENCE, accept=lambda f: f == b"re:1") == b"re:1"
        assert await framed.exchange(b"2", timeout=PATIENCE, accept=lambda f: f == b"re:2") == b"re:2"
        assert strays.receive_nowait() == b"old"
    assert [record.message for record in caplog.records] == [
        "the frame b'older' was given up, because unsolicited raised",
        *[f"the frame {b'x' * 64!r}... was given up, because unsolicited raised"] * 2,
    ]


async def test_a_late_answer_is_not_the_next_one_s(line: Line) -> None:
    strays: list[bytes] = []
    framed = FramedStream(line, Delimited(b"\n"), unsolicited=strays.append, quiet=0.2)
    with pytest.raises(TimeoutError, match="no answer within"):
        await framed.exchange(b"first", timeout=0.02)
    line.on_send = lambda data: line.feed(b"re:" + data)
    async with anyio.create_task_group() as group:

        async def late() -> None:
            line.feed(b"late")
            await anyio.sleep(0.05)
            line.feed(b"\n")

        group.start_soon(late)
        assert await framed.exchange(b"second", timeout=PATIENCE) == b"re:second"
    assert strays == [b"late"]


async def test_a_line_that_never_gets_quiet_is_a_timeout(line: Line) -> None:
    framed = FramedStream(line, Delimited(b"\n"), quiet=0.5)
    with pytest.raises(TimeoutError):
        await framed.exchange(b"first", timeout=0.02)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def babble() -> None:
                while True:
                    line.feed(b"x")
                    await anyio.sleep(0.01)

            group.start_soon(babble)
            with pytest.raises(TimeoutError):
                await framed.exchange(b"second", timeout=0.1)
            scope.cancel()
    assert line.sent == [b"first\n"]


async def test_attempts(line: Line) -> None:
    framed = FramedStream(line, Delimited(b"\n", max_size=5), quiet=0.001)
    answers = [[], [b"too long for it\n"], [b"good\n"]]
    line.on_send = lambda _: line.feed(*answers.pop(0))
    assert await framed.exchange(b"ask", timeout=0.3, attempts=3) == b"good"
    assert line.sent == [b"ask\n"] * 3
    answers += [[b"too long for it\n"]]
    with pytest.raises(FrameTooLong):
        await framed.exchange(b"ask", timeout=PATIENCE)
    line.on_send = lambda _: line.end()
    with pytest.raises(anyio.EndOfStream):
        await framed.exchange(b"ask", timeout=PATIENCE, attempts=3)


async def test_an_answer_that_is_cut_off_is_not_asked_for_again(line: Line) -> None:
    framed = FramedStream(line, Delimited(b"\n"))

    def answer(_request: bytes) -> None:
        line.feed(b"par")
        line.end()

    line.on_send = answer
    with pytest.raises(FrameCutOff) as caught:
        await framed.exchange(b"ask", timeout=PATIENCE, attempts=3)
    assert caught.value.partial == b"par"
    assert len(line.sent) == 1


@pytest.mark.parametrize(
    ("fields", "error"),
    [({"timeout": 0}, ValueError), ({"timeout": "1"}, TypeError), ({"timeout": 1, "attempts": 0}, ValueError)],
)
async def test_wrong_arguments_of_an_exchange(line: Line, fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        await FramedStream(line, Delimited(b"\n")).exchange(b"x", **fields)


async def test_a_cancelled_exchange_gives_up_its_answer(line: Line) -> None:
    framed = FramedStream(line, Delimited(b"\n"), quiet=0.2)
    with anyio.move_on_after(0.02):
        await framed.exchange(b"first", timeout=PATIENCE)
    line.feed(b"answer to the first\n")
    line.on_send = lambda data: line.feed(b"re:" + data)
    assert await framed.exchange(b"second", timeout=PATIENCE) == b"re:second"


async def test_silent_frames_before_a_request_are_handed_over(far: Far, backend: PtyBackend) -> None:
    strays: list[bytes] = []
    async with await open_serial_port(far.path, backend=backend) as port:
        framed = FramedStream(port, Silence(seconds=0.02), unsolicited=strays.append)
        far.write(b"stray")

        async def answer() -> None:
            assert await anyio.to_thread.run_sync(far.read, 3) == b"ask"
            far.write(b"answer")

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(answer)
                assert await framed.exchange(b"ask", timeout=PATIENCE) == b"answer"
        assert strays == [b"stray"]


async def test_a_framing_of_one_s_own(line: Line) -> None:
    class Pairs(Framing):
        def __init__(self) -> None:
            self._rest = b""

        def encode(self, frame: bytes) -> bytes:
            return frame

        def feed(self, data: bytes) -> list[Any]:
            data = self._rest + data
            whole = len(data) // 2 * 2
            self._rest = data[whole:]
            return [data[at : at + 2] for at in range(0, whole, 2)]

        def reset(self) -> bytes:
            rest, self._rest = self._rest, b""
            return rest

    line.feed(b"a", b"bcd", b"e")
    line.end()
    framed = FramedStream(line, Pairs())
    assert [await framed.receive(), await framed.receive()] == [b"ab", b"cd"]
    with pytest.raises(FrameCutOff) as caught:
        await framed.receive()
    assert caught.value.partial == b"e"


# The time of a read


async def test_the_time_of_a_read(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.fail_after(PATIENCE):
            for waits in (False, True):
                before = after = time.monotonic()
                data, at = b"", 0.0
                if not waits:
                    far.write(b"abc")
                async with anyio.create_task_group() as group:
                    if waits:
                        group.start_soon(anyio.to_thread.run_sync, far.write, b"abc")
                    data, at = await port.receive_with_time(2)
                    after = time.monotonic()
                assert data == b"ab"
                assert before <= at <= after
                assert (await port.receive_with_time())[0] == b"c"
            assert port.statistics.bytes_received == 6
            with pytest.raises(ValueError, match="max_bytes"):
                await port.receive_with_time(0)
            far.hang_up()
            with pytest.raises(SerialDisconnectedError):
                await port.receive_with_time()


@only_on("asyncio", "uvloop")  # the others do not read in the event loop's callback
async def test_a_cancelled_read_keeps_its_time(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(port.receive_with_time())
        await wait_all_tasks_blocked()
        # The cancellation is scheduled from within the read: it runs before the task that the read wakes.
        backend.hooks["read"] = lambda: loop.call_soon(task.cancel)
        far.write(b"early")
        with anyio.fail_after(PATIENCE), pytest.raises(asyncio.CancelledError):
            await task
        backend.hooks.clear()
        later = time.monotonic()
        assert port.statistics.bytes_received == 0
        data, at = await port.receive_with_time()
        assert data == b"early"
        assert at <= later
        far.write(b"x")
        assert (await port.receive_with_time())[1] > later


async def test_the_guards_of_a_timed_receive(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        async with anyio.create_task_group() as group:
            group.start_soon(port.receive)
            await wait_all_tasks_blocked()
            with pytest.raises(anyio.BusyResourceError):
                await port.receive_with_time()
            far.write(b"x")
        with anyio.CancelScope() as scope:
            scope.cancel()
            await port.receive_with_time()
        assert scope.cancelled_caught
