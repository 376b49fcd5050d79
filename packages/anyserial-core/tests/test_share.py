"""`anyserial.tap.share`: one port, several tasks, each with a link of its own."""

import os
import select
import tty
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.streams.file import FileStreamAttribute
from anyserial import (
    LineError,
    LineErrors,
    SerialClosedError,
    SerialConfig,
    SerialDisconnectedError,
    SerialError,
    SerialStreamAttribute,
    UnsupportedPlatformError,
    open_serial_port,
)
from anyserial.tap import InputLostError, PortLink, SharedPort, share
from backends import Far, PtyBackend, until

pytestmark = pytest.mark.anyio


async def shared_port(far: Far, backend: PtyBackend, **options: Any) -> SharedPort:
    return share(await open_serial_port(far.path, backend=backend), **options)


async def test_every_link_receives_everything(far: Far, backend: PtyBackend) -> None:
    async with await shared_port(far, backend) as shared, shared.link() as one, shared.link() as two:
        far.write(b"abc")
        assert await one.receive(2) == b"ab"
        assert await two.receive() == b"abc"
        assert await one.receive() == b"c"
        late = shared.link()
        far.write(b"d")
        assert [await link.receive() for link in (late, two, one)] == [b"d"] * 3


async def test_links_that_wait_get_one_read(far: Far, backend: PtyBackend) -> None:
    got: list[bytes] = []

    async def receive(link: PortLink) -> None:
        got.append(await link.receive())

    async with await shared_port(far, backend) as shared, anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(receive, shared.link())
        await wait_all_tasks_blocked()
        reads = backend.names().count("read")
        far.write(b"x")
        with anyio.fail_after(5):
            while len(got) < 5:
                await wait_all_tasks_blocked()
        assert backend.names().count("read") == reads + 1
    assert got == [b"x"] * 5


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_a_receive_that_is_cancelled_leaves_the_others_waiting(
    far: Far, backend: PtyBackend, cancelled: int
) -> None:
    got: dict[int, bytes] = {}
    scopes: list[anyio.CancelScope] = []
    async with await shared_port(far, backend) as shared:
        links = [shared.link() for _ in range(3)]

        async def receive(number: int) -> None:
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                got[number] = await links[number].receive()

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for number in range(3):
                    tasks.start_soon(receive, number)
                    await wait_all_tasks_blocked()
                scopes[cancelled].cancel()
                await wait_all_tasks_blocked()
                far.write(b"x")
            assert got == {number: b"x" for number in range(3) if number != cancelled}
            assert await links[cancelled].receive() == b"x"


async def test_a_cancelled_receive_takes_nothing_from_the_log(far: Far, backend: PtyBackend) -> None:
    async with await shared_port(far, backend) as shared, shared.link() as one, shared.link() as two:
        far.write(b"x")
        await one.receive()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await two.receive()
        assert scope.cancelled_caught
        assert await two.receive() == b"x"


async def test_a_slow_link_loses_the_oldest_and_is_told_and_the_others_are_not_affected(
    far: Far, backend: PtyBackend
) -> None:
    async with await shared_port(far, backend, capacity=4) as shared, shared.link() as fast, shared.link() as slow:
        for piece in (b"abc", b"def", b"g"):
            far.write(piece)
            assert await fast.receive() == piece
        with pytest.raises(InputLostError, match="3 bytes were dropped") as caught:
            await slow.receive()
        assert (caught.value.missed, caught.value.filename) == (3, far.path)
        assert await slow.receive() == b"defg"
        far.write(b"h")
        assert await slow.receive() == b"h"


async def test_one_sends_at_a_time_in_the_order_of_asking(far: Far, backend: PtyBackend) -> None:
    async with await shared_port(far, backend) as shared, shared.link() as one, shared.link() as two:
        pieces = [bytes([number]) * 9000 for number in range(1, 7)]
        expected = b"".join(pieces)
        got = b""
        async with anyio.create_task_group() as tasks:
            for number, piece in enumerate(pieces):
                tasks.start_soon((one, two)[number % 2].send, piece)
                await wait_all_tasks_blocked()
            with anyio.fail_after(10):
                while len(got) < len(expected):
                    await anyio.wait_readable(far.master)
                    got += os.read(far.master, 65536)
        assert got == expected


