"""What core expects of a watcher for ports: an interface, for type checkers.

The part ``anyserial_discovery`` has the watchers and describes at its top how one is used. No code belongs here.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections import deque

    from anyserial.discovery import PortEvent

__all__ = ("Watcher",)


class Watcher(Protocol):
    """Reports ports as they come and go."""

    events: "deque[PortEvent]"

    def fileno(self) -> int | None:
        """Return the descriptor to wait on for reading, None if there is none."""
        ...

    def timeout(self) -> float | None:
        """Return the seconds to wait at most, None for no limit."""
        ...

    def process(self) -> None:
        """Look, and append what was found to `events`."""
        ...

    def close(self) -> None:
        """Release everything. From any thread."""
        ...
