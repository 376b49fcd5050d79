"""What a transport holds for the kernel, and how it tells the protocol to stop and to go on.

The limits and their defaults are those of asyncio's own transports. When the bytes are written is not known here.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Output",)

_HIGH = 65536


class Output:
    """The bytes that the kernel has not taken yet, and the two marks that pause and resume the protocol.

    Args:
        tell: Calls ``pause_writing`` or ``resume_writing`` of the protocol, by name.

    Attributes:
        data: The bytes.
        is_connected: Whether the protocol knows its transport; no other method of it is called before.
        is_paused: Whether ``pause_writing`` was called last.
        low: At or below so many bytes, the protocol may go on.
        high: Above so many bytes, the protocol must stop.
    """

    __slots__ = ("_tell", "data", "high", "is_connected", "is_paused", "low")

    def __init__(self, tell: "Callable[[str], None]") -> None:
        self._tell = tell
        self.data = bytearray()
        self.is_connected = False
        self.is_paused = False
        self.high = _HIGH
        self.low = _HIGH // 4

    def append(self, data: bytes | memoryview) -> None:
        """Hold *data* behind what is held already."""
        self.data += data
        self.pause()

    def advance(self, count: int) -> None:
        """Drop *count* bytes from the front: they are written."""
        del self.data[:count]
        self.resume()

    def clear(self) -> int:
        """Discard everything; return how many bytes that were."""
        count = len(self.data)
        self.data = bytearray()  # a write under way may still look at the bytes before
        self.resume()
        return count

    def limit(self, high: Any, low: Any) -> None:
        """Set the marks; None gives asyncio's defaults.

        Raises:
            ValueError: They are not ``high >= low >= 0``.
        """
        if high is None:
            high = _HIGH if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"the write buffer's limits must be high >= low >= 0 (got high={high!r}, low={low!r})")
        self.high, self.low = high, low
        self.pause()

    def pause(self) -> None:
        """Tell the protocol to stop, if too much is held."""
        if self.is_connected and not self.is_paused and len(self.data) > self.high:
            self.is_paused = True
            self._tell("pause_writing")

    def resume(self) -> None:
        """Tell the protocol to go on, if enough has left."""
        if self.is_paused and len(self.data) <= self.low:
            self.is_paused = False
            self._tell("resume_writing")
