"""`watch_serial_ports` over the real watcher and a real inotify; only sysfs and the nodes are a tree's."""

import sys
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyserial import watch_serial_ports

if sys.platform != "linux":
    pytest.skip("inotify and epoll are Linux's", allow_module_level=True)

import anyserial_discovery
from anyserial_discovery._inotify import DirectoryChanges
from anyserial_discovery._linux_watch import LinuxWatcher

pytestmark = pytest.mark.anyio

NODE = "/dev/ttyUSB2"
TTY = "/sys/class/tty/ttyUSB2"


@pytest.fixture
def tree(make_tree: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    tree = make_tree("usb")

    def open_watcher(*, interval: float) -> LinuxWatcher:
        # No uevents, and no look in time: inotify alone has to do.
        return LinuxWatcher(60.0, host=tree, changes=DirectoryChanges(str(tree.root / "dev")))

    monkeypatch.setattr(anyserial_discovery, "open_watcher", open_watcher)
    return tree


async def test_a_hundred_times_plugged_in_and_out_and_none_missed(tree: Any) -> None:
    target = str((tree.root / TTY.lstrip("/")).readlink())
    with anyio.fail_after(60):
        async with watch_serial_ports() as events:
            first = [await anext(events) for _ in range(10)]
            assert {event.kind for event in first} == {"added"}
            known = next(event.port for event in first if event.port.device == NODE)
            for _ in range(100):
                tree.remove(TTY)
                tree.remove(NODE)
                event = await anext(events)
                assert (event.kind, event.port) == ("removed", known)
                tree.put(f"{TTY} -> {target}")
                tree.put(f"{NODE} : 188:2")
                event = await anext(events)
                assert (event.kind, event.port) == ("added", known)


async def test_the_event_comes_when_the_node_may_be_opened(tree: Any) -> None:
    node = tree.root / NODE.lstrip("/")
    target = str((tree.root / TTY.lstrip("/")).readlink())
    tree.remove(TTY)
    tree.remove(NODE)
    with anyio.fail_after(30):
        async with watch_serial_ports() as events:
            for _ in range(9):
                await anext(events)
            tree.forbidden.add(NODE)
            tree.put(f"{TTY} -> {target}")
            tree.put(f"{NODE} : 188:2")
            with anyio.move_on_after(0.1) as scope:
                await anext(events)
            assert scope.cancelled_caught
            # udev gives the node its owner and mode.
            tree.forbidden.clear()
            node.chmod(0o660)
            event = await anext(events)
            assert (event.kind, event.port.device) == ("added", NODE)
