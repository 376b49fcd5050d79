"""The checks of the clauses of `AsyncSerialBackend`: S1 and so on."""

import inspect

import anyio
import anyio.lowlevel
from anyserial.exceptions import UnsupportedFeatureError

from anyserial_testing._conformance.subject import Skipped, Subject, expect

__all__ = ("SELF_WAITING",)

_MOST_STEPS = 20  # of the event loop, in which an open is cancelled
_PATIENCE = 0.05  # seconds in which nothing may happen


async def receive_waits_and_returns(subject: Subject) -> None:
    await subject.open()
    with anyio.move_on_after(_PATIENCE) as scope:
        found = await subject.backend.receive(4)
        raise AssertionError(f"receive returns {found!r} on a silent line")
    expect(scope.cancelled_caught, "receive swallows a cancellation")
    await subject.far_send(b"abcdef")
    found = await subject.backend.receive(4)
    expect(isinstance(found, bytes) and 1 <= len(found) <= 4, f"receive(4) returns {found!r}")
    rest = await subject.read_exactly(6 - len(found))
    expect(found + rest == b"abcdef", f"receives returned {found!r} and {rest!r} of b'abcdef'")


async def cancelled_receive_loses_nothing(subject: Subject) -> None:
    await subject.open()
    found = bytearray()
    for number in range(40):
        await subject.far_send(bytes((number,)))
        async with anyio.create_task_group() as tasks:

            async def receive() -> None:
                found.extend(await subject.backend.receive(1))

            tasks.start_soon(receive)
            for _ in range(number % 8):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    with anyio.move_on_after(1):
        while len(found) < 40:
            found += await subject.backend.receive(64)
    expect(
        found == bytes(range(40)), f"of 40 bytes {40 - len(found)} were lost to cancelled receives, or came in disorder"
    )


async def send_returns_what_was_taken(subject: Subject) -> None:
    await subject.open()
    for data in (b"abc", memoryview(b"xdefx")[1:4]):
        count = await subject.backend.send(data)
        expect(isinstance(count, int) and 1 <= count <= 3, f"send of 3 bytes returns {count!r}")
        await subject.write(bytes(data)[count:])
        got = await subject.far_receive(3)
        expect(got == bytes(data), f"{bytes(data)!r} was sent and {got!r} arrived")


async def queries_are_plain(subject: Subject) -> None:
    await subject.open()
    for name in ("input_waiting", "output_waiting"):
        try:
            count = getattr(subject.backend, name)()
        except UnsupportedFeatureError:
            continue
        if inspect.iscoroutine(count):
            count.close()
            raise AssertionError(f"{name} is a coroutine function")
        expect(isinstance(count, int) and count >= 0, f"{name} returns {count!r}")


async def cancelled_close_releases(subject: Subject) -> None:
    await subject.open()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await subject.backend.aclose()
    expect(not subject.backend.is_open, "is_open is true after a cancelled aclose")


async def close_ends_a_receive(subject: Subject) -> None:
    await subject.open()
    ended: list[BaseException] = []

    async def receive() -> None:
        try:
            await subject.backend.receive(1)
        except Exception as error:  # noqa: BLE001  # what the check is about
            ended.append(error)

    with anyio.move_on_after(1) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            await subject.backend.aclose()
    expect(ended and not scope.cancelled_caught, "a receive under way does not end with an error when aclose is called")


async def drains_wait(subject: Subject) -> None:
    await subject.open()
    for name in ("drain", "drain_exact"):
        await subject.write(b"abc")
        await subject.far_receive(3)
        await subject.call(name)
        try:
            left = subject.backend.output_waiting()
        except UnsupportedFeatureError:
            raise Skipped("the backend does not count output") from None
        expect(left == 0, f"output_waiting is {left} after {name}")


async def cancelled_open_leaves_nothing(subject: Subject) -> None:
    steps = 0
    # One step later each time, until the open is done before it is cancelled.
    while not subject.backend.is_open and steps <= _MOST_STEPS:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(subject.open)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        steps += 1
    if not subject.backend.is_open:
        await subject.open()
    # Nothing of the cancelled ones is in the way, and what is open is wholly open.
    await subject.far_send(b"x")
    with anyio.move_on_after(1) as scope:
        expect(await subject.read() == b"x", "a port whose open was cancelled receives something else than was sent")
    expect(not scope.cancelled_caught, "is_open is true after a cancelled open, and the port receives nothing")


SELF_WAITING = (
    ("S1", receive_waits_and_returns),
    ("S2", cancelled_receive_loses_nothing),
    ("S3", send_returns_what_was_taken),
    ("S4", queries_are_plain),
    ("S5", cancelled_close_releases),
    ("S6", close_ends_a_receive),
    ("S7", drains_wait),
    ("S8", cancelled_open_leaves_nothing),
)
