"""The public face of discovery, over a part that the test plays."""

import math
import os
import pickle
import threading
from collections import deque
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from anyserial import (
    PortEvent,
    PortInfo,
    SerialError,
    canonical_port_name,
    discovery,
    find_serial_port,
    list_serial_ports,
    watch_serial_ports,
)

pytestmark = pytest.mark.anyio

A = PortInfo(device="/dev/ttyUSB0", vid=0x0403, present=True)
B = PortInfo(device="/dev/ttyUSB1")


class Part:
    """What anyserial_discovery would be; it notes on which thread it is called."""

    def __init__(self) -> None:
        self.ports = [A, B]
        self.threads: list[threading.Thread] = []
        self.asked: dict[str, Any] = {}
        self.watchers: list[Watcher] = []
        self.descriptor = True
        self.refused = False
        self.gate = threading.Event()
        self.gate.set()

    def list_ports(self, backend: str) -> list[PortInfo]:
        self.threads.append(threading.current_thread())
        assert self.gate.wait(10)
        if backend != "native":
            raise ValueError(backend)
        return list(self.ports)

    def find_port(self, *, backend: str, **filters: object) -> PortInfo | None:
        self.threads.append(threading.current_thread())
        self.asked = {name: value for name, value in filters.items() if value is not None}
        return A

    def open_watcher(self, *, interval: float) -> "Watcher":
        self.threads.append(threading.current_thread())
        assert self.gate.wait(10)
        if self.refused:
            raise OSError(24, "Too many open files")
        watcher = Watcher(interval, descriptor=self.descriptor)
        self.watchers.append(watcher)
        return watcher


class Watcher:
    """Reports what the test puts into `found`."""

    def __init__(self, interval: float, *, descriptor: bool) -> None:
        self.events: deque[PortEvent] = deque([PortEvent(kind="added", port=A)])
        self.interval = interval
        self.pipe = os.pipe() if descriptor else None
        self.found: deque[PortEvent] = deque()
        self.threads: list[threading.Thread] = []
        self.processed = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.closed = threading.Event()
        self.closer = 0
        self.lock = threading.Lock()

    def find(self, event: PortEvent) -> None:
        self.found.append(event)
        if self.pipe is not None:
            os.write(self.pipe[1], b"x")

    def fileno(self) -> int | None:
        return None if self.pipe is None else self.pipe[0]

    def timeout(self) -> float | None:
        return self.interval if self.pipe is None else None

    def process(self) -> None:
        self.threads.append(threading.current_thread())
        self.processed.set()
        with self.lock:
            # As from a socket: what has happened is taken first, and what it means found out after.
            if self.pipe is not None and self.found:
                os.read(self.pipe[0], len(self.found))
            assert self.gate.wait(10)
            while self.found:
                self.events.append(self.found.popleft())

    def close(self) -> None:
        if self.pipe is not None and not self.closed.is_set():
            os.close(self.pipe[0])
            os.close(self.pipe[1])
        self.closer = threading.get_ident()
        self.closed.set()


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Part:
    part = Part()

    def load(name: str) -> Part:
        assert name == "anyserial_discovery"
        return part

    monkeypatch.setattr(discovery, "load_part", load)
    return part


async def until(event: threading.Event) -> None:
    with anyio.fail_after(10):
        while not event.is_set():
            await checkpoint()


def added(port: PortInfo) -> PortEvent:
    return PortEvent(kind="added", port=port)


async def test_list_is_done_off_the_loops_thread(part: Part) -> None:
    assert await list_serial_ports() == [A, B]
    assert threading.current_thread() not in part.threads


async def test_errors_of_the_part_come_through(part: Part) -> None:
    with pytest.raises(ValueError, match="nobody"):
        await list_serial_ports(backend="nobody")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def test_a_listing_that_hangs_can_be_cancelled(part: Part) -> None:
    part.gate.clear()
    try:
        with anyio.move_on_after(0) as scope:
            await list_serial_ports()
        assert scope.cancelled_caught
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(list_serial_ports)
            with anyio.fail_after(10):
                while not part.threads:
                    await checkpoint()
            tasks.cancel_scope.cancel()
    finally:
        part.gate.set()


