"""A second descriptor of a port's device, for event loops to watch.

An event loop has one place for each descriptor: whoever registers it replaces the registration before. A
program that asks for a port's descriptor may register it. From then on the event loop watches a
duplicate for the port, and neither takes the place of the other.
"""

import os
from contextlib import suppress

from anyserial._port import forking

__all__ = ("Duplicate",)


class Duplicate:
    """A place for the duplicate, which the port keeps before there is one, and closes before the device."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        forking.watch(self)

    def take(self, number: int) -> None:
        """Duplicate *number*, in one step of C: a signal handler that raises loses no descriptor.

        Raises:
            OSError: No descriptor is free.
        """
        self._numbers.extend(map(os.dup, (number,)))

    def fork(self) -> None:
        """See `Forkable`: the port itself refuses every use."""

    def fileno(self) -> int | None:
        """Return the descriptor; None before `take` and once it is closed."""
        return next(iter(self._numbers), None)

    def close(self) -> None:
        """Close it; a second call does nothing."""
        forking.forget(self)
        while self._numbers:  # two threads may take one each
            with suppress(OSError):
                os.close(self._numbers.pop())
