"""What was received and not taken yet: data and line errors, in the order of the line, and never too much.

It does not know which calls wait for it.
"""

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from anyserial.exceptions import LineError

__all__ = ("ROOM", "Inbox")

ROOM: Final = 1 << 20  # bytes held before reading stops
_SMALL = 4096  # bytes; smaller pieces are joined
_ERROR_SIZE = 64  # what a line error counts for, as bytes


class Inbox:
    """Data and line errors that have arrived.

    Attributes:
        size: How many bytes of data there are.
    """

    __slots__ = ("_errors", "_items", "size")

    def __init__(self) -> None:
        self._items: deque[bytes | LineError] = deque()
        self._errors = 0
        self.size = 0

    def __bool__(self) -> bool:
        """Return whether there is anything to take."""
        return bool(self._items)

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be read before some of it is taken."""
        return self.size + self._errors * _ERROR_SIZE >= ROOM

    def put(self, data: bytes) -> None:
        """Add data (not empty)."""
        items = self._items
        self.size += len(data)
        if items and isinstance(last := items[-1], bytes) and len(last) < _SMALL:
            items[-1] = last + data
        else:
            items.append(data)

    def put_error(self, error: "LineError") -> None:
        """Add a line error. One that does not fit is dropped: the counters have it."""
        if not self.is_full:
            self._items.append(error)
            self._errors += 1

    def take(self, max_bytes: int) -> bytes:
        """Return 1..max_bytes bytes from the front.

        Raises:
            LineError: That is what is in front; it is taken.
            IndexError: There is nothing.
        """
        item = self._items.popleft()
        if not isinstance(item, bytes):
            self._errors -= 1
            raise item
        if len(item) > max_bytes:
            self._items.appendleft(item[max_bytes:])
            item = item[:max_bytes]
        self.size -= len(item)
        return item

    def clear(self) -> None:
        """Discard everything."""
        self._items.clear()
        self._errors = self.size = 0
