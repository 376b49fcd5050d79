"""Reading and writing on a descriptor: the layer between a transport and the system calls.

`Readers` and `DirectCalls` serve the blocking face, which must not lose what is read when a signal comes;
`MarkedReader` separates marks of line errors from data. Choosing between them is the transport's.
"""

from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyserial._port.contract import Items
    from anyserial._port.pushback import Pushback
    from anyserial.exceptions import SerialError

__all__ = ("DirectCalls", "MarkedReader", "Readers")

MOST_READERS: Final = 16


class DirectCalls:
    """What a backend may offer as ``direct_calls``: the system calls behind its `read` and `write`, as functions of C.

    Args:
        read: Takes the descriptor and a count, like `os.read`.
        write: Takes the descriptor and data, like `os.write`.
        read_limit: The most bytes to ask one read for.
        error: Returns the SerialError for an OSError of either call; does not block.
    """

    __slots__ = ("error", "read", "read_limit", "write")

    def __init__(
        self,
        read: "Callable[[int, int], bytes]",
        write: "Callable[[int, bytes | memoryview], int]",
        read_limit: int,
        error: "Callable[[OSError], SerialError]",
    ) -> None:
        self.read = read
        self.write = write
        self.read_limit = read_limit
        self.error = error


class Readers(dict[int, "Iterator[bytes]"]):
    """Iterators, keyed by the count that is asked for; each is made when it is first needed."""

    def __init__(self, system: DirectCalls, fd: int) -> None:
        super().__init__()
        self._system = system
        self._fd = fd

    def __missing__(self, size: int) -> "Iterator[bytes]":
        if len(self) >= MOST_READERS:
            self.clear()
        limit = min(size, self._system.read_limit)
        reader = self[size] = map(self._system.read, repeat(self._fd), repeat(limit))
        return reader


class MarkedReader:
    """Reads from a driver that marks line errors in the data, and separates the two."""

    __slots__ = ("_decode", "_pushback", "_read")

    def __init__(
        self,
        read: "Callable[[int], bytes | None]",
        decode: "Callable[[bytes], Any]",
        pushback: "Pushback",
    ) -> None:
        self._read = read
        self._decode = decode
        self._pushback = pushback

    def read(self, size: int) -> bytes | None:
        """Read once; None if there is nothing to hand over yet.

        Raises:
            LineError: The first thing read was damaged.
        """
        if not self.read_onto(self._pushback.items, size):
            return None
        return self._pushback.take(size)

    def read_into(self, buffer: memoryview) -> int | None:
        """The same into *buffer*."""
        if not self.read_onto(self._pushback.items, len(buffer)):
            return None
        return self._pushback.take_into(buffer)

    def read_onto(self, items: "Items", size: int) -> bool:
        """The same onto *items*."""
        data = self._read(size)
        if data is None:
            return False
        decoded = self._decode(data)
        items.extend(decoded)
        return bool(decoded)