async def test_find_passes_every_filter_on(part: Part) -> None:
    filters: dict[str, Any] = {
        "vid": 0x0403,
        "pid": 0,
        "serial_number": "S",
        "device": Path("/dev/x"),
        "location": "1-1",
        "interface_number": 0,
        "manufacturer": "M",
        "product": "P",
    }
    assert await find_serial_port(**filters) is A
    assert part.asked == filters
    assert threading.current_thread() not in part.threads


async def test_the_missing_part_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError("pip install anyserial-discovery")

    monkeypatch.setattr(discovery, "load_part", missing)
    for call in (list_serial_ports, find_serial_port):
        with pytest.raises(ImportError, match="anyserial-discovery"):
            await call()
    with pytest.raises(ImportError, match="anyserial-discovery"):
        async with watch_serial_ports():
            pass


async def test_watch_gives_events_in_order_and_looks_off_the_loops_thread(part: Part) -> None:
    removed = PortEvent(kind="removed", port=A)
    with anyio.fail_after(10):
        async with watch_serial_ports() as events:
            assert await anext(events) == added(A)
            watcher = part.watchers[0]
            watcher.find(added(B))
            watcher.find(removed)
            seen: list[PortEvent] = []
            async for event in events:
                seen.append(event)
                if event.kind == "removed":
                    break
            assert seen == [added(B), removed]
    assert watcher.closed.is_set()
    assert threading.current_thread() not in [*part.threads, *watcher.threads]


async def test_where_there_is_nothing_to_wait_on_it_looks_at_the_interval(part: Part) -> None:
    part.descriptor = False
    with anyio.fail_after(10):
        async with watch_serial_ports(interval=0.001) as events:
            assert await anext(events) == added(A)
            watcher = part.watchers[0]
            assert watcher.interval == 0.001
            async with anyio.create_task_group() as tasks:

                async def expect() -> None:
                    assert await anext(events) == added(B)

                tasks.start_soon(expect)
                await until(watcher.processed)
                watcher.find(added(B))


@pytest.mark.parametrize("descriptor", [True, False])
async def test_cancelling_loses_no_event(part: Part, descriptor: bool) -> None:
    part.descriptor = descriptor
    with anyio.fail_after(10):
        async with watch_serial_ports(interval=0.001) as events:
            await anext(events)
            watcher = part.watchers[0]
            watcher.gate.clear()
            watcher.find(added(B))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anext, events)
                await until(watcher.processed)
                # The look is under way in its thread when the task is cancelled.
                tasks.cancel_scope.cancel()

            async def expect() -> None:
                assert await anext(events) == added(B)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(expect)
                await anyio.wait_all_tasks_blocked()
                watcher.gate.set()
            with anyio.move_on_after(0):
                await anext(events)
            watcher.find(added(A))
            assert await anext(events) == added(A)


@pytest.mark.parametrize("descriptor", [True, False])
async def test_what_the_system_refused_to_look_at_is_looked_at_again(part: Part, descriptor: bool) -> None:
    part.descriptor = descriptor
    with anyio.fail_after(10):
        async with watch_serial_ports(interval=0.001) as events:
            await anext(events)
            watcher = part.watchers[0]
            process, refusals = watcher.process, 2
            owed: list[PortEvent] = []

            def refuse() -> None:
                nonlocal refusals
                process()
                owed.extend(watcher.events)
                watcher.events.clear()
                if refusals:
                    # Taken from the descriptor, and not found out.
                    refusals -= 1
                    raise SerialError(24, "Too many open files")
                watcher.events.extend(owed)

            watcher.process = refuse  # type: ignore[method-assign]
            watcher.find(added(B))
            for _ in range(2):
                with pytest.raises(SerialError, match="Too many"):
                    await anext(events)
            # Nothing says so a second time.
            assert await anext(events) == added(B)


