"""Shows what an open port says to its device, in a log.

How the events are found is `_observing`'s.
"""

import logging
from typing import TYPE_CHECKING, Self

from anyserial._spi import check_integer, printable

from anyserial_testing._observing import Observation, open_port_of
from anyserial_testing._record_format import Event, quoted

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("Spying", "spy")

_LOGGER = "anyserial.spy"


class Spying:
    """A running spy; made by `spy`. Ends with `close`, at the end of a ``with`` block, or with the port."""

    def __init__(self, port: object, logger: logging.Logger | None, level: int, max_bytes: int) -> None:
        logger = logging.getLogger(_LOGGER) if logger is None else logger
        self._observation = Observation(port, _LogSink(logger, level, max_bytes, open_port_of(port).path))

    def close(self) -> None:
        """Log nothing more; the port stays open. A second call does nothing."""
        self._observation.close()

    def __enter__(self) -> Self:
        """Return the spy; leaving the block ends it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """End the spying."""
        self.close()


def spy(
    port: object, logger: logging.Logger | None = None, *, level: int = logging.DEBUG, max_bytes: int = 32
) -> Spying:
    """Log everything that goes through an open port, until the spy or the port is closed.

    Args:
        port: An open `SerialPort`, async or blocking, on any backend.
        logger: Where to log; None for the logger ``anyserial.spy``.
        level: The level of each message.
        max_bytes: The most bytes that one message shows, at least 1; it tells how many more there were.

    Returns:
        The spy, to be closed or used with ``with``.

    Raises:
        TypeError: *port* is not a port, or *max_bytes* is not an integer.
        ValueError: *max_bytes* is below 1.
        SerialClosedError: *port* is closed.
    """
    check_integer("max_bytes", max_bytes, 1)
    return Spying(port, logger, level, max_bytes)


class _LogSink:
    def __init__(self, logger: logging.Logger, level: int, max_bytes: int, path: str) -> None:
        self._logger = logger
        self._level = level
        self._max_bytes = max_bytes
        self._path = printable(path)

    def event(self, event: Event) -> None:
        if not self._logger.isEnabledFor(self._level):
            return
        if event.data:
            shown = event.data[: self._max_bytes]
            more = len(event.data) - len(shown)
            rest = f" and {more} more" if more else ""
            text = f"{event.kind} {len(event.data)}: {shown.hex(' ')} {quoted(shown)}{rest}"
        else:
            text = event.text
        self._logger.log(self._level, "%s %s", self._path, text)

    def finish(self) -> None:
        """Nothing is held."""
