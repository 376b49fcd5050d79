"""Finding a delimiter in a stream of bytes, in bounded memory: the base of Delimited, Slip and Cobs.

A frame ends at the first delimiter after its beginning, however the bytes were split. What lies between two
delimiters is handed to `_decoded`. If more than `_raw_limit` bytes come without a delimiter, the frame is
given up with one error, and everything up to the next delimiter is skipped.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, override

from anyserial._framing.contract import Framing

if TYPE_CHECKING:
    from anyserial._framing.errors import FramingError

__all__ = ("Scanner",)


class Scanner(Framing):
    """See the module's docstring.

    Args:
        delimiter: What ends a frame.
        raw_limit: The most bytes between two delimiters.
    """

    def __init__(self, delimiter: bytes, raw_limit: int) -> None:
        self._delimiter = delimiter
        self._raw_limit = raw_limit
        self._pending = bytearray()  # received since the last delimiter, and searched; while skipping, only its end
        self._is_skipping = False

    @abstractmethod
    def _decoded(self, raw: bytes) -> "bytes | FramingError | None":
        """Return the frame that was sent as *raw*, its error, or None if it is none."""

    @abstractmethod
    def _too_long(self, raw: bytes) -> "FramingError":
        """Return the error of a frame that begins with *raw*, which is longer than the limit."""

    @override
    def feed(self, data: bytes) -> "list[bytes | FramingError]":
        found: list[bytes | FramingError] = []
        if self._pending or self._is_skipping:
            data = self._finish(data, found)
        *parts, rest = data.split(self._delimiter)
        for part in parts:
            self._add(part, found)
        if rest:
            self._keep(rest, found)
        return found

    @override
    def reset(self) -> bytes:
        partial = b"" if self._is_skipping else bytes(self._pending)
        self._pending.clear()
        self._is_skipping = False
        return partial

    @override
    def resync(self) -> bytes:
        partial = self.reset()
        self._is_skipping = True
        return partial

    def _finish(self, data: bytes, found: "list[bytes | FramingError]") -> bytes:
        """Go on with the frame that is under way; return what comes after it."""
        pending, delimiter = self._pending, self._delimiter
        searched = max(len(pending) - len(delimiter) + 1, 0)
        pending += data
        end = pending.find(delimiter, searched)
        if end < 0:
            self._bound(found)
            return b""
        rest = bytes(pending[end + len(delimiter) :])
        if not self._is_skipping:
            self._add(bytes(pending[:end]), found)
        self._is_skipping = False
        pending.clear()
        return rest

    def _keep(self, rest: bytes, found: "list[bytes | FramingError]") -> None:
        """Keep the beginning of a frame whose delimiter has not come."""
        self._pending += rest
        self._bound(found)

    def _bound(self, found: "list[bytes | FramingError]") -> None:
        """Give the pending frame up if it is too long, and while skipping keep only what may begin a delimiter."""
        pending, overlap = self._pending, len(self._delimiter) - 1
        # The last bytes may be the beginning of the delimiter, and then are not the frame's.
        if not self._is_skipping and len(pending) > self._raw_limit + overlap:
            found.append(self._too_long(bytes(pending)))
            self._is_skipping = True
        if self._is_skipping:
            del pending[: max(len(pending) - overlap, 0)]

    def _add(self, raw: bytes, found: "list[bytes | FramingError]") -> None:
        item = self._too_long(raw) if len(raw) > self._raw_limit else self._decoded(raw)
        if item is not None:
            found.append(item)
