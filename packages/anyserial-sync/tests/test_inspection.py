"""A look at a port from a thread, over a driver of the test's own."""

import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from anyserial.sync import inspect_serial_port


def test_the_driver_is_asked_in_this_thread_or_within_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def inspect_port(path: str, *, opens: bool) -> tuple[str, bool, bool]:
        return path, opens, threading.current_thread() is threading.main_thread()

    monkeypatch.setitem(sys.modules, "anyserial_posix", SimpleNamespace(inspect_port=inspect_port))
    state: Any = inspect_serial_port("/dev/ttyX")
    assert state == ("/dev/ttyX", False, True)
    state = inspect_serial_port("/dev/ttyX", opens=True, timeout=30)
    assert state == ("/dev/ttyX", True, False)


def test_a_driver_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    driver = SimpleNamespace(inspect_port=lambda path, opens: go_on.wait(30))  # pyright: ignore[reportUnknownLambdaType]
    monkeypatch.setitem(sys.modules, "anyserial_posix", driver)
    with pytest.raises(TimeoutError, match="the state of a port"):
        inspect_serial_port("/dev/ttyX", timeout=0.01)
    go_on.set()
