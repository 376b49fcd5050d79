"""A second descriptor of a port's device, for event loops to watch.

An event loop has one place for each descriptor: a new registration replaces the one before. A
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

    def take(self, number: int, path: str) -> None:
        """Duplicate *number*, unless that was done before.

        Raises:
            SerialError: No descriptor is free.
        """
        if self._numbers:
            return
        try:
            # One step of C: a signal handler that raises loses no descriptor.
            self._numbers.extend(map(os.dup, (number,)))
        except OSError as exc:
            from anyserial._errno import translate  # noqa: PLC0415  # for errors only

            raise translate(exc, context="io", path=path) from exc

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
