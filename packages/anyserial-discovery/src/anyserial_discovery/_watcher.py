"""What every watcher shares: the queue of events, what is known, and closing.

How changes are noticed is the business of `_linux_watch` and `_polling`.
"""

import threading
from collections import deque
from collections.abc import Hashable

from anyserial.discovery import PortEvent, PortInfo

from anyserial_discovery._errors import translated

__all__ = ("Roster", "Watcher")


class Roster:
    """The ports that were reported, and the events that follow from what is found.

    A port is known by its name and by a mark that changes when the device behind the
    name is another one: then the old one is removed and the new one added.

    Args:
        events: Where events are appended.
    """

    __slots__ = ("_events", "_known")

    def __init__(self, events: deque[PortEvent]) -> None:
        self._events = events
        self._known: dict[str, tuple[PortInfo, Hashable]] = {}

    def names(self) -> set[str]:
        """Return the names of the ports that are known."""
        return set(self._known)

    def names_at(self, device: str) -> list[str]:
        """Return the names of the ports that are known to have that node."""
        return [name for name, (port, _) in self._known.items() if port.device == device]

    def is_same(self, name: str, mark: Hashable) -> bool:
        """Tell whether a port is known with this mark."""
        known = self._known.get(name)
        return known is not None and known[1] == mark

    def remove(self, name: str) -> None:
        """Report that a port went, with what was known of it; nothing if it was not known."""
        known = self._known.pop(name, None)
        if known is not None:
            self._events.append(PortEvent(kind="removed", port=known[0]))

    def add(self, name: str, port: PortInfo, mark: Hashable) -> None:
        """Report that a port came, in place of what had its name before."""
        self.remove(name)
        self._known[name] = (port, mark)
        self._events.append(PortEvent(kind="added", port=port))


class Watcher:
    """Base of the watchers; the rules of its use stand at the top of `anyserial_discovery`.

    A subclass looks in `_look` and lets go of its descriptors in `_release`, which may
    be called twice. Both are called under one lock.
    """

    def __init__(self) -> None:
        self.events: deque[PortEvent] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def fileno(self) -> int | None:
        """Return the descriptor to wait on for reading, None when there is none."""
        return None

    def timeout(self) -> float | None:
        """Return the seconds to wait at most, None for ever."""
        return None

    def process(self) -> None:
        """Take in what has happened and append it to `events`.

        Raises:
            SerialError: The system is out of descriptors or memory, or no longer serves
                the watch. What was not looked at is owed to the next call.
        """
        try:
            with self._lock, translated():
                if not self._closed:
                    self._look()
        finally:
            # A close that came meanwhile left the releasing to this call.
            if self._closed:
                self.close()

    def close(self) -> None:
        """Release everything, at once or when the call of `process` in progress ends."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._lock.release()

    def _look(self) -> None:
        raise NotImplementedError

    def _release(self) -> None:
        return
