"""The wake-up descriptor and the two ways of waiting, on any platform's terms."""

import os
import select
from collections.abc import Iterator

import anyserial_sync._wakeup as module
import pytest
from anyserial_sync._wakeup import Wakeup, waiter


@pytest.fixture(params=["eventfd", "pipe"])
def wakeup(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wakeup]:
    monkeypatch.setattr(module, "_HAS_EVENTFD", request.param == "eventfd")
    made = Wakeup()
    yield made
    made.__del__()  # as when nothing refers to it any more; the fixture's value is still referred to


@pytest.fixture(params=["poll", "select", "patched"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(module, "_POLL_SERVES_TTYS", request.param != "select")
    if request.param == "patched":  # as eventlet leaves the module
        monkeypatch.delattr(select, "poll")
    name: str = request.param
    return name


def test_it_is_readable_from_set_to_clear(wakeup: Wakeup) -> None:
    for _ in range(3):
        assert not select.select([wakeup.fileno()], [], [], 0)[0]
        wakeup.set()
        wakeup.set()
        assert select.select([wakeup.fileno()], [], [], 0)[0]
        wakeup.clear()
    assert not os.get_inheritable(wakeup.fileno())


def test_setting_it_never_blocks(wakeup: Wakeup) -> None:
    for _ in range(100_000):
        wakeup.set()
    wakeup.clear()
    assert not select.select([wakeup.fileno()], [], [], 0)[0]


def test_waiting_to_read(wakeup: Wakeup, way: str) -> None:
    read, write = os.pipe()
    wait = waiter(read, wakeup, writing=False)
    assert not wait(0)
    assert not wait(1.5)
    wakeup.set()
    assert wait(None)
    wakeup.clear()
    assert not wait(0)
    os.write(write, b"x")
    assert wait(None)
    assert wait(1000)
    os.close(read)
    os.close(write)


def test_waiting_to_write(wakeup: Wakeup, way: str) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    wait = waiter(write, wakeup, writing=True)
    assert wait(None)
    with pytest.raises(BlockingIOError):
        [os.write(write, bytes(65536)) for _ in range(1000)]
    assert not wait(0)
    wakeup.set()
    assert wait(None)
    os.close(read)
    os.close(write)


def test_select_serves_small_numbers_only(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL_SERVES_TTYS", False)
    monkeypatch.setattr(module, "FD_SETSIZE", 1)
    read, write = os.pipe()
    os.write(write, b"x")
    assert waiter(read, wakeup, writing=False)(None)
    os.close(read)
    os.close(write)
