"""Bytes that were read from the driver and not handed to a caller yet, in the order of the line.

There are three kinds: bytes read for a receive that was cancelled or interrupted before it had them,
bytes after the delimiter that a caller searched for, and bytes after the mark of a line error in the same
read. All of them lead the next receive; none may be lost.

The items are a plain list that is replaced as a whole. Storing it is one atomic step, so an interruption
finds the bytes either here or with the caller, and never in both places or in neither.

The backend knows what a mark looks like, and `lifecycle` says which call may receive; neither is known here.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyserial.exceptions import LineError

__all__ = ("Pushback",)


class Pushback:
    """A queue of bytes and line errors. True while it holds anything.

    One call at a time takes from the queue or gives back to it. Any thread may clear it.

    Attributes:
        items: The queue; it holds no empty bytes.
    """

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[bytes | LineError] = []

    def __bool__(self) -> bool:
        return bool(self.items)

    def __len__(self) -> int:
        """Return how many bytes are queued; line errors are not counted."""
        return sum(len(item) for item in self.items if isinstance(item, bytes))

    def extend(self, items: "Sequence[bytes | LineError]") -> None:
        """Append what was read after the queued items."""
        self.items.extend(items)

    def give_back(self, item: "bytes | LineError") -> None:
        """Put an item that was read before the others back in front."""
        self.items.insert(0, item)

    def first(self, size: int) -> "tuple[bytes, list[bytes | LineError]]":
        """Return bytes from the front without taking them.

        Returns:
            1..*size* bytes, and a list of the items without them. To take the bytes, store it as `items`.

        Raises:
            LineError: The line was damaged before the next byte; it is reported once.
            IndexError: The queue is empty.
        """
        items = self.items
        item = items[0]
        if not isinstance(item, bytes):
            self.items = items[1:]
            raise item
        if len(item) > size:
            return item[:size], [item[size:], *items[1:]]
        return item, items[1:]

    def take(self, size: int) -> bytes:
        """Take 1..*size* bytes from the front; the rest as for `first`."""
        data, rest = self.first(size)
        self.items = rest
        return data

    def take_into(self, buffer: memoryview) -> int:
        """Move bytes from the front into *buffer*, and return how many."""
        data = self.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def clear(self) -> None:
        """Discard everything."""
        self.items = []
