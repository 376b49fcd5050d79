"""What was received on a shared port, and how far each reader has come: for both faces, without any waiting.

The log is one piece of the received stream: the newest bytes that some reader has not taken yet, at most
`capacity` of them. A reader is a position in the stream. So bytes that several readers lag behind are kept
once, a reader that is too slow loses the oldest bytes without holding up the others, and it can count what
it has lost.

A line error takes one position, that of the damaged character. The whole state is one tuple, replaced in
one step, so an interruption finds the log as it was before or after an append and never in between.
"""

from copy import copy
from typing import Any

from anyserial.exceptions import LineError, SerialError

__all__ = ("InputLostError", "Log", "Reader")


class InputLostError(SerialError):
    """A link of a shared port was read too slowly, and the oldest bytes that it had not taken were dropped.

    Raised once for each gap, at the place of the gap. The link stays usable: the next receive returns the
    bytes after the gap. The other links are not affected.

    Attributes:
        missed: How many bytes are missing; a line error among them counts as one.
    """

    missed: int

    def __init__(self, *args: Any, missed: int = 0) -> None:
        super().__init__(*args)
        self.missed = missed


class Reader:
    """How far one reader has come.

    Attributes:
        position: How many positions of the stream are behind it.
    """

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position: int = position


class Log:
    """See the module's docstring.

    Args:
        capacity: How many bytes a reader may lag behind, at least 1.
        path: The port's path, for messages.

    Attributes:
        end: How many positions the stream has had so far.
    """

    def __init__(self, capacity: int, path: str) -> None:
        self._capacity = capacity
        self._path = path
        self._state: tuple[int, bytes, dict[int, LineError]] = (0, b"", {})
        self._readers: tuple[Reader, ...] = ()

    @property
    def end(self) -> int:
        start, data, _ = self._state
        return start + len(data)

    def add_reader(self) -> Reader:
        """Return a reader of everything that comes from now on."""
        reader = Reader(self.end)
        self._readers = (*self._readers, reader)
        return reader

    def remove_reader(self, reader: Reader) -> None:
        """Keep nothing for *reader* any more."""
        self._readers = tuple(other for other in self._readers if other is not reader)

    def append(self, item: bytes | LineError) -> None:
        """Add what was received; drop what every reader has taken, and what exceeds the capacity."""
        start, data, errors = self._state
        if isinstance(item, LineError):
            errors = {**errors, start + len(data): item}
            item = b"\0"  # holds the place
        end = start + len(data) + len(item)
        oldest = min((reader.position for reader in self._readers), default=end)
        keep = max(oldest, end - self._capacity, start)
        # Only what is kept is copied.
        data = data[keep - start :] + item if keep < start + len(data) else item[keep - start - len(data) :]
        if errors:
            errors = {position: error for position, error in errors.items() if position >= keep}
        self._state = keep, data, errors

    def has_more(self, reader: Reader) -> bool:
        """Return whether `take` has anything for *reader*."""
        return reader.position < self.end

    def take(self, reader: Reader, size: int) -> bytes:
        """Take 1..*size* bytes for *reader*; something must be there.

        Raises:
            InputLostError: Bytes before the next one were dropped; reported once.
            LineError: The next character was damaged; reported once.
        """
        start, data, errors = self._state
        position = reader.position
        if (missed := start - position) > 0:
            reader.position = start
            raise InputLostError(
                None,
                f"this link was read too slowly: {missed} bytes were dropped"
                f" (it may lag behind by {self._capacity}; share(port, capacity=...) sets how many)",
                self._path,
                missed=missed,
            )
        end = start + len(data)
        if errors:
            if (error := errors.get(position)) is not None:
                reader.position = position + 1
                # One for each reader, because raising an exception adds a traceback to it.
                raise copy(error)
            end = min((at for at in errors if at > position), default=end)
        taken = data[position - start : min(end, position + size) - start]
        reader.position = position + len(taken)
        return taken
