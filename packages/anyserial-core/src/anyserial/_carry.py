"""What was read from the driver and not handed to a caller yet.

That is rare, but it must not be lost: bytes read for a receive that was cancelled
before it woke, and what follows a mark of a line error in the same read. They lead the
next receive. What a mark looks like is the backend's business.
"""

from _thread import allocate_lock
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyserial.exceptions import LineError

__all__ = ("Carry", "MarkedReader")


class Carry:
    """A queue of bytes and line errors, in the order of the line. True while it holds anything.

    Any thread may use it, but only one at a time takes from it or gives back.

    Attributes:
        items: The queue itself, to be looked at only: whether it is empty costs no call.
    """

    __slots__ = ("_lock", "items")

    def __init__(self) -> None:
        self.items: deque[bytes | LineError] = deque()
        self._lock = allocate_lock()

    def __bool__(self) -> bool:
        return bool(self.items)

    def __len__(self) -> int:
        """Return the count of bytes; line errors count nothing."""
        with self._lock:
            return sum(len(item) for item in self.items if isinstance(item, bytes))

    def extend(self, items: "Sequence[bytes | LineError]") -> None:
        """Append what was read later."""
        with self._lock:
            self.items.extend(items)

    def give_back(self, item: "bytes | LineError") -> None:
        """Put back in front what was read earlier."""
        with self._lock:
            self.items.appendleft(item)

    def take(self, size: int) -> bytes:
        """Return 1..*size* bytes from the front.

        Raises:
            LineError: The line was damaged before the next byte; it is reported once.
            IndexError: There is nothing.
        """
        with self._lock:
            item = self.items.popleft()
            if not isinstance(item, bytes):
                raise item
            if len(item) > size:
                self.items.appendleft(item[size:])
                return item[:size]
            return item

    def take_into(self, buffer: memoryview) -> int:
        """Move bytes from the front into *buffer*; the rest as for `take`."""
        data = self.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self.items.clear()


class MarkedReader:
    """Reads from a driver that marks line errors in the data, and separates the two."""

    __slots__ = ("_carry", "_decode", "_read")

    def __init__(
        self,
        read: "Callable[[int], bytes | None]",
        decode: "Callable[[bytes], Sequence[bytes | LineError]]",
        carry: Carry,
    ) -> None:
        self._read = read
        self._decode = decode
        self._carry = carry

    def read(self, size: int) -> bytes | None:
        """Read once; None if there is nothing to hand over yet.

        Raises:
            LineError: The first thing read was damaged.
        """
        if not self._fill(size):
            return None
        return self._carry.take(size)

    def read_into(self, buffer: memoryview) -> int | None:
        """The same into *buffer*."""
        if not self._fill(len(buffer)):
            return None
        return self._carry.take_into(buffer)

    def _fill(self, size: int) -> bool:
        data = self._read(size)
        if data is not None:
            self._carry.extend(self._decode(data))
        return bool(self._carry)
