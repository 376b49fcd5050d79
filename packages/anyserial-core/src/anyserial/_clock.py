"""The clock of deadlines and timestamps in an event loop: `time.monotonic`, unless a test has put another in its place.

The event loop of a `anyserial.testing.VirtualClock` has a time of its own, and what is measured in it must use
that time. `virtual` is empty until there is such a clock, so asking costs nothing more.
"""

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("here", "now", "virtual")

virtual: "list[Callable[[], Callable[[], float] | None]]" = []
"""Functions that return the virtual clock of the calling thread's event loop, or None if it has none."""


def here() -> "Callable[[], float]":
    """Return the clock that the calling thread's event loop uses; outside of one, `time.monotonic`."""
    for find in virtual:
        if (clock := find()) is not None:
            return clock
    return monotonic


def now() -> float:
    """Return the time of `here`, in seconds."""
    return here()()
