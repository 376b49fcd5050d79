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
    """A duplicate of *number*, which the port closes before the device.

    Raises:
        OSError: No descriptor is free.
    """

    def __init__(self, number: int) -> None:
        self._number: int | None = os.dup(number)
        forking.watch(self)

    def fork(self) -> None:
        """See `Forkable`: the port itself refuses every use."""

    def fileno(self) -> int | None:
        """Return the descriptor; None once it is closed."""
        return self._number

    def close(self) -> None:
        """Close it; a second call does nothing."""
        number, self._number = self._number, None
        if number is not None:
            forking.forget(self)
            with suppress(OSError):
                os.close(number)
