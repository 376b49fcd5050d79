"""Records what an open port says to its device, as a text file.

The text is `_record_format`'s, and how the events are found is `_observing`'s.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
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
        self._is_closed = False

    @property
    def error(self) -> Exception | None:
        """What writing the file failed with, as when the disk is full; None as long as the record is complete.

        Nothing is recorded after a failure. The port is not affected.
        """
        return self._sink.error

    def close(self) -> None:
        """End the record; the port stays open. A second call does nothing.

        Raises:
            OSError: The record is incomplete, because the file could not be written. It is the same error as
                `error`, and the first call alone raises it.
        """
        self._observation.close()
        self._is_closed, was_closed = True, self._is_closed
        if self.error is not None and not was_closed:
            raise self.error

    def __enter__(self) -> Self:
        """Return the recording; leaving the block ends it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """End the record, and raise as `close` does, unless the block already raises something else."""
        if exc_value is None:
            self.close()
        else:
            self._observation.close()


def record(port: object, file: "str | os.PathLike[str] | TextIO") -> Recording:
    """Record everything that goes through an open port, until the recording or the port is closed.

    The port is used as before; nothing about it changes. It may be in use: calls that are waiting are recorded as
    well. Each event is written as it happens. If that fails, as when the disk is full, the port goes on and the
    record ends: `Recording.error` has the reason at once, and `Recording.close` raises it.

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
        self.error: Exception | None = None
        try:
            self._file.write(first)
        except BaseException:
            self._give_up()
            raise

    def event(self, event: Event) -> None:
        self._last = event.time
        self._write(event.lines())

    def finish(self) -> None:
        self._write([f"{self._last:12.6f} end\n"])
        file, self._file = self._file, None
        if file is not None and self._owned:
            try:
                file.close()
            except OSError as exc:  # some file systems tell here that the disk is full
                self.error = exc

    def _write(self, lines: Iterable[str]) -> None:
        """Write *lines*. A failure ends the record, not the call on the port: that call has bytes to deliver."""
        if self._file is None:
            return
        try:
            for line in lines:
                self._file.write(line)
        except Exception as exc:  # noqa: BLE001  # a stream of the caller's may raise anything
            self.error = exc
            self._give_up()

    def _give_up(self) -> None:
        file, self._file = self._file, None
        if file is not None and self._owned:
            with suppress(OSError):  # it tries once more to write what it holds
                file.close()
