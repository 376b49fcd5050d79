"""Watching a tree, with sources that the test speaks through."""

import errno
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("epoll is Linux's", allow_module_level=True)

import anyserial_discovery
from anyserial.exceptions import SerialError
from anyserial_discovery import _linux_watch
from anyserial_discovery._linux_watch import LinuxWatcher

type MakeTree = Callable[..., Any]

NODE = "/dev/ttyUSB2"
TTY = "/sys/class/tty/ttyUSB2"


class Voice:
    """A source: what is said becomes readable."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.said: list[list[str] | None] = []
        self.closed = False

    def say(self, *names: str) -> None:
        self.said.append(list(names))
        os.eventfd_write(self.fd, 1)

    def overrun(self) -> None:
        self.said.append(None)
        os.eventfd_write(self.fd, 1)

    def fileno(self) -> int:
        return self.fd

    def read(self) -> list[str] | None:
        if not self.said:
            return []
        if len(self.said) == 1:
            os.eventfd_read(self.fd)
        return self.said.pop(0)

    def close(self) -> None:
        if not self.closed:
            os.close(self.fd)
        self.closed = True


class Scene:
    """A watched tree; ttyUSB2, or another, is what comes and goes."""

    def __init__(self, tree: Any, name: str = "ttyUSB2") -> None:
        self.tree = tree
        self.cls = "wwan" if name.startswith("wwan") else "tty"
        self.uevents = Voice()
        self.changes = Voice()
        self.target = str((tree.root / f"sys/class/{self.cls}/{name}").readlink())
        self.watchers: list[LinuxWatcher] = []

    def watch(self, *, uevents: bool = True, changes: bool = True, complete: bool = True) -> LinuxWatcher:
        watcher = LinuxWatcher(
            0.25,
            host=self.tree,
            uevents=self.uevents if uevents else None,
            changes=self.changes if changes else None,
            complete=complete,
        )
        self.watchers.append(watcher)
        return watcher

    def close(self) -> None:
        for watcher in self.watchers:
            watcher.close()
        self.uevents.close()
        self.changes.close()

    def unplug(self) -> None:
        self.tree.remove(NODE)
        self.tree.remove(TTY)

    def plug(self, *, fresh: bool = True) -> None:
        if fresh:
            # The kernel makes the directory again, with another inode.
            place = self.tree.root / "sys/class/tty" / self.target
            place.rename(place.with_name("old"))
            place.mkdir()
            place.with_name("old").rename(place.with_name(f"old-{place.stat().st_ino}"))
        self.tree.put(f"{TTY} -> {self.target}")
        self.tree.put(f"{NODE} : 188:2")


@pytest.fixture
def scene(make_tree: MakeTree) -> Iterator[Scene]:
    scene = Scene(make_tree("usb"))
    yield scene
    scene.close()


def drain(watcher: LinuxWatcher) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    while watcher.events:
        event = watcher.events.popleft()
        found.append((event.kind, event.port.name))
    return found


def look(watcher: LinuxWatcher) -> list[tuple[str, str | None]]:
    """Process while there is something to read."""
    fd = watcher.fileno()
    assert fd is not None
    while select.select([fd], [], [], 0)[0]:
        watcher.process()
    return drain(watcher)


ADDED = ("added", "ttyUSB2")
REMOVED = ("removed", "ttyUSB2")


def test_first_come_those_present(scene: Scene) -> None:
    scene.tree.forbidden.add("/dev/ttyUSB4")
    # ttyACM1 has no node and ttyUSB4 may not be opened.
    assert drain(scene.watch()) == [
        ("added", name)
        for name in (
            "ttyACM0",
            "ttyUSB0",
            "ttyUSB1",
            "ttyUSB10",
            "ttyUSB11",
            "ttyUSB2",
            "ttyUSB20",
            "ttyUSB21",
            "ttyUSB3",
        )
    ]


@pytest.mark.parametrize("source", ["uevents", "changes"])
def test_either_source_alone_tells_both(scene: Scene, source: str) -> None:
    watcher = scene.watch()
    voice: Voice = getattr(scene, source)
    drain(watcher)
    scene.unplug()
    voice.say("ttyUSB2")
    assert look(watcher) == [REMOVED]
    scene.plug()
    voice.say("ttyUSB2")
    assert look(watcher) == [ADDED]
    voice.say("ttyUSB2", "ttyUSB2")
    assert look(watcher) == []


def test_both_sources_tell_it_once_in_any_order(scene: Scene) -> None:
    watcher = scene.watch()
    drain(watcher)
    scene.unplug()
    scene.changes.say("ttyUSB2")
    assert look(watcher) == [REMOVED]
    scene.plug()
    scene.changes.say("ttyUSB2")
    scene.changes.say("ttyUSB2")
    # The uevents of both come late.
    scene.uevents.say("ttyUSB2")
    scene.uevents.say("ttyUSB2")
    assert look(watcher) == [ADDED]


def test_a_removal_carries_what_was_added(scene: Scene) -> None:
    watcher = scene.watch()
    added = next(event.port for event in watcher.events if event.port.name == "ttyUSB2")
    drain(watcher)
    scene.unplug()
    scene.uevents.say("ttyUSB2")
    watcher.process()
    assert [event.port for event in watcher.events] == [added]


def test_unplugged_and_plugged_in_again_before_anybody_looked(scene: Scene) -> None:
    watcher = scene.watch()
    drain(watcher)
    scene.unplug()
    scene.plug()
    scene.uevents.say("ttyUSB2", "ttyUSB2")
    assert look(watcher) == [REMOVED, ADDED]


def test_a_node_made_anew_is_another_port(scene: Scene) -> None:
    watcher = scene.watch()
    drain(watcher)
    keep = (scene.tree.root / NODE.lstrip("/")).rename(scene.tree.root / "dev/x")
    scene.tree.put(f"{NODE} : 188:2")
    keep.unlink()
    scene.changes.say("ttyUSB2")
    assert look(watcher) == [REMOVED, ADDED]


def test_gone_before_anybody_looked_is_no_event(scene: Scene) -> None:
    scene.unplug()
    watcher = scene.watch()
    drain(watcher)
    scene.plug()
    scene.unplug()
    scene.uevents.say("ttyUSB2", "ttyUSB2")
    assert look(watcher) == []


def test_added_waits_for_the_node(scene: Scene) -> None:
    scene.unplug()
    watcher = scene.watch()
    drain(watcher)
    scene.tree.put(f"{TTY} -> {scene.target}")
    scene.uevents.say("ttyUSB2")
    assert look(watcher) == []
    scene.tree.put(f"{NODE} : 188:2")
    scene.changes.say("ttyUSB2")
    assert look(watcher) == [ADDED]


def test_added_waits_for_the_right_to_open_it(scene: Scene) -> None:
    scene.unplug()
    watcher = scene.watch()
    drain(watcher)
    scene.tree.forbidden.add(NODE)
    scene.plug()
    scene.uevents.say("ttyUSB2")
    scene.changes.say("ttyUSB2")
    assert look(watcher) == []
    assert watcher.timeout() is None
    # The owner and mode of the node change: IN_ATTRIB.
    scene.tree.forbidden.clear()
    scene.changes.say("ttyUSB2")
    assert look(watcher) == [ADDED]


def test_without_inotify_the_right_to_open_is_looked_for(scene: Scene) -> None:
    scene.unplug()
    watcher = scene.watch(changes=False)
    drain(watcher)
    assert watcher.timeout() is None
    scene.tree.forbidden.add(NODE)
    scene.plug()
    scene.uevents.say("ttyUSB2")
    assert look(watcher) == []
    assert watcher.timeout() == 0.25
    scene.tree.forbidden.clear()
    watcher.process()
    assert drain(watcher) == [ADDED]
    assert watcher.timeout() is None


@pytest.mark.parametrize("source", ["uevents", "changes"])
def test_after_an_overrun_everything_is_looked_at(scene: Scene, source: str) -> None:
    watcher = scene.watch()
    drain(watcher)
    scene.unplug()
    getattr(scene, source).overrun()
    assert look(watcher) == [REMOVED]
    scene.plug()
    getattr(scene, source).overrun()
    assert look(watcher) == [ADDED]


def test_where_uevents_are_silent_a_look_finds_what_inotify_cannot_tell(scene: Scene) -> None:
    # In a container the node may stay when its device goes.
    watcher = scene.watch(complete=False)
    drain(watcher)
    assert watcher.timeout() == 0.25
    scene.tree.remove(TTY)
    watcher.process()
    assert drain(watcher) == [REMOVED]
    watcher.process()
    assert drain(watcher) == []


def test_without_any_source_looking_is_all(scene: Scene) -> None:
    watcher = scene.watch(uevents=False, changes=False)
    drain(watcher)
    assert watcher.fileno() is None
    assert watcher.timeout() == 0.25
    scene.unplug()
    watcher.process()
    assert drain(watcher) == [REMOVED]


@pytest.mark.parametrize("uevents", [True, False])
@pytest.mark.parametrize("name", ["/dev/modem", "/dev/ttyUSB3"])
def test_a_node_under_another_name_is_the_ports_by_its_number(scene: Scene, name: str, uevents: bool) -> None:
    # As in a container that is given the adapter under that name once it is plugged in.
    if name in scene.tree.numbers:
        scene.tree.remove(name)
    scene.unplug()
    watcher = scene.watch(uevents=uevents, complete=uevents)
    drain(watcher)
    scene.tree.put(f"{TTY} -> {scene.target}")
    scene.tree.put(f"{name} : 188:2")
    scene.changes.say(name.removeprefix("/dev/"))
    watcher.process()
    assert [(event.kind, event.port.name, event.port.device) for event in watcher.events] == [(*ADDED, name)]
    port = watcher.events.pop().port
    scene.changes.say(name.removeprefix("/dev/"))
    assert look(watcher) == []
    scene.tree.remove(name)
    scene.changes.say(name.removeprefix("/dev/"))
    watcher.process()
    assert [(event.kind, event.port) for event in watcher.events] == [("removed", port)]


def test_rights_to_a_node_under_another_name_are_waited_for(scene: Scene) -> None:
    scene.tree.remove(NODE)
    scene.tree.forbidden.add("/dev/modem")
    scene.tree.put("/dev/modem : 188:2")
    watcher = scene.watch()
    assert ADDED not in drain(watcher)
    scene.tree.forbidden.clear()
    scene.changes.say("modem")
    assert look(watcher) == [ADDED]


def test_another_ports_node_under_its_name_is_not_it(scene: Scene) -> None:
    scene.tree.remove("/dev/ttyUSB3")
    scene.unplug()
    watcher = scene.watch()
    assert ADDED not in drain(watcher)
    scene.tree.put(f"{TTY} -> {scene.target}")
    scene.tree.put(f"{NODE} : 188:3")
    scene.changes.say("ttyUSB2")
    scene.uevents.say("ttyUSB2")
    assert look(watcher) == [("added", "ttyUSB3")]


@pytest.mark.parametrize("name", ["ttyr00", "wwan0at0", "rfcomm0"])
def test_ports_without_a_device_are_watched(make_tree: MakeTree, name: str) -> None:
    tree = make_tree("drivers")
    scene = Scene(tree, name)
    try:
        watcher = scene.watch()
        assert ("added", name) in drain(watcher)
        target, number = scene.target, tree.numbers[f"/dev/{name}"]
        tree.remove(f"/sys/class/{scene.cls}/{name}")
        scene.uevents.say(name)
        assert look(watcher) == [("removed", name)]
        tree.put(f"/sys/class/{scene.cls}/{name} -> {target}")
        assert tree.numbers[f"/dev/{name}"] == number
        scene.changes.say(name)
        assert look(watcher) == [("added", name)]
    finally:
        scene.close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM], ids=errno.errorcode.get)
@pytest.mark.parametrize("complete", [True, False])
def test_what_the_system_would_not_look_at_is_looked_at_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, number: int, complete: bool
) -> None:
    watcher = scene.watch(complete=complete)
    drain(watcher)
    scene.unplug()
    scene.plug()
    scene.uevents.say("ttyUSB2")

    def refuse(path: str, flags: int, *_: object) -> int:
        raise OSError(number, os.strerror(number), path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        for _ in range(3):
            with pytest.raises(SerialError) as caught:
                watcher.process()
            assert caught.value.errno == number
        # Nobody says it a second time, so that it must not be waited for.
        assert watcher.timeout() == 0.25
    watcher.process()
    assert drain(watcher) == [REMOVED, ADDED]
    assert watcher.timeout() == (None if complete else 0.25)
    assert look(watcher) == []


def test_out_of_descriptors_a_watch_is_refused_and_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *_: object) -> list[str]:
        raise OSError(errno.EMFILE, "Too many open files", path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(SerialError) as caught:
        anyserial_discovery.open_watcher()
    assert caught.value.errno == errno.EMFILE


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("sources", [("uevents", "changes"), ("uevents",), ("changes",), ()])
def test_without_epoll_the_watch_goes_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, sources: tuple[str, ...], complete: bool
) -> None:
    # As eventlet and gevent leave the module.
    monkeypatch.delattr(select, "epoll")
    watcher = scene.watch(uevents="uevents" in sources, changes="changes" in sources, complete=complete)
    drain(watcher)
    heard = {"uevents": scene.uevents.fd, "changes": scene.changes.fd}
    names = {fd: name for name, fd in heard.items()}
    told = names.get(watcher.fileno() or -1)
    assert told == (None if not sources else "uevents" if complete and "uevents" in sources else sources[-1])
    assert watcher.timeout() == (None if complete and sources == ("uevents",) else 0.25)
    scene.unplug()
    if told is not None:
        heard_by: Voice = getattr(scene, told)
        heard_by.say("ttyUSB2")
        assert look(watcher) == [REMOVED]
    else:
        watcher.process()
        assert drain(watcher) == [REMOVED]
    scene.plug()
    # The other source is not waited for: it is read when the time comes.
    if "changes" in sources:
        scene.changes.say("ttyUSB2")
    if sources == ("uevents",):
        scene.uevents.say("ttyUSB2")
    watcher.process()
    assert drain(watcher) == [ADDED]


@pytest.mark.parametrize("name", ["null", "nothing", "tty1", "..", "", "ttyUSB2.tmp"])
def test_other_names_are_nothing(scene: Scene, name: str) -> None:
    watcher = scene.watch()
    drain(watcher)
    scene.tree.put("/dev/null : 1:3")
    scene.changes.say(name)
    scene.uevents.say(name)
    assert look(watcher) == []


def test_a_port_whose_hardware_is_gone_is_removed_though_its_node_stays(make_tree: MakeTree) -> None:
    # A PCI card goes, and the 8250 driver registers the name again with nothing behind it.
    tree = make_tree("linux-6.1")
    scene = Scene(tree, "ttyS1")
    try:
        watcher = scene.watch()
        drain(watcher)
        tree.remove("/sys/class/tty/ttyS1")
        tree.put("/sys/class/tty/ttyS1 -> ../../devices/platform/serial8250/tty/ttyS1")
        tree.put("/sys/devices/platform/serial8250/tty/ttyS1/type = 0")
        scene.uevents.say("ttyS1", "ttyS1")
        assert look(watcher) == [("removed", "ttyS1")]
    finally:
        scene.close()


def test_closing_lets_go_of_everything_and_may_be_repeated(scene: Scene) -> None:
    watcher = scene.watch()
    drain(watcher)
    watcher.close()
    watcher.close()
    assert scene.uevents.closed
    assert scene.changes.closed
    scene.unplug()
    watcher.process()
    assert not watcher.events


def test_closing_during_a_look_leaves_the_rest_to_it(scene: Scene) -> None:
    watcher = scene.watch()
    inside, go_on = threading.Event(), threading.Event()
    read = scene.uevents.read

    def slowly() -> list[str] | None:
        inside.set()
        assert go_on.wait(10)
        return read()

    scene.uevents.read = slowly  # type: ignore[method-assign]
    scene.uevents.say("ttyUSB2")
    thread = threading.Thread(target=watcher.process)
    thread.start()
    try:
        assert inside.wait(10)
        watcher.close()
        assert not scene.uevents.closed
    finally:
        go_on.set()
        thread.join(10)
    assert scene.uevents.closed
    assert scene.changes.closed


def test_the_real_system_can_be_watched_and_nothing_is_left() -> None:
    watcher = LinuxWatcher.open(1.0)
    watcher.process()
    watcher.close()


def test_no_descriptor_stays_when_watching_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: LinuxWatcher) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(LinuxWatcher, "_look_at_all", fail)
    with pytest.raises(RuntimeError, match="no"):
        LinuxWatcher.open(1.0)


def test_a_source_that_is_refused_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(_linux_watch, "Uevents", refuse)
    monkeypatch.setattr(_linux_watch, "DirectoryChanges", refuse)
    watcher = LinuxWatcher.open(0.5)
    try:
        assert watcher.fileno() is None
        assert watcher.timeout() == 0.5
    finally:
        watcher.close()
