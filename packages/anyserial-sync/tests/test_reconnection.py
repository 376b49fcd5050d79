"""Coming back to a device, for threads, over parts that the test plays."""

import errno
import os
import sys
import threading
import tty
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyserial.config import SerialConfig
from anyserial.discovery import PortEvent, PortInfo
from anyserial.exceptions import PortBusyError, PortNotFoundError, SerialDisconnectedError, SerialError
from anyserial.sync import SerialPort, reconnect, wait_for_port

NODE = "/dev/ttyUSB0"
PORT = PortInfo(device=NODE, vid=0x0403, serial_number="A")


class Socket:
    """Where one device is plugged in; it plays both parts."""

    def __init__(self, new_backend: Callable[[], Any]) -> None:
        self._new_backend = new_backend
        self.master, self.path = -1, ""
        self.opened: list[Any] = []
        self.watchers: list[Watcher] = []
        self.refusals: deque[SerialError] = deque()
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def plug(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        self.report("added")

    def unplug(self) -> None:
        os.close(self.master)
        self.path = ""
        self.report("removed")

    def report(self, kind: str) -> None:
        for watcher in self.watchers:
            if watcher.ends:
                watcher.news.append(PortEvent(kind="added" if kind == "added" else "removed", port=PORT))
                os.write(watcher.ends[1], b"x")

    @property
    def is_quiet(self) -> bool:
        return not any(backend.is_open for backend in self.opened) and not any(each.ends for each in self.watchers)

    def create_backend(self) -> Any:
        backend = self._new_backend()
        open_pty = backend.open

        def open_(path: str, config: SerialConfig) -> None:
            self.entered.set()
            assert self.go_on.wait(10)
            if self.refusals:
                raise self.refusals.popleft()
            if not self.path:
                raise PortNotFoundError(errno.ENOENT, "there is no serial port at this path", path)
            open_pty(self.path, config)
            backend.path = path
            self.opened.append(backend)

        backend.open = open_
        return backend

    def open_watcher(self, *, interval: float) -> "Watcher":
        del interval
        self.watchers.append(watcher := Watcher())
        if self.path:
            watcher.events.append(PortEvent(kind="added", port=PORT))
        return watcher

    def matcher(self, **filters: object) -> Callable[[PortInfo], bool]:
        return lambda port: all(value in {None, getattr(port, name)} for name, value in filters.items())

    def find_port(self, **filters: object) -> PortInfo | None:
        return PORT if self.path and self.matcher(**filters)(PORT) else None

    def port_info_for(self, path: str) -> PortInfo | None:
        return PORT if self.path and path == NODE else None

    def locate(self, info: PortInfo) -> PortInfo:
        return info


class Watcher:
    def __init__(self) -> None:
        self.events: deque[PortEvent] = deque()
        self.news: deque[PortEvent] = deque()
        self.ends: tuple[int, ...] = os.pipe()

    def fileno(self) -> int | None:
        return self.ends[0]

    def timeout(self) -> float | None:
        return None

    def process(self) -> None:
        if self.news:
            os.read(self.ends[0], 1)
            self.events.append(self.news.popleft())

    def close(self) -> None:
        for end in self.ends:
            os.close(end)
        self.ends = ()


@pytest.fixture
def socket(monkeypatch: pytest.MonkeyPatch, new_backend: Callable[[], Any]) -> Iterator[Socket]:
    socket = Socket(new_backend)
    monkeypatch.setitem(sys.modules, "anyserial_posix", SimpleNamespace(create_backend=socket.create_backend))
    monkeypatch.setitem(sys.modules, "anyserial_discovery", socket)
    yield socket
    if socket.path:
        os.close(socket.master)


def wait_until(condition: Callable[[], object]) -> None:
    done = threading.Event()
    for _ in range(5000):
        if condition():
            return
        done.wait(0.001)
    raise TimeoutError


@pytest.mark.parametrize("device", [{"serial_number": "A"}, PORT], ids=["filters", "a PortInfo"])
def test_a_device_is_opened_each_time_it_comes(socket: Socket, device: PortInfo | dict[str, object]) -> None:
    rounds = 0
    with ThreadPoolExecutor(1) as pool, reconnect(device, baudrate=9600, timeout=10) as ports:
        pool.submit(socket.plug)
        for port in ports:
            rounds += 1
            os.write(socket.master, b"hello")
            assert port.receive(timeout=5) == b"hello"
            assert port.config.baudrate == 9600
            if rounds == 5:
                break
            socket.unplug()
            again = pool.submit(socket.plug)
            try:
                port.receive(timeout=5)
            except SerialDisconnectedError:
                again.result()
                continue
    assert len(socket.opened) == 5
    assert socket.is_quiet


def test_a_timeout_leaves_it_usable(socket: Socket) -> None:
    ports = reconnect({"vid": 0x0403}, timeout=0.02)
    for _ in range(2):
        with pytest.raises(TimeoutError, match="vid=1027"):
            next(ports)
    assert len(socket.watchers) == 1
    socket.plug()
    assert next(reconnect({"vid": 0x0403}, timeout=10)).is_open
    ports.close()


def test_a_device_that_does_not_settle_is_an_error(socket: Socket) -> None:
    socket.plug()
    socket.refusals.extend(PortBusyError(errno.EBUSY, "held by pid 1", NODE) for _ in range(100))
    with pytest.raises(PortBusyError, match="held by pid 1"):
        next(reconnect(PORT, settle=0.05))
    assert 80 < len(socket.refusals) < 99
    assert socket.is_quiet


def test_a_device_that_settles_is_opened(socket: Socket) -> None:
    socket.plug()
    socket.refusals.extend(PortBusyError(errno.EBUSY, "wait", NODE) for _ in range(3))
    with reconnect(PORT) as ports:
        assert next(ports).is_open


def test_leaving_the_loop_closes_everything(socket: Socket) -> None:
    socket.plug()
    kept: list[SerialPort] = []
    for port in reconnect(PORT):
        kept.append(port)
        break
    wait_until(lambda: socket.is_quiet)
    assert not kept[0].is_open


def test_a_disconnect_that_leaves_the_block_says_what_to_do(socket: Socket) -> None:
    socket.plug()

    def use() -> None:
        with reconnect(PORT) as ports:
            for port in ports:
                socket.unplug()
                port.receive(timeout=5)

    with pytest.raises(SerialDisconnectedError) as caught:
        use()
    assert "inside the loop over reconnect()" in caught.value.__notes__[0]


def test_another_thread_can_close_it_while_it_waits(socket: Socket) -> None:
    ports = reconnect(PORT)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, ports)
        wait_until(lambda: socket.watchers and ports._turn.locked() and ports._plan.state == "absent")
        with pytest.raises(anyio.BusyResourceError):
            next(ports)
        ports.close()
        assert isinstance(waiting.exception(10), anyio.ClosedResourceError)
    assert socket.is_quiet
    with pytest.raises(anyio.ClosedResourceError):
        next(ports)


def test_another_thread_can_close_it_while_it_opens(socket: Socket) -> None:
    socket.plug()
    socket.go_on.clear()
    ports = reconnect(PORT)
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(next, ports)
        assert socket.entered.wait(10)
        ports.close()
        socket.go_on.set()
        assert isinstance(opening.exception(10), anyio.ClosedResourceError)
    assert socket.is_quiet


def test_wait_for_port(socket: Socket) -> None:
    with pytest.raises(TimeoutError, match="no such port"):
        wait_for_port(serial_number="A", timeout=0.02)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait_for_port, serial_number="A", timeout=10)
        wait_until(lambda: len(socket.watchers) == 2)
        socket.plug()
        assert waiting.result(10) is PORT
    assert wait_for_port() is PORT
    with pytest.raises(TimeoutError):
        wait_for_port(serial_number="B", timeout=0)
    assert socket.is_quiet