async def test_a_send_that_waits_for_its_turn_sends_nothing_if_it_is_given_up(far: Far, backend: PtyBackend) -> None:
    async with await shared_port(far, backend) as shared, shared.link() as one, shared.link() as two:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(one.send, bytes(100_000))
                await wait_all_tasks_blocked()
                with anyio.move_on_after(0):
                    await two.send(b"never")

                async def refused() -> None:
                    with pytest.raises(SerialClosedError, match="this link is closed"):
                        await two.send(b"never")

                tasks.start_soon(refused)
                await wait_all_tasks_blocked()
                await two.aclose()
                got = b""
                while len(got) < 100_000:
                    await anyio.wait_readable(far.master)
                    got += os.read(far.master, 65536)
            await one.send_eof()
            assert not select.select([far.master], [], [], 0)[0]


@pytest.mark.parametrize("waiting", [1, 2])
async def test_closing_a_link_ends_its_receive_and_no_other(far: Far, backend: PtyBackend, waiting: int) -> None:
    ended: list[str] = []
    async with await shared_port(far, backend) as shared:
        one, two = shared.link(), shared.link()

        async def receive(link: PortLink, name: str) -> None:
            try:
                ended.append(f"{name} {(await link.receive()).decode()}")
            except anyio.ClosedResourceError:
                ended.append(f"{name} closed")

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for link, name in ((one, "one"), (two, "two")):
                    tasks.start_soon(receive, link, name)
                    await wait_all_tasks_blocked()
                await (one, two)[waiting - 1].aclose()
                await wait_all_tasks_blocked()
                far.write(b"x")
        assert sorted(ended) == (["one closed", "two x"] if waiting == 1 else ["one x", "two closed"])
        closed = (one, two)[waiting - 1]
        assert repr(closed).endswith("closed>")
        with pytest.raises(SerialClosedError, match="make another one"):
            await closed.receive()
        with pytest.raises(SerialClosedError):
            await closed.send(b"x")
        with pytest.raises(SerialClosedError):
            await closed.send_eof()
        await closed.aclose()
        assert shared.port.is_open


@pytest.mark.parametrize(
    ("end", "error"), [("hang up", SerialDisconnectedError), ("close", SerialClosedError)], ids=["hang-up", "close"]
)
async def test_the_end_of_the_port_reaches_every_link_after_its_bytes(
    far: Far, backend: PtyBackend, end: str, error: type[SerialError]
) -> None:
    ended: list[type[BaseException]] = []
    shared = await shared_port(far, backend)
    slow = shared.link()
    links = [shared.link() for _ in range(3)]

    async def receive(link: PortLink) -> None:
        try:
            await link.receive()
        except SerialError as exc:
            ended.append(type(exc))

    far.write(b"last")
    for link in links:
        assert await link.receive() == b"last"
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for link in links:
                tasks.start_soon(receive, link)
            await wait_all_tasks_blocked()
            if end == "close":
                await shared.aclose()
            else:
                far.hang_up()
        assert ended == [error] * 3
        assert await slow.receive() == b"last"
        with pytest.raises(error):
            await slow.receive()
        with pytest.raises(error):
            await slow.send(b"x")
    await shared.aclose()
    assert not shared.port.is_open


async def test_a_line_error_is_told_to_every_link_in_its_place(far: Far, backend: PtyBackend) -> None:
    backend.decoder = lambda data: [data[:1], LineError(None, "damaged", far.path, byte=0x58), data[1:]]
    config = SerialConfig(line_errors=LineErrors.RAISE)
    port = await open_serial_port(far.path, config, backend=backend)
    async with share(port) as shared:
        links = [shared.link(), shared.link()]
        far.write(b"ab")
        for link in links:
            assert await link.receive() == b"a"
            with pytest.raises(LineError) as caught:
                await link.receive()
            assert caught.value.byte == 0x58
            assert await link.receive() == b"b"


async def test_a_failed_read_is_told_to_the_link_that_read_and_the_others_go_on(far: Far, backend: PtyBackend) -> None:
    got: list[object] = []

    async def receive(link: PortLink) -> None:
        try:
            got.append(await link.receive())
        except SerialError as exc:
            got.append(exc.errno)

    def fail() -> None:
        backend.hooks.clear()
        raise SerialError(5, "a transfer failed", far.path)

    async with await shared_port(far, backend) as shared:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(receive, shared.link())
                await wait_all_tasks_blocked()
                tasks.start_soon(receive, shared.link())
                await wait_all_tasks_blocked()
                backend.hooks["read"] = fail
                far.write(b"x")
    assert got == [5, b"x"]


