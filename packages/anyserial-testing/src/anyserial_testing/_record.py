"""Records what an open port says to its device, as a text file.

The text is `_record_format`'s, and how the events are found is `_observing`'s.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

from anyserial_testing._observing import Observation, open_port_of
from anyserial_testing._record_format import Event, header

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("Recording", "record")


class Recording:
    """A recording under way; made by `record`. Ends with `close`, at the end of a ``with`` block, or with the port."""

    def __init__(self, port: object, file: "str | os.PathLike[str] | TextIO") -> None:
        opened = open_port_of(port)
        self._sink = _FileSink(file, header(opened.path, opened.config))
        try:
            self._observation = Observation(port, self._sink)
        except BaseException:
            self._sink.finish()
            raise

    def close(self) -> None:
        """End the record; the port stays open. A second call does nothing."""
        self._observation.close()

    def __enter__(self) -> Self:
        """Return the recording; leaving the block ends it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """End the record."""
        self.close()


def record(port: object, file: "str | os.PathLike[str] | TextIO") -> Recording:
    """Record everything that goes through an open port, until the recording or the port is closed.

    The port is used as before; nothing about it changes, except that a blocking port may lose bytes to a
    signal handler that raises (Ctrl-C). Start before another task or thread uses the port, because a call that
    is under way is not recorded. Each event is written as it happens.

    Args:
        port: An open `SerialPort`, async or blocking, on any backend.
        file: The file to write, which is replaced; or an open text stream, which is left open.

    Returns:
        The recording, to be closed or used with ``with``.

    Raises:
        TypeError: *port* is not a port.
        SerialClosedError: *port* is closed.
        OSError: The file cannot be written.
    """
    return Recording(port, file)


class _FileSink:
    def __init__(self, file: "str | os.PathLike[str] | TextIO", first: str) -> None:
        self._file: TextIO | None
        self._owned = isinstance(file, (str, os.PathLike))
        if isinstance(file, (str, os.PathLike)):
            # Line by line: a program that dies leaves what it did until then.
            self._file = Path(file).open("w", encoding="ascii", buffering=1, newline="\n")  # noqa: SIM115  # `finish`
        else:
            self._file = file
        self._last = 0.0
        self._file.write(first)

    def event(self, event: Event) -> None:
        if self._file is not None:
            self._last = event.time
            for line in event.lines():
                self._file.write(line)

    def finish(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.write(f"{self._last:12.6f} end\n")
            if self._owned:
                file.close()
