"""A forked child never touches its parent's ports, however it ends and whatever it calls."""

import fcntl
import gc
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.streams.file import FileStreamAttribute
from anyserial import SerialConfig, SerialPort, open_serial_port
from anyserial._port import forking
from anyserial.exceptions import SerialClosedError
from backends import Far, PtyBackend, until
from children import fork, join, run_in_child

pytestmark = pytest.mark.anyio


class HeldBackend(PtyBackend):
    """Takes a lock, as the driver does for an exclusive port, and gives it back when it is closed."""

    def open(self, path: str, config: SerialConfig) -> None:
        super().open(path, config)
        fcntl.flock(self.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        fcntl.flock(self.fileno(), fcntl.LOCK_UN)
        super().close()


@pytest.fixture
def backend() -> PtyBackend:
    return HeldBackend()


def _is_locked(path: str) -> bool:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)


def _what(number: int) -> str:
    return str(Path(f"/proc/self/fd/{number}").readlink())


def _uses(port: SerialPort) -> None:
    for query in (port.input_waiting, port.output_waiting):
        with pytest.raises(SerialClosedError, match=r"before fork\(\)"):
            query()


async def _uses_in_a_loop_of_its_own(port: SerialPort) -> None:
    for call in (port.receive, lambda: port.send(b"the child's"), port.drain, port.modem_lines):
        with pytest.raises(SerialClosedError, match=r"before fork\(\)"):
            await call()
    await port.aclose()


def _run(function: Callable[..., Awaitable[object]], *arguments: object) -> None:
    """Run it in an event loop of the child's own: in another thread, for this one's still counts as running."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(anyio.run, function, *arguments).result(5)


def _leave_by_exit(_held: list[SerialPort]) -> None:
    sys.exit(3)


def _forget(held: list[SerialPort]) -> None:
    held.clear()
    gc.collect()


def _use(held: list[SerialPort]) -> None:
    _uses(held[0])


def _use_in_a_loop(held: list[SerialPort]) -> None:
    _run(_uses_in_a_loop_of_its_own, held[0])


def _without_descriptors(held: list[SerialPort]) -> None:
    _uses(held[0])
    number = held[0]._port.transport.fileno()
    assert number is not None
    assert _what(number) == os.devnull


ENDS: dict[str, Callable[[list[SerialPort]], None]] = {
    "sys.exit": _leave_by_exit,
    "forgotten": _forget,
    "used": _use,
    "used in an event loop of its own": _use_in_a_loop,
}


@pytest.mark.parametrize("end", ENDS)
async def test_nothing_of_a_child_s_reaches_the_parent(far: Far, backend: PtyBackend, end: str) -> None:
    received: list[bytes] = []

    def check() -> None:
        backend.calls.clear()
        with suppress(SystemExit):
            ENDS[end](held)
        assert not backend.calls

    async with await open_serial_port(far.path, backend=backend) as port:
        held = [port]
        # Registered with the event loop, and parked there.
        far.write(b"before")
        assert await port.receive() == b"before"

        async def receive() -> None:
            received.append(await port.receive())

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(receive)
                await wait_all_tasks_blocked()
                run_in_child(check)
                assert _is_locked(far.path)
                far.write(b"for the parent")
        assert received == [b"for the parent"]
        await port.send(b"the parent's")
        assert far.read(12) == b"the parent's"
        assert "reset_output_buffer" not in backend.names()
    assert not _is_locked(far.path)


async def test_a_child_that_goes_on_with_the_task_is_refused(far: Far, backend: PtyBackend) -> None:
    """As a program does that forks in the middle of its `async with`, and ends there with sys.exit."""
    code = -1
    async with await open_serial_port(far.path, backend=backend) as port:
        child = fork()
        if not child:
            backend.calls.clear()
            try:
                async with port:
                    with pytest.raises(SerialClosedError, match=r"before fork\(\)"):
                        await port.receive()
                    sys.exit()
            except SystemExit:
                os._exit(0 if not backend.calls else 2)
            finally:
                os._exit(1)
        code = join(child)
        assert _is_locked(far.path)
    assert code == 0


async def test_a_child_without_a_free_descriptor(far: Far, backend: PtyBackend) -> None:
    ends = Far()
    others = [await open_serial_port(ends.path, backend=PtyBackend()) for _ in range(2)]

    async with await open_serial_port(far.path, backend=backend) as port:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)

        def check() -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for each in (port, *others):
                _without_descriptors([each])

        highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())  # noqa: ASYNC240
        readable, writable = os.pipe()
        fillers: list[int] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, limits[1]))
        try:
            with suppress(OSError):
                while True:
                    fillers.append(os.dup(0))
            child = fork()
            if not child:
                failure = b""
                try:
                    check()
                except BaseException as exc:  # noqa: BLE001  # told to the parent
                    failure = repr(exc).encode()
                os.write(writable, failure or b"fine")
                os._exit(0)
        finally:
            for filler in fillers:
                os.close(filler)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        try:
            join(child)
            assert os.read(readable, 4096) == b"fine"
        finally:
            os.close(readable)
            os.close(writable)
        assert _is_locked(far.path)
    for each in others:
        await each.aclose()
    ends.hang_up()


async def test_a_fork_while_a_close_is_under_way(far: Far, backend: PtyBackend) -> None:
    go = threading.Event()
    backend.hooks["reset_output_buffer"] = lambda: go.wait(5)
    backend.queued = 1000
    port = await open_serial_port(far.path, SerialConfig(close_timeout=0), backend=backend)
    await port.aclose()
    await until(lambda: "reset_output_buffer" in backend.names())
    assert backend.is_open

    def check() -> None:
        assert _what(backend.fileno()) == os.devnull
        with pytest.raises(SerialClosedError):
            port.input_waiting()
        _run(port.aclose)

    run_in_child(check)
    assert _is_locked(far.path)
    go.set()
    await until(lambda: not backend.is_open)


async def test_a_child_holds_no_duplicate_of_the_descriptor(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        port.extra(FileStreamAttribute.fileno)
        transport = port._port.transport
        watched = transport.watched()
        assert watched is not None
        assert watched != transport.fileno()
        far.write(b"x")
        assert await port.receive() == b"x"

        def check() -> None:
            assert _what(watched) == _what(backend.fileno()) == os.devnull

        run_in_child(check)
        assert _is_locked(far.path)


async def test_a_fork_while_an_opening_is_under_way(far: Far, backend: PtyBackend) -> None:
    """The driver's open has its descriptor, and does not come back yet."""
    go, entered = threading.Event(), threading.Event()
    opened = backend.open

    def open_slowly(path: str, config: SerialConfig) -> None:
        opened(path, config)
        entered.set()
        assert go.wait(5)

    backend.open = open_slowly  # type: ignore[method-assign]
    ports: list[SerialPort] = []

    async def connect() -> None:
        ports.append(await open_serial_port(far.path, backend=backend))

    def check() -> None:
        assert _what(backend.fileno()) == os.devnull
        assert not forking._owners

    async with anyio.create_task_group() as group:
        group.start_soon(connect)
        await until(entered.is_set)
        run_in_child(check)
        assert _is_locked(far.path)
        go.set()
    async with ports[0] as port:
        await port.send(b"x")
        assert far.read(1) == b"x"