@pytest.mark.parametrize("descriptor", [True, False])
async def test_closing_wakes_the_waiting_task(part: Part, descriptor: bool) -> None:
    part.descriptor = descriptor
    with anyio.fail_after(10):
        async with watch_serial_ports(interval=60) as events:
            await anext(events)
            async with anyio.create_task_group() as tasks:

                async def expect() -> None:
                    with pytest.raises(anyio.ClosedResourceError):
                        await anext(events)

                tasks.start_soon(expect)
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(anyio.BusyResourceError):
                    await anext(events)
                await events.aclose()
            assert part.watchers[0].closed.is_set()
            await events.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await anext(events)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_closing_never_blocks_the_loop(part: Part, cancelled: bool) -> None:
    """The kernel takes its time to close an inotify descriptor."""
    with anyio.fail_after(10):
        watch = watch_serial_ports()
        await watch.__aenter__()
        with anyio.CancelScope() as scope:
            if cancelled:
                scope.cancel()
            await watch.aclose()
        watcher = part.watchers[0]
        await until(watcher.closed)
        assert watcher.closer != threading.get_ident()


async def test_a_watch_is_entered_once(part: Part) -> None:
    watch = watch_serial_ports()
    with pytest.raises(anyio.ClosedResourceError):
        await anext(watch)
    async with watch:
        with pytest.raises(RuntimeError, match="only once"):
            await watch.__aenter__()
    with pytest.raises(RuntimeError, match="only once"):
        await watch.__aenter__()


@pytest.mark.parametrize("refused", [False, True])
async def test_a_watch_that_is_cancelled_while_it_opens_is_closed(part: Part, refused: bool) -> None:
    part.refused = refused
    part.gate.clear()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch_serial_ports().__aenter__)
            with anyio.fail_after(10):
                while not part.threads:
                    await checkpoint()
            tasks.cancel_scope.cancel()
    finally:
        part.gate.set()
    if refused:
        with anyio.fail_after(10):
            while part.threads[0].is_alive():
                await checkpoint()
        return
    with anyio.fail_after(10):
        while not part.watchers:
            await checkpoint()
    await until(part.watchers[0].closed)


@pytest.mark.parametrize("interval", [0, -1, math.nan, math.inf, 10**400])
async def test_an_interval_out_of_range_is_refused(interval: float) -> None:
    with pytest.raises(ValueError, match=r"^interval must be a finite number of seconds above 0 \(got "):
        watch_serial_ports(interval=interval)


@pytest.mark.parametrize("interval", ["1", None, True])
async def test_an_interval_of_the_wrong_type_is_refused(interval: Any) -> None:
    with pytest.raises(TypeError, match=r"^interval must be a finite number of seconds above 0 \(got "):
        watch_serial_ports(interval=interval)


def test_port_info_is_a_value() -> None:
    same = PortInfo(device="/dev/ttyUSB0", vid=0x0403)
    assert {A: 1}[same] == 1
    assert pickle.loads(pickle.dumps(A)) == A  # noqa: S301
    with pytest.raises(AttributeError):
        A.device = "x"  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError):
        PortInfo("/dev/ttyUSB0")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    assert [name for name in A.__slots__ if getattr(PortInfo(device="x"), name) is not None] == ["device", "present"]


def test_canonical_port_name_follows_links(tmp_path: Path) -> None:
    node = tmp_path / "ttyUSB0"
    node.touch()
    link = tmp_path / "by-id"
    link.symlink_to("ttyUSB0")
    assert canonical_port_name(str(link)) == canonical_port_name(link) == os.path.realpath(node)
    assert canonical_port_name("/nowhere/../ttyUSB0") == "/nowhere/../ttyUSB0"
    assert canonical_port_name("") == ""
    assert canonical_port_name("\0") == "\0"


@pytest.mark.parametrize("name", ["com8", "COM8", "\\\\.\\COM8", "\\\\?\\com8", "\\\\.\\\\\\?\\COM8"])
def test_canonical_port_name_by_windows_rules(name: str) -> None:
    assert canonical_port_name(name, platform="win32") == "COM8"
