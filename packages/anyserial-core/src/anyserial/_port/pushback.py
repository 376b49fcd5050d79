"""What was read from the driver and not handed to a caller yet, in the order of the line.

That is rare, but it must not be lost: bytes read for a receive that was cancelled or interrupted
before it had them, what a search for a delimiter read too far, and what follows a mark of a line
error in the same read. They lead the next receive.

The items are a plain list that is exchanged as a whole: storing it is one atomic step, so that an
interruption finds the bytes either here or with the caller, and never in both places or in none.

Not here: what a mark looks like (the backend's), and who may receive (`lifecycle`).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyserial.exceptions import LineError

__all__ = ("Pushback",)


class Pushback:
    """A queue of bytes and line errors. True while it holds anything.

    One call at a time takes from it or gives back. Any thread may clear it.

    Attributes:
        items: The queue; none of its bytes are empty.
    """

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[bytes | LineError] = []

    def __bool__(self) -> bool:
        return bool(self.items)

    def __len__(self) -> int:
        """Return the count of bytes; line errors count nothing."""
        return sum(len(item) for item in self.items if isinstance(item, bytes))

    def extend(self, items: "Sequence[bytes | LineError]") -> None:
        """Append what was read later."""
        self.items.extend(items)

    def give_back(self, item: "bytes | LineError") -> None:
        """Put back in front what was read earlier."""
        self.items.insert(0, item)

    def first(self, size: int) -> "tuple[bytes, list[bytes | LineError]]":
        """Look at the front.

        Returns:
            1..*size* bytes, and what `items` is without them: storing that takes them.

        Raises:
            LineError: The line was damaged before the next byte; it is reported once.
            IndexError: There is nothing.
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
        """Forget everything."""
        self.items = []