async def test_a_child_can_open_a_port_of_its_own(far: Far, backend: PtyBackend) -> None:
    ends = Far()

    async def use(path: str) -> None:
        async with await open_serial_port(path, backend=PtyBackend()) as port:
            await port.send(b"the child's")
            await port.modem_lines()

    async with await open_serial_port(far.path, backend=backend) as port:
        await port.modem_lines()  # the pool of workers is in use
        run_in_child(lambda: _run(use, ends.path))
        assert ends.read(11) == b"the child's"
        await port.modem_lines()
    ends.hang_up()


PROGRAM = """
import os, sys, warnings, anyio
from anyserial import open_serial_port
from backends import Far, PtyBackend
from event_loops import KINDS
warnings.simplefilter("ignore", DeprecationWarning)

async def main():
    far, backend = Far(), PtyBackend()
    async with await open_serial_port(far.path, backend=backend) as port:
        far.write(b"before")
        await port.receive()
        backend.hooks["close"] = lambda: parent == os.getpid() or os.write(2, b"closed")
        child = os.fork()
        if not child:
            sys.exit(7)  # through every block, the event loop and the interpreter's exit
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == 7, code
        far.write(b"more")
        assert await port.receive() == b"more"
    print("fine", flush=True)

parent = os.getpid()
anyio.run(main, **KINDS[sys.argv[1]])
"""


@pytest.mark.skipif(
    sys.version_info >= (3, 14),
    reason="asyncio in Python 3.14 never ends the run of a forked child, with or without a port",
)
@pytest.mark.parametrize("runtime", ["asyncio", "uvloop"])
def test_a_child_that_ends_by_sys_exit_through_everything(runtime: str) -> None:
    """Not in trio, where a child that ends its run so takes the parent's wake-ups away, with or without a port."""
    path = os.pathsep.join(sys.path)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, runtime],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    # In development mode asyncio says so when a step takes long, which a fork does.
    said = [line for line in ended.stderr.splitlines() if not line.startswith("Executing <")]
    assert (ended.stdout, said, ended.returncode) == ("fine\n", [], 0)