async def test_a_second_receive_on_a_link_is_refused(far: Far, backend: PtyBackend) -> None:
    async with await shared_port(far, backend) as shared, anyio.create_task_group() as tasks:
        link = shared.link()
        tasks.start_soon(link.receive)
        await wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError, match="this link"):
            await link.receive()
        with pytest.raises(anyio.BusyResourceError):
            await shared.port.receive()
        far.write(b"x")


async def test_the_links_face(far: Far, backend: PtyBackend) -> None:
    async with await shared_port(far, backend) as shared:
        link = shared.link()
        assert link.extra(SerialStreamAttribute.config) is shared.port.config
        assert link.extra(FileStreamAttribute.fileno, None) is None
        assert repr(link) == f"<anyserial.tap.PortLink to {far.path!r}, open>"
        assert repr(shared).startswith("<anyserial.tap.SharedPort of <anyserial.stream.SerialPort")
        for wrong, error in ((0, ValueError), (1.5, TypeError)):
            with pytest.raises(error, match="max_bytes must be"):
                await link.receive(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError, match="encode text first"):
            await link.send("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(TypeError, match=r"anyserial\.sync\.share"):
        share(object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("capacity", "error"), [(0, ValueError), (1.5, TypeError), (True, TypeError)])
async def test_a_capacity_is_checked(far: Far, backend: PtyBackend, capacity: Any, error: type[Exception]) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        with pytest.raises(error, match="capacity must be an integer, 1 or more"):
            share(port, capacity=capacity)


# Ptys: the part that makes them is not installed here.


class Pty:
    """A pty that takes only so much, as one that no program reads."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.device, self.program = os.openpty()
        tty.setraw(self.program)
        os.set_blocking(self.device, False)
        self.path = os.ttyname(self.program)
        self.room = room
        self.discarded = 0

    def fileno(self) -> int:
        return self.device

    def read(self, max_bytes: int) -> bytes | None:
        try:
            return os.read(self.device, max_bytes)
        except BlockingIOError:
            return None

    def write(self, data: memoryview) -> int | None:
        if not self.room:
            return None
        count = os.write(self.device, data[: self.room])
        self.room -= count
        return count

    def unread(self) -> int:
        return len(select.select([self.program], [], [], 0)[0])

    def discard_unread(self) -> None:
        self.discarded += 1

    def close(self) -> None:
        os.close(self.device)
        os.close(self.program)


@pytest.fixture
def make_pty(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Pty]]:
    """Let a stand-in for the platform part make ptys; returns the list of those made."""

    def prepare(**options: Any) -> list[Pty]:
        made: list[Pty] = []

        def create_pty() -> Pty:
            made.append(Pty(**options))
            return made[-1]

        driver = SimpleNamespace(create_pty=create_pty)

        def load_part(_name: str) -> Any:
            return driver

        monkeypatch.setattr("anyserial._drivers.load_part", load_part)
        return made

    return prepare


async def until_readable(fd: int) -> bytes:
    with anyio.fail_after(5):
        await anyio.wait_readable(fd)
    return os.read(fd, 65536)


async def test_a_program_on_a_pty_sees_what_is_received_and_sends(
    far: Far, backend: PtyBackend, make_pty: Callable[..., list[Pty]]
) -> None:
    ptys = make_pty()
    async with await shared_port(far, backend) as shared, shared.link() as link:
        async with shared.pty() as path:
            assert path == ptys[0].path
            far.write(b"seen by all")
            assert await until_readable(ptys[0].program) == b"seen by all"
            assert await link.receive() == b"seen by all"
            os.write(ptys[0].program, b"from a program")
            assert await until_readable(far.master) == b"from a program"
        assert shared.port.is_open
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(ptys[0].device)


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> list[anyio.Event]:
    """Let every wait for a pty's program last until the event that it appends here is set."""
    waits: list[anyio.Event] = []

    async def wait_writable(_: object) -> None:
        waits.append(anyio.Event())
        await waits[-1].wait()

    monkeypatch.setattr(anyio, "wait_writable", wait_writable)
    return waits


async def test_the_port_is_read_even_if_no_program_reads_the_pty(
    far: Far, backend: PtyBackend, make_pty: Callable[..., list[Pty]], blocked: list[anyio.Event]
) -> None:
    ptys = make_pty(room=3)
    async with await shared_port(far, backend, capacity=8) as shared, shared.pty():
        for number in range(10):
            far.write(b"%03d" % number)
            await until(lambda: not select.select([far.slave], [], [], 0)[0] and (blocked or not number))  # noqa: B023
        ptys[0].room = 1000
        blocked[0].set()
        got = b""
        while not got.endswith(b"009"):
            got += await until_readable(ptys[0].program)
        assert got.startswith(b"000")
        assert got.endswith(b"07008009")
        assert len(got) < 30
        assert ptys[0].discarded == 1


async def use_pty(shared: SharedPort, act: Callable[[], Any]) -> None:
    """Hold a pty until the port ends."""
    with anyio.fail_after(5):
        async with shared.pty():
            await act()
            await anyio.sleep_forever()


async def test_the_end_of_the_port_ends_the_block_after_its_last_bytes(
    far: Far, backend: PtyBackend, make_pty: Callable[..., list[Pty]]
) -> None:
    ptys = make_pty()

    async def act() -> None:
        far.write(b"last")
        await wait_all_tasks_blocked()
        far.hang_up()

    got = b""

    async def program() -> None:
        nonlocal got
        await until(lambda: ptys)
        got = await until_readable(ptys[0].program)

    async with await shared_port(far, backend) as shared, anyio.create_task_group() as tasks:
        tasks.start_soon(program)
        with pytest.raises(SerialDisconnectedError):
            await use_pty(shared, act)
        assert got == b"last"
        with pytest.raises(SerialDisconnectedError):
            await use_pty(shared, act)
        assert len(ptys) == 1


async def test_the_end_of_the_port_does_not_wait_for_a_program_for_long(
    far: Far,
    backend: PtyBackend,
    make_pty: Callable[..., list[Pty]],
    blocked: list[anyio.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ptys = make_pty(room=1)
    monkeypatch.setattr("anyserial._looking.ptys.PATIENCE", 0.01)

    async def act() -> None:
        far.write(b"abc")
        await until(lambda: blocked)
        os.write(ptys[0].program, b"too late")
        far.hang_up()

    async with await shared_port(far, backend) as shared:
        with pytest.raises(SerialDisconnectedError):
            await use_pty(shared, act)


async def test_an_error_of_the_block_comes_out_as_it_is(
    far: Far, backend: PtyBackend, make_pty: Callable[..., list[Pty]]
) -> None:
    make_pty()
    error = ZeroDivisionError()

    async def fail() -> None:
        raise error

    async with await shared_port(far, backend) as shared:
        with pytest.raises(ZeroDivisionError) as caught:
            await use_pty(shared, fail)
        assert caught.value is error


async def test_line_errors_are_not_passed_on_to_a_pty(
    far: Far, backend: PtyBackend, make_pty: Callable[..., list[Pty]]
) -> None:
    ptys = make_pty()
    backend.decoder = lambda data: [data[:1], LineError(None, "damaged", far.path, byte=0x58), data[1:]]
    config = SerialConfig(line_errors=LineErrors.RAISE)
    async with share(await open_serial_port(far.path, config, backend=backend)) as shared, shared.pty():
        far.write(b"ab")
        got = b""
        while len(got) < 2:
            got += await until_readable(ptys[0].program)
        assert got == b"ab"


async def test_what_a_program_writes_to_a_port_that_is_gone_is_dropped(
    far: Far, backend: PtyBackend, make_pty: Callable[..., list[Pty]]
) -> None:
    ptys = make_pty()

    def fail() -> None:
        raise SerialDisconnectedError(19, "gone", far.path)

    async def act() -> None:
        backend.hooks["write"] = fail
        os.write(ptys[0].program, b"x")

    async with await shared_port(far, backend) as shared:
        with pytest.raises(SerialDisconnectedError):
            await use_pty(shared, act)


async def test_a_platform_without_ptys_says_so(far: Far, backend: PtyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_part(_name: str) -> Any:
        return SimpleNamespace()

    monkeypatch.setattr("anyserial._drivers.load_part", load_part)
    async with await shared_port(far, backend) as shared:
        with pytest.raises(UnsupportedPlatformError, match="no pseudo-terminals"):
            await use_pty(shared, anyio.sleep_forever)
