"""The checks of the clauses of `SerialBackend`: D1 and so on."""

import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import anyio
from anyserial.exceptions import SerialClosedError, UnsupportedFeatureError

from anyserial_testing._conformance.subject import Skipped, Subject, expect

__all__ = ("DESCRIPTOR",)

_BLOCKED = 0.5  # seconds that no call takes which does not wait, on a busy machine either


async def read_returns_what_is_there(subject: Subject) -> None:
    await subject.open()
    read = subject.backend.read
    nothing = read(16)
    expect(nothing is None, f"read returns {nothing!r} when there is nothing")
    await subject.far_send(b"abcdef")
    await subject.arrived(6)
    found = read(4)
    expect(isinstance(found, bytes), f"read returns {found!r}")
    expect(1 <= len(found) <= 4, f"read(4) returns {found!r}")
    rest = await subject.read_exactly(6 - len(found))
    expect(found + rest == b"abcdef", f"reads returned {found!r} and {rest!r} of b'abcdef'")


async def read_into_writes_to_the_buffer(subject: Subject) -> None:
    await subject.open()
    buffer = memoryview(bytearray(4))
    nothing = subject.backend.read_into(buffer)
    expect(nothing is None, f"read_into returns {nothing!r} when there is nothing")
    await subject.far_send(b"abcdef")
    await subject.arrived(6)
    found = b""
    while len(found) < 6:
        count = subject.backend.read_into(buffer)
        expect(count is not None and 1 <= count <= 4, f"read_into of 4 bytes returns {count!r}")
        found += bytes(buffer[:count])
    expect(found == b"abcdef", f"read_into wrote {found!r} for b'abcdef'")


async def write_returns_what_was_taken(subject: Subject) -> None:
    await subject.open()
    for data in (b"abc", memoryview(b"xdefx")[1:4]):
        count = subject.backend.write(data)
        expect(isinstance(count, int) and 1 <= count <= 3, f"write of 3 bytes into an empty queue returns {count!r}")
        await subject.write(bytes(data)[count:])
        got = await subject.far_receive(3)
        expect(got == bytes(data), f"{bytes(data)!r} was written and {got!r} arrived")


async def nothing_blocks(subject: Subject) -> None:
    await subject.open()
    backend, chunk = subject.backend, bytes(65536)
    _at_once("read", lambda: backend.read(16))
    _at_once("read_into", lambda: backend.read_into(memoryview(bytearray(16))))
    for _ in range(1000):
        taken = _at_once("write", lambda: backend.write(chunk))
        expect(taken is None or 1 <= taken <= len(chunk), f"write into a full queue returns {taken!r}")
        if taken is None:
            break
    for query in ("input_waiting", "output_waiting", "hung_up"):
        with suppress(UnsupportedFeatureError):
            _at_once(query, getattr(backend, query))


def _at_once[T](name: str, call: Callable[[], T]) -> T:
    began = time.monotonic()
    result = call()
    took = time.monotonic() - began
    expect(took < _BLOCKED, f"{name} took {took:.1f} s")
    return result


def _readable(number: int) -> bool:
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return any(events & select.POLLIN for _, events in poll.poll(0))


async def descriptor_tells_of_input(subject: Subject) -> None:
    try:
        number = subject.backend.fileno()
    except SerialClosedError:
        pass
    else:
        raise AssertionError(f"fileno returns {number!r} before open")
    await subject.open()
    number = subject.backend.fileno()
    expect(not _readable(number), "the descriptor is readable on a silent line")
    await subject.far_send(b"ab")
    await subject.arrived(2)
    expect(await subject.read_exactly(1) == b"a", "the first byte did not arrive")
    expect(_readable(number), "the descriptor is not readable while a byte waits")
    expect(await subject.read_exactly(1) == b"b", "the second byte did not arrive")
    expect(not _readable(number), "the descriptor is readable after everything was read")


async def hang_up_is_told(subject: Subject) -> None:
    await subject.open()
    expect(subject.backend.hung_up() is False, "hung_up is not False while the device is there")
    await subject.far_send(b"x")
    await subject.arrived(1)
    expect(subject.backend.hung_up() is False, "hung_up is not False while input waits")
    expect(await subject.read() == b"x", "hung_up took the input")
    await subject.hang_up()
    while not subject.backend.hung_up():
        await anyio.sleep(0.001)


async def input_is_counted(subject: Subject) -> None:
    await subject.open()
    count = subject.backend.input_waiting
    try:
        expect(count() == 0, f"input_waiting is {count()} on a silent line")
    except UnsupportedFeatureError:
        raise Skipped("the backend does not count input") from None
    await subject.far_send(b"abc")
    await subject.arrived(1)
    while count() < 3:
        await anyio.sleep(0.001)
    expect(count() == 3, f"input_waiting is {count()} when 3 bytes wait")
    await subject.read_exactly(1)
    expect(count() == 2, f"input_waiting is {count()} when 2 of 3 bytes are left")


