"""Devices that are plugged in and pulled out, and the two parts that tell about them and open them.

A device is a pty. `Socket` plays both parts: its driver opens the pty of the device that has a node, and its
discovery reports what was plugged in, without any system behind it.
"""

import errno
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import override

import pytest
from anyserial import PortEvent, PortInfo, PortNotFoundError, SerialConfig
from backends import Far, PtyBackend

__all__ = ("Adapter", "Socket", "plugged_socket")


class Adapter(Far):
    """A device.

    Args:
        serial_number: Its serial number.
    """

    def __init__(self, serial_number: str) -> None:
        super().__init__()
        self.serial_number = serial_number


class Backend(PtyBackend):
    """Opens the device that is at a node."""

    def __init__(self, socket: "Socket") -> None:
        super().__init__()
        self._socket = socket

    @override
    def open(self, path: str, config: SerialConfig) -> None:
        socket = self._socket
        socket.attempts.append(path)
        while socket.on_open:
            socket.on_open.popleft()()
        if socket.refusals:
            raise socket.refusals.popleft()
        adapter = socket.adapters.get(path)
        if adapter is None and path.startswith("/dev/"):
            raise PortNotFoundError(errno.ENOENT, "there is no serial port at this path", path)
        try:
            super().open(path if adapter is None else adapter.path, config)
        except OSError as exc:
            raise PortNotFoundError(errno.ENOENT, "there is no serial port at this path", path) from exc
        self._path = path
        socket.backends.append(self)


class Watcher:
    """Reports on a pipe what was plugged in and pulled out."""

    def __init__(self, socket: "Socket") -> None:
        self._socket = socket
        self.ends = os.pipe()
        os.set_blocking(self.ends[0], False)
        self.events = deque(socket.event("added", node) for node in socket.adapters)
        self.closed = threading.Event()

    def fileno(self) -> int | None:
        return self.ends[0] if self._socket.has_descriptor else None

    def timeout(self) -> float | None:
        return None

    def process(self) -> None:
        if self._socket.looks:
            raise self._socket.looks.popleft()
        with suppress(BlockingIOError):
            os.read(self.ends[0], 1)
        if self._socket.news:
            self.events.append(self._socket.news.popleft())

    def close(self) -> None:
        if not self.closed.is_set():
            self.closed.set()
            for end in self.ends:
                os.close(end)


class Socket:
    """Where devices are plugged in; see the module.

    Attributes:
        adapters: The devices that are plugged in, by node.
        attempts: The paths that were opened, or were tried to.
        backends: What was opened.
        on_open: Called once each by the next attempt, before anything else.
        refusals: What the next attempts end with.
        looks: What the next looks of a watch end with.
        on_watch: Called by `open_watcher`, before anything else.
        has_descriptor: Whether watchers have one to wait on.
    """

    def __init__(self) -> None:
        self.adapters: dict[str, Adapter] = {}
        self.attempts: list[str] = []
        self.backends: list[Backend] = []
        self.watchers: list[Watcher] = []
        self.on_open: deque[Callable[[], object]] = deque()
        self.refusals: deque[Exception] = deque()
        self.looks: deque[Exception] = deque()
        self.on_watch: Callable[[], object] = bool
        self.has_descriptor = True
        self.news: deque[PortEvent] = deque()
        self._made: list[Adapter] = []

    # What the tests do

    def plug(self, node: str, serial_number: str) -> Adapter:
        """Plug a device in."""
        adapter = self.adapters[node] = Adapter(serial_number)
        self._made.append(adapter)
        self.report(self.event("added", node))
        return adapter

    def unplug(self, node: str) -> None:
        """Pull a device out."""
        gone = self.event("removed", node)
        self.adapters.pop(node).hang_up()
        self.report(gone)

    def report(self, event: PortEvent | None) -> None:
        """Let the watch look; there it finds *event*, or nothing."""
        for watcher in self.watchers:
            if not watcher.closed.is_set():
                if event is not None:
                    self.news.append(event)
                os.write(watcher.ends[1], b"x")

    def info(self, node: str) -> PortInfo:
        """What is known of the device at a node."""
        number = self.adapters[node].serial_number
        return PortInfo(device=node, vid=0x0403, serial_number=number, by_id=f"/dev/serial/by-id/usb-{number}")

    def event(self, kind: str, node: str) -> PortEvent:
        """The event of a device at a node."""
        return PortEvent(kind="added" if kind == "added" else "removed", port=self.info(node))

    @property
    def is_quiet(self) -> bool:
        """Whether everything that was opened is closed."""
        return not any(backend.is_open for backend in self.backends) and all(
            watcher.closed.is_set() for watcher in self.watchers
        )

    def close(self) -> None:
        """Hang up what is still plugged in."""
        for adapter in self._made:
            adapter.hang_up()

    # The parts

    def create_backend(self) -> Backend:
        return Backend(self)

    def open_watcher(self, *, interval: float) -> Watcher:
        del interval
        self.on_watch()
        watcher = Watcher(self)
        self.watchers.append(watcher)
        return watcher

    def matcher(self, **filters: object) -> Callable[[PortInfo], bool]:
        if unknown := set(filters) - set(PortInfo.__slots__):
            raise TypeError(f"there is no filter {unknown.pop()!r}")

        def match(port: PortInfo) -> bool:
            return all(value is None or getattr(port, name) == value for name, value in filters.items())

        return match

    def find_port(self, **filters: object) -> PortInfo | None:
        if isinstance(device := filters.pop("device", None), str) and device.startswith("/dev/serial/by-id/"):
            filters["by_id"] = device
        match = self.matcher(**filters)
        return next((info for node in self.adapters if match(info := self.info(node))), None)

    def port_info_for(self, path: str) -> PortInfo | None:
        if path.startswith("/dev/serial/by-id/"):
            return self.find_port(device=path)
        return self.info(path) if path in self.adapters else None

    def locate(self, info: PortInfo) -> PortInfo:
        found = self.find_port(serial_number=info.serial_number)
        if found is None:
            raise PortNotFoundError(errno.ENOENT, f"{info.serial_number} is not plugged in", info.device)
        return replace(info, device=found.device)


def plugged_socket(monkeypatch: pytest.MonkeyPatch, *, discovery: bool = True) -> Iterator[Socket]:
    """Put both parts in place."""
    socket = Socket()
    driver = SimpleNamespace(create_backend=socket.create_backend)
    monkeypatch.setitem(sys.modules, "anyserial_posix", driver)
    monkeypatch.setitem(sys.modules, "anyserial_discovery", socket if discovery else None)
    yield socket
    socket.close()
