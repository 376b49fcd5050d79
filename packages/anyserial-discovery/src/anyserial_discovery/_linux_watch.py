"""Watching on Linux: uevents and inotify on /dev, side by side.

Theory of operation. Neither source is believed: each only names a tty, or a node, that
is worth a look. What there is to report follows from comparing what is there now with
what was reported, so that it does not matter which source speaks first, how often, or
in what order. The mark by which a device is known again is made of its node's path and
of the inode numbers of its directory in sysfs and of that node: both are new whenever
the kernel registers a device again. After an overrun, and after a look that the system
refused, every name is looked at.

The uevent comes once the node exists; inotify tells when the node gets its owner and
mode (``IN_ATTRIB``), which is when this user may open it. Where uevents are not heard
(a user namespace), inotify alone sees nodes come and go, and every `interval` seconds
all names are looked at, for a node that stays when its device goes.

Both sources are waited for through one epoll descriptor. Programs that eventlet or
gevent patched have no epoll: there the source that says more is waited for, and the
other is read every `interval` seconds.
"""

import select
from collections.abc import Iterable
from typing import Any, Protocol, override

from anyserial_discovery._host import Host
from anyserial_discovery._inotify import DirectoryChanges
from anyserial_discovery._linux import Sysfs
from anyserial_discovery._netlink import Uevents, are_uevents_heard
from anyserial_discovery._watcher import Roster, Watcher

__all__ = ("LinuxWatcher", "Source")

# The type stubs have epoll for Linux alone, and this module is checked for every platform.
_select: Any = select


class Source(Protocol):
    """Something that names ttys worth a look."""

    def fileno(self) -> int: ...

    def read(self) -> list[str] | None:
        """Return names, without blocking; None when some were lost."""
        ...

    def close(self) -> None: ...


class LinuxWatcher(Watcher):
    """Reports the ports of Linux as they come and go.

    Args:
        interval: Seconds between two looks at all names, where looking is needed.
        host: The system that is looked at; None for the running one.
        uevents: The kernel's events; None where they are not available.
        changes: The changes in /dev; None where they are not available.
        complete: Whether `uevents` are known to arrive.
    """

    def __init__(
        self,
        interval: float,
        *,
        host: Host | None = None,
        uevents: Source | None = None,
        changes: Source | None = None,
        complete: bool = True,
    ) -> None:
        super().__init__()
        self._interval = interval
        self._host = Host() if host is None else host
        self._sources = [source for source in (uevents, changes) if source is not None]
        self._complete = complete and uevents is not None
        self._sees_modes = changes is not None
        self._waiting: set[str] = set()
        # Whether something could not be looked at.
        self._owed = False
        self._roster = Roster(self.events)
        self._epoll: Any = None
        if self._sources and hasattr(_select, "epoll"):
            self._epoll = _select.epoll()
            for source in self._sources:
                self._epoll.register(source.fileno(), _select.EPOLLIN)
        # After the sources were opened, so that nothing is missed between.
        self._look_at_all()

    @classmethod
    def open(cls, interval: float) -> "LinuxWatcher":
        """Watch the running system with whatever sources it grants."""
        sources: list[Source | None] = []
        for make in (Uevents, lambda: DirectoryChanges("/dev")):
            try:
                sources.append(make())
            except OSError:
                sources.append(None)
        uevents, changes = sources
        try:
            return cls(interval, uevents=uevents, changes=changes, complete=are_uevents_heard())
        except BaseException:
            for source in sources:
                if source is not None:
                    source.close()
            raise

    @override
    def fileno(self) -> int | None:
        if self._epoll is not None:
            fd: int = self._epoll.fileno()
            return fd
        # The first source reports what comes and goes, if its events arrive; the last one sees the rest.
        return self._sources[0 if self._complete else -1].fileno() if self._sources else None

    @override
    def timeout(self) -> float | None:
        hears_all = self._complete and (self._sees_modes or not self._waiting)
        has_all = self._epoll is not None or len(self._sources) <= 1
        return None if hears_all and has_all and not self._owed else self._interval

    @override
    def _look(self) -> None:
        owed, self._owed = self._owed, True
        names: dict[str, None] = {}
        for source in self._sources:
            found = source.read()
            owed = owed or found is None
            names.update(dict.fromkeys(found or ()))
        if owed or (not names and self.timeout() is not None):
            self._look_at_all()
        else:
            self._look_at(names)
        self._owed = False

    def _look_at_all(self) -> None:
        sysfs = Sysfs(self._host)
        self._look_at(sorted(self._roster.names() | set(sysfs.names())), sysfs)

    def _look_at(self, words: Iterable[str], sysfs: Sysfs | None = None) -> None:
        sysfs = Sysfs(self._host) if sysfs is None else sysfs
        names = dict.fromkeys(name for word in words for name in self._names_of(word, sysfs))
        # All marks before anything is read: if a device is replaced meanwhile, its mark
        # is outdated, and the look that its event brings sets it right.
        marks = {name: sysfs.mark(name) for name in names}
        for name, mark in marks.items():
            self._waiting.discard(name)
            if mark is not None and self._roster.is_same(name, mark):
                continue
            self._roster.remove(name)
            port = None if mark is None else sysfs.describe(name)
            if port is None or not port.present:
                continue
            if self._host.may_open(port.device):
                self._roster.add(name, port, mark)
            else:
                self._waiting.add(name)

    def _names_of(self, word: str, sysfs: Sysfs) -> set[str]:
        """Return the ports that a name may mean: the kernel's name of one, or that of a node, now or before."""
        node = f"/dev/{word}"
        return {word, sysfs.name_of(node) or word, *self._roster.names_at(node)}

    @override
    def _release(self) -> None:
        if self._epoll is not None:
            self._epoll.close()
        for source in self._sources:
            source.close()