async def output_leaves(subject: Subject) -> None:
    await subject.open()
    backend = subject.backend
    await subject.write(b"abc")
    await subject.far_receive(3)
    try:
        while backend.output_waiting():
            await anyio.sleep(0.001)
    except UnsupportedFeatureError:
        pass
    backend.drain()
    while (empty := backend.transmitter_empty()) is False:
        await anyio.sleep(0.001)
    expect(empty in {True, None}, f"transmitter_empty returns {empty!r}")
    await subject.far_send(b"x")
    await subject.arrived(1)
    backend.reset_output_buffer()
    expect(await subject.read() == b"x", "reset_output_buffer took input")


async def close_closes_and_nothing_else(subject: Subject) -> None:
    await subject.open()
    number = subject.backend.fileno()
    before = os.fstat(number)
    await subject.write(b"last words")
    subject.backend.close()
    try:
        after = os.fstat(number)
    except OSError:
        pass
    else:
        same = (after.st_dev, after.st_ino, after.st_rdev) == (before.st_dev, before.st_ino, before.st_rdev)
        expect(not same, f"descriptor {number} is open after close")
    expect(await subject.far_receive(10) == b"last words", "close discarded output")


async def close_of_a_gone_device(subject: Subject) -> None:
    await subject.open()
    await subject.hang_up()
    try:
        subject.backend.close()
    except Exception as error:  # what the check is about
        raise AssertionError(f"close of a device that is gone raises {error!r}") from error
    expect(not subject.backend.is_open, "is_open is true after close")


async def decoder_keeps_the_bytes(subject: Subject) -> None:
    config = subject.bench.config
    await subject.open(config.with_changes(line_errors="ignore"))
    expect(subject.backend.line_decoder is None, "there is a line_decoder without LineErrors.RAISE")
    subject.backend.configure(config.with_changes(line_errors="raise"))
    data = b"\xff\xffa\x00\xff\x00b\xff"
    for most in (1, 2, 3, 64):
        decode = subject.backend.line_decoder
        await subject.far_send(data)
        found = b""
        while len(found) < len(data):
            part = await subject.read(most)
            for item in [part] if decode is None else decode(part):
                expect(isinstance(item, bytes), f"line_decoder found {item!r} in good bytes")
                found += item
        expect(found == data, f"line_decoder makes {found!r} of {data!r} in reads of {most}")


async def steps_onto_lists(subject: Subject) -> None:
    await subject.open()
    read_onto = getattr(subject.backend, "read_onto", None)
    write_onto = getattr(subject.backend, "write_onto", None)
    if read_onto is None and write_onto is None:
        raise Skipped("the backend has neither")
    items: list[bytes] = []
    if read_onto is not None:
        found = read_onto(items, 16)
        expect(found is False and not items, f"read_onto returns {found!r} and appends {items!r} on a silent line")
        await subject.far_send(b"abc")
        await subject.arrived(3)
        while sum(map(len, items)) < 3:
            expect(read_onto(items, 2) is True, "read_onto does not return True although bytes wait")
            expect(1 <= len(items[-1]) <= 2, f"read_onto of 2 bytes appends {items[-1]!r}")
        expect(b"".join(items) == b"abc", f"read_onto appended {items!r} for b'abc'")
    counts: list[int] = []
    if write_onto is not None:
        expect(write_onto(counts, b"abc") is True, "write_onto into an empty queue does not return True")
        expect(len(counts) == 1 and 1 <= counts[0] <= 3, f"write_onto of 3 bytes appends {counts!r}")
        await subject.write(b"abc"[counts[0] :])
        expect(await subject.far_receive(3) == b"abc", "write_onto did not send its bytes")


async def other_threads_may_call(subject: Subject) -> None:
    await subject.open()
    backend, config, errors = subject.backend, subject.bench.config, list[BaseException]()

    def configure() -> None:
        for baudrate in (9600, 19200, 9600, 19200):
            backend.configure(config.with_changes(baudrate=baudrate))

    def look() -> None:
        for _ in range(4):
            backend.transmitter_empty()
            with suppress(UnsupportedFeatureError):
                backend.modem_lines()

    def guarded(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001  # reported below
            errors.append(error)

    # The port makes one `configure` at a time.
    threads = [threading.Thread(target=guarded, args=(task,), daemon=True) for task in (configure, look)]
    for thread in threads:
        thread.start()
    for number in range(20):
        data = bytes((number, 255 - number))
        await subject.write(data)
        expect(await subject.far_receive(2) == data, "bytes were lost while other threads called")
        await subject.far_send(data)
        expect(await subject.read_exactly(2) == data, "input was lost while other threads called")
    while any(thread.is_alive() for thread in threads):
        await anyio.sleep(0.001)
    expect(not errors, f"a call on another thread raised {errors[:1]}")


DESCRIPTOR = (
    ("D1", read_returns_what_is_there),
    ("D2", read_into_writes_to_the_buffer),
    ("D3", write_returns_what_was_taken),
    ("D4", nothing_blocks),
    ("D5", descriptor_tells_of_input),
    ("D6", hang_up_is_told),
    ("D7", input_is_counted),
    ("D8", output_leaves),
    ("D9", close_closes_and_nothing_else),
    ("D9", close_of_a_gone_device),
    ("D10", decoder_keeps_the_bytes),
    ("D11", steps_onto_lists),
    ("D12", other_threads_may_call),
)
