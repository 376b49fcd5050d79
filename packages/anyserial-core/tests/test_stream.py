"""Receiving and sending, on a pty: sizes, order, guards, and what a cancellation may not lose."""

import array
import asyncio
import os
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.streams.buffered import BufferedByteStream
from anyserial import BytesLike, SerialConfig, SerialPort, open_serial_port
from anyserial.exceptions import ConfigurationError, LineError
from backends import Far, PtyBackend, until
from event_loops import only_on

pytestmark = pytest.mark.anyio
reads_in_callback = only_on("asyncio", "uvloop")  # the others do not read in the event loop's callback


async def test_a_round_trip(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        for number in range(50):
            message = b"message %d\xff\x00\r\n\x11\x13\x03" % number
            await port.send(message)
            assert far.read(len(message)) == message
            far.write(message)
            with anyio.fail_after(5):
                assert await port.receive() == message
        assert port.statistics.bytes_sent == port.statistics.bytes_received > 0


async def test_a_receive_that_waits_is_woken(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        got: list[bytes] = []

        async def receive() -> None:
            got.append(await port.receive())

        for message in (b"first", b"second"):
            async with anyio.create_task_group() as group:
                group.start_soon(receive)
                await wait_all_tasks_blocked()
                assert got[-1:] != [message]
                far.write(message)
        assert got == [b"first", b"second"]


async def test_a_read_is_capped_by_both_limits(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, SerialConfig(read_chunk_size=64), backend=backend) as port:
        far.write(b"x" * 100)
        assert len(await port.receive(3)) == 3
        assert len(await port.receive(1000)) == 64
        assert len(await port.receive_available(limit=10)) == 10
        assert len(await port.receive_available()) == 23


async def test_a_burst_is_received_in_one_read(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        far.write(b"x" * 4096)
        await until(lambda: port.input_waiting() >= 4095)
        assert await port.receive_available(limit=4096) == b"x" * 4095
        assert await port.receive() == b"x"


@pytest.mark.parametrize("size", [0, -1, 1.5, "1", True, None])
async def test_a_wrong_size_is_refused_and_nothing_lost(far: Far, backend: PtyBackend, size: Any) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        far.write(b"x")
        with pytest.raises((TypeError, ValueError), match="max_bytes must be"):
            await port.receive(size)
        if size is not None:
            with pytest.raises((TypeError, ValueError), match="limit must be"):
                await port.receive_available(limit=size)
        assert await port.receive() == b"x"


async def test_receive_into_fills_what_there_is(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        buffer = bytearray(b"........")
        far.write(b"abc")
        assert await port.receive_into(buffer) == 3
        assert buffer == b"abc....."
        far.write(b"0123456789")
        assert await port.receive_into(memoryview(buffer)[4:]) == 4
        assert buffer == b"abc.0123"
        assert await port.receive() == b"456789"


async def test_receive_into_waits_and_gives_the_buffer_back(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, SerialConfig(read_chunk_size=64), backend=backend) as port:
        buffer = bytearray(1000)
        async with anyio.create_task_group() as group:
            group.start_soon(port.receive_into, buffer)
            await wait_all_tasks_blocked()
            far.write(b"y" * 100)
        assert buffer == b"y" * 64 + bytes(936)
        buffer.extend(b"resized: nobody holds it")
        assert await port.receive_into(buffer) == 36


async def test_a_buffer_that_was_sent_is_given_back(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        buffer = bytearray(b"z" * 200_000)
        received = 0
        async with anyio.create_task_group() as group:
            group.start_soon(port.send_buffer, buffer)
            await wait_all_tasks_blocked()
            while received < len(buffer):
                await anyio.wait_readable(far.master)
                received += len(os.read(far.master, 65536))
        buffer.extend(b"resized: nobody holds it")
        assert port.statistics.bytes_sent == 200_000


@pytest.mark.parametrize("buffer", [b"read-only", memoryview(b"read-only")])
async def test_receive_into_refuses_what_cannot_be_written(far: Far, backend: PtyBackend, buffer: Any) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        far.write(b"x")
        with pytest.raises(TypeError, match="writable"):
            await port.receive_into(buffer)
        assert await port.receive() == b"x"


async def test_receive_into_refuses_an_empty_buffer(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        far.write(b"x")
        with pytest.raises(ValueError, match="buffer"):
            await port.receive_into(bytearray())
        assert await port.receive() == b"x"


@pytest.mark.parametrize("data", [b"bytes", bytearray(b"bytes"), memoryview(b"bytes"), memoryview(b"b.y.t.e.s.")[::2]])
async def test_every_buffer_can_be_sent(far: Far, backend: PtyBackend, data: BytesLike) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        await port.send_buffer(data)
        assert far.read(5) == b"bytes"


async def test_an_array_is_sent_as_its_bytes(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        await port.send_buffer(memoryview(b"\x01\x02\x03\x04").cast("H"))
        assert far.read(4) == b"\x01\x02\x03\x04"
        assert port.statistics.bytes_sent == 4


async def test_an_array_larger_than_the_queue_is_sent_whole_by_send_too(far: Far, backend: PtyBackend) -> None:
    numbers: Any = array.array("I", range(40_000))
    async with await open_serial_port(far.path, backend=backend) as port, anyio.create_task_group() as group:
        group.start_soon(port.send, numbers)
        received = b""
        while len(received) < 160_000:
            await anyio.wait_readable(far.master)
            received += os.read(far.master, 65536)
        assert received == numbers.tobytes()


@pytest.mark.parametrize("wrong", ["text", "", 5, None, [1, 2], []])
async def test_what_is_no_buffer_is_refused_and_the_port_stays_usable(
    far: Far, backend: PtyBackend, wrong: Any
) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        with pytest.raises(TypeError, match=r"^data must be bytes or another buffer \(got "):
            await port.send(wrong)
        with pytest.raises(TypeError, match=r"^data must be bytes or another buffer \(got "):
            await port.send_buffer(wrong)
        await port.send(b"right")
        assert far.read(5) == b"right"
        assert port.statistics.bytes_sent == 5


async def test_sending_nothing_sends_nothing(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        await port.send(b"")
        await port.send_buffer(bytearray())
        await port.send_buffer(array.array("H"))
        assert "write" not in backend.names()


async def test_a_send_larger_than_the_queue_waits_for_room(far: Far, backend: PtyBackend) -> None:
    data = os.urandom(150_000)
    received = b""
    async with await open_serial_port(far.path, backend=backend) as port, anyio.create_task_group() as group:
        group.start_soon(port.send, data)
        while len(received) < len(data):
            with anyio.fail_after(10):
                await anyio.wait_readable(far.master)
            received += os.read(far.master, 65536)
    assert received == data


async def test_full_duplex(far: Far, backend: PtyBackend) -> None:
    data = os.urandom(100_000)
    received, echoed = b"", b""
    os.set_blocking(far.master, False)

    async def echo() -> None:
        nonlocal echoed
        pending = b""
        while len(echoed) < len(data):
            if not pending:
                await anyio.wait_readable(far.master)
                pending = os.read(far.master, 4096)
            try:
                count = os.write(far.master, pending)
            except BlockingIOError:
                await anyio.wait_writable(far.master)
                continue
            echoed, pending = echoed + pending[:count], pending[count:]

    with anyio.fail_after(20):
        async with await open_serial_port(far.path, backend=backend) as port, anyio.create_task_group() as group:
            group.start_soon(echo)
            group.start_soon(port.send, data)
            while len(received) < len(data):
                received += await port.receive()
    assert received == data


@pytest.mark.parametrize("second", ["receive", "receive_into", "receive_available"])
async def test_a_second_receiver_is_refused(far: Far, backend: PtyBackend, second: str) -> None:
    async with await open_serial_port(far.path, backend=backend) as port, anyio.create_task_group() as group:
        group.start_soon(port.receive)
        await wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError, match="receiving"):
            await (port.receive_into(bytearray(4)) if second == "receive_into" else getattr(port, second)())
        await port.send(b"a sender is none")
        far.write(b"x")


@pytest.mark.parametrize("second", ["send", "drain", "drain_exact", "send_break", "send_eof"])
async def test_a_second_sender_is_refused(far: Far, backend: PtyBackend, second: str) -> None:
    async with await open_serial_port(far.path, SerialConfig(close_timeout=0), backend=backend) as port:
        async with anyio.create_task_group() as group:
            group.start_soon(port.send, b"x" * 100_000)
            await wait_all_tasks_blocked()
            with pytest.raises(anyio.BusyResourceError, match="sending"):
                await (port.send(b"y") if second == "send" else getattr(port, second)())
            far.write(b"a receiver is none")
            assert await port.receive() == b"a receiver is none"
            group.cancel_scope.cancel()
        far.read(port.statistics.bytes_sent)
        await port.send(b"free again")
        assert far.read(10) == b"free again"


async def test_a_line_through_anyio_s_buffered_stream(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        stream = BufferedByteStream(port)
        got: list[bytes] = []

        async def receive() -> None:
            got.append(await stream.receive_until(b"\r\n", 64))

        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            await wait_all_tasks_blocked()
            far.write(b"a line\r")
            await wait_all_tasks_blocked()
            far.write(b"\nfixed")
        assert got == [b"a line"]
        assert await stream.receive_exactly(5) == b"fixed"
        far.write(b"z" * 64)
        with pytest.raises(anyio.DelimiterNotFound):
            await stream.receive_until(b"\r\n", 64)


# Cancellation


async def test_a_timeout_leaves_everything_for_the_next_receive(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        for _ in range(3):
            with anyio.move_on_after(0.01) as scope:
                await port.receive()
            assert scope.cancelled_caught
        far.write(b"late")
        assert await port.receive() == b"late"


@pytest.mark.parametrize("into", [False, True])
async def test_bytes_that_arrive_with_the_cancellation_lead_the_next_receive(
    far: Far, backend: PtyBackend, into: bool
) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:

        async def receive(scope: anyio.CancelScope) -> None:
            with scope:
                await (port.receive_into(bytearray(16)) if into else port.receive(16))
                pytest.fail("received although it was cancelled")

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                scope = anyio.CancelScope()
                group.start_soon(receive, scope)
                await wait_all_tasks_blocked()
                far.write(b"precious")
                scope.cancel()
            far.write(b" bytes")
            assert await _receive_exactly(port, 14) == b"precious bytes"
        assert port.statistics.bytes_received == 14


async def _receive_exactly(port: SerialPort, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += await port.receive(count - len(data))
    return data


async def _caught_between(port: SerialPort, far: Far, backend: PtyBackend, *, into: bool = False) -> None:
    """Have a task cancelled by ``task.cancel()`` after its bytes were read and before it woke."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(port.receive_into(bytearray(64)) if into else port.receive())
    await wait_all_tasks_blocked()
    # The cancellation is scheduled from within the read: it runs before the task that the read wakes.
    backend.hooks["read"] = lambda: loop.call_soon(task.cancel)
    far.write(b"precious")
    with anyio.fail_after(5), pytest.raises(asyncio.CancelledError):
        await task
    backend.hooks.clear()


@reads_in_callback
@pytest.mark.parametrize("into", [False, True])
async def test_a_task_cancelled_between_the_read_and_its_waking_loses_nothing(
    far: Far, backend: PtyBackend, into: bool
) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        await _caught_between(port, far, backend, into=into)
        assert port.input_waiting() == 8
        assert port.statistics.bytes_received == 0
        far.write(b" bytes")
        assert port.input_waiting() == 14
        assert await _receive_exactly(port, 14) == b"precious bytes"
        assert port.input_waiting() == 0
        assert port.statistics.bytes_received == 14


@reads_in_callback
async def test_carried_bytes_come_in_any_size_and_into_any_buffer(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        await _caught_between(port, far, backend)
        assert await port.receive(3) == b"pre"
        buffer = bytearray(2)
        assert await port.receive_into(buffer) == 2
        assert buffer == b"ci"
        assert await port.receive() == b"ous"


@reads_in_callback
async def test_reset_input_buffer_clears_what_was_carried(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        await _caught_between(port, far, backend)
        await port.reset_input_buffer()
        assert port.input_waiting() == 0
        far.write(b"new")
        assert await port.receive() == b"new"


@reads_in_callback
async def test_a_cancelled_task_receives_nothing_though_bytes_were_carried(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        await _caught_between(port, far, backend)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await port.receive()
        assert scope.cancelled_caught
        assert await port.receive() == b"precious"


@pytest.mark.parametrize("call", ["receive", "receive_into", "send"])
async def test_a_call_in_a_cancelled_scope_does_nothing(far: Far, backend: PtyBackend, call: str) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        far.write(b"data")
        assert await port.receive(1) == b"d"
        for _ in range(2):
            with anyio.CancelScope() as scope:
                scope.cancel()
                if call == "receive":
                    await port.receive()
                elif call == "receive_into":
                    await port.receive_into(bytearray(8))
                else:
                    await port.send(b"not this")
            assert scope.cancelled_caught
        assert await port.receive() == b"ata"
        assert port.statistics.bytes_sent == 0


async def test_a_cancelled_send_is_accounted_for(far: Far, backend: PtyBackend) -> None:
    data = bytes(range(256)) * 800
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.move_on_after(0.05) as scope:
            await port.send(data)
        assert scope.cancelled_caught
        sent = port.statistics.bytes_sent
        assert 0 < sent < len(data)
        assert far.read(sent) == data[:sent]


async def test_many_cancelled_receives_lose_no_byte(far: Far, backend: PtyBackend) -> None:
    """A byte at a time, each receive cancelled at a different point of its way."""
    data = bytes(range(256)) * 2
    got = bytearray()
    async with await open_serial_port(far.path, backend=backend) as port:

        async def receive(scope: anyio.CancelScope) -> None:
            with scope:
                got.extend(await port.receive())

        for index, value in enumerate(data):
            async with anyio.create_task_group() as group:
                scope = anyio.CancelScope()
                group.start_soon(receive, scope)
                for _ in range(index % 5):
                    await anyio.lowlevel.checkpoint()
                far.write(bytes((value,)))
                for _ in range(index % 3):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
        with anyio.fail_after(5):
            while len(got) < len(data):
                got += await port.receive()
    assert got == data


# Line errors


def _marked(data: bytes) -> list[bytes | LineError]:
    """Take every ``!`` for a damaged byte."""
    items: list[bytes | LineError] = []
    for index, piece in enumerate(data.split(b"!")):
        if index:
            items.append(LineError("damaged", byte=33))
        if piece:
            items.append(piece)
    return items


async def test_line_errors_come_in_their_place(far: Far, backend: PtyBackend) -> None:
    backend.decoder = _marked
    async with await open_serial_port(far.path, backend=backend) as port:
        far.write(b"good!bad!!more")
        assert await port.receive() == b"good"
        assert port.input_waiting() == 7
        buffer = bytearray(2)
        with pytest.raises(LineError) as caught:
            await port.receive_into(buffer)
        assert caught.value.byte == 33
        assert await port.receive_into(buffer) == 2
        assert await port.receive() == b"d"
        for _ in range(2):
            with pytest.raises(LineError):
                await port.receive()
        assert await port.receive() == b"more"
        assert port.is_open


async def test_a_line_error_wakes_the_receiver(far: Far, backend: PtyBackend) -> None:
    backend.decoder = _marked
    async with await open_serial_port(far.path, backend=backend) as port:
        caught: list[LineError] = []

        async def receive() -> None:
            try:
                await port.receive_into(bytearray(8))
            except LineError as exc:
                caught.append(exc)

        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            await wait_all_tasks_blocked()
            far.write(b"!after")
        assert len(caught) == 1
        assert await port.receive() == b"after"


async def test_a_mark_that_is_not_complete_gives_nothing_yet(far: Far, backend: PtyBackend) -> None:
    kept = b""

    def decode(data: bytes) -> list[bytes | LineError]:
        nonlocal kept
        kept += data
        if kept.endswith(b"\\"):
            return []
        whole, kept = kept, b""
        return [whole]

    backend.decoder = decode
    async with await open_serial_port(far.path, backend=backend) as port:
        for into in (False, True):
            async with anyio.create_task_group() as group:
                far.write(b"half\\")
                group.start_soon(port.receive_into, bytearray(16)) if into else group.start_soon(port.receive)
                await wait_all_tasks_blocked()
                far.write(b"whole")
        assert port.statistics.bytes_received == 2 * len(b"half\\whole")


@reads_in_callback
async def test_a_line_error_read_for_a_cancelled_task_is_not_lost(far: Far, backend: PtyBackend) -> None:
    backend.decoder = _marked
    async with await open_serial_port(far.path, backend=backend) as port:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(port.receive())
        await wait_all_tasks_blocked()
        backend.hooks["read"] = lambda: loop.call_soon(task.cancel)
        far.write(b"!after")
        with anyio.fail_after(5), pytest.raises(asyncio.CancelledError):
            await task
        backend.hooks.clear()
        with pytest.raises(LineError):
            await port.receive()
        assert await port.receive() == b"after"


async def test_a_receive_parked_across_configure_reads_as_the_new_settings_say(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        got: list[bytes] = []

        async def receive() -> None:
            got.append(await port.receive())

        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            await wait_all_tasks_blocked()
            backend.decoder = _marked
            await port.configure(port.config.with_changes(line_errors="raise"))
            far.write(b"good!")
        assert got == [b"good"]
        with pytest.raises(LineError):
            await port.receive()


# Fairness


async def test_a_flood_does_not_starve_other_tasks(far: Far, backend: PtyBackend) -> None:
    """Receives and sends that succeed at once let others run, after a bounded number in a row."""
    async with await open_serial_port(far.path, backend=backend) as port:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await anyio.lowlevel.checkpoint()

        far.write(b"x" * 3000)
        async with anyio.create_task_group() as group:
            group.start_soon(other)
            for _ in range(1000):
                await port.receive(1)
                await port.send(b"y")
                far.read(1)
            group.cancel_scope.cancel()
        assert turns >= 20


async def test_configuration_errors_reach_the_caller_of_open() -> None:
    with pytest.raises(ConfigurationError, match="baudrate"):
        await SerialPort.open("/dev/null", baudrate=0)
