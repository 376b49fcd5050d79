"""List, find and watch for threads, over a discovery part of the test's own."""

import importlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyserial.discovery import PortEvent, PortInfo
from anyserial.sync import find_serial_port, list_serial_ports, watch_serial_ports

PORT = PortInfo(device="/dev/ttyUSB0", vid=0x0403)


class Watcher:
    """A watcher on a pipe, or on nothing; a byte in the pipe is an event."""

    def __init__(self, *, pipe: bool) -> None:
        self.events: deque[PortEvent] = deque([PortEvent(kind="added", port=PORT)])
        self.ends = os.pipe() if pipe else None
        self.looks = 0
        self.closed = False

    def fileno(self) -> int | None:
        return self.ends[0] if self.ends else None

    def timeout(self) -> float | None:
        return None if self.ends else 0.005

    def process(self) -> None:
        self.looks += 1
        if self.ends:
            os.read(self.ends[0], 1)
        elif self.looks < 3:
            return
        self.events.append(PortEvent(kind="removed", port=PORT))

    def close(self) -> None:
        assert not self.closed
        self.closed = True
        for end in self.ends or ():
            os.close(end)


@pytest.fixture(params=[True, False], ids=["descriptor", "polling"])
def watcher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    made = Watcher(pipe=request.param)
    part = SimpleNamespace(
        list_ports=lambda backend: [PORT] if backend == "native" else [],  # pyright: ignore[reportUnknownLambdaType]
        find_port=lambda **filters: PORT if filters["vid"] == PORT.vid else None,  # pyright: ignore[reportUnknownLambdaType]
        open_watcher=lambda interval: made,  # pyright: ignore[reportUnknownLambdaType]
    )
    monkeypatch.setitem(sys.modules, "anyserial_discovery", part)
    yield made
    if not made.closed:
        made.close()


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_list_and_find(watcher: Watcher, timeout: float | None) -> None:
    assert list_serial_ports(timeout=timeout) == [PORT]
    assert find_serial_port(vid=0x0403, timeout=timeout) is PORT
    assert find_serial_port(vid=1, timeout=timeout) is None


def test_a_listing_that_takes_too_long(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(_backend: str) -> list[PortInfo]:
        assert go_on.wait(5)
        return []

    monkeypatch.setattr(sys.modules["anyserial_discovery"], "list_ports", slow)
    with pytest.raises(TimeoutError):
        list_serial_ports(timeout=0.01)
    go_on.set()


def test_without_the_part_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    load = importlib.import_module

    def missing(name: str, *others: Any) -> Any:
        if name == "anyserial_discovery":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return load(name, *others)

    monkeypatch.setattr("importlib.import_module", missing)
    for call in (list_serial_ports, find_serial_port, lambda: watch_serial_ports().__enter__()):
        with pytest.raises(ImportError, match="pip install anyserial-discovery"):
            call()


def test_watching(watcher: Watcher) -> None:
    with watch_serial_ports() as events:
        assert next(events).kind == "added"
        if watcher.ends:
            os.write(watcher.ends[1], b"x")
        assert next(iter(events)).kind == "removed"
        with pytest.raises(RuntimeError, match="once"), events:
            pass
    assert watcher.closed


def test_a_timeout_for_each_event(watcher: Watcher) -> None:
    with watch_serial_ports(timeout=0.002) as events:
        next(events)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                next(events)
        if watcher.ends:
            os.write(watcher.ends[1], b"x")
            assert next(events).kind == "removed"


def test_closing_wakes_who_waits(watcher: Watcher) -> None:
    watcher.process = lambda: None  # type: ignore[method-assign]  # nothing ever happens
    with ThreadPoolExecutor(1) as pool:
        events = watch_serial_ports()
        with events:
            next(events)
            future = pool.submit(next, events)
            deadline = time.monotonic() + 5
            while not events._life.turns:
                assert time.monotonic() < deadline
            with pytest.raises(anyio.BusyResourceError):
                next(events)
            events.close()
            with pytest.raises(anyio.ClosedResourceError):
                future.result(5)
        assert watcher.closed
        with pytest.raises(anyio.ClosedResourceError):
            next(events)


@pytest.mark.parametrize(("name", "value"), [("interval", 0), ("interval", "1"), ("timeout", -1), ("timeout", "1")])
def test_wrong_arguments_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=name):
        watch_serial_ports(**{name: value})
