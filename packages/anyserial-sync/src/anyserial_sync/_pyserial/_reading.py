"""Reading and file methods in terms of `read`, for every kind of port."""

from typing import TYPE_CHECKING, cast, override

from anyserial_sync._pyserial._constants import LF
from anyserial_sync._pyserial._helpers import Timeout
from anyserial_sync._pyserial._legacy import LegacyNames

if TYPE_CHECKING:
    from collections.abc import Buffer, Iterator

__all__ = ("ReadingByRead", "delimiter_of")


def delimiter_of(expected: object) -> bytes:
    """Return the bytes that end a `read_until`; none for text, which is in no bytes.

    Programs that give text by mistake read until their timeout, and have to go on doing so.
    """
    return b"" if isinstance(expected, str) else bytes(cast("Buffer", expected))


class ReadingByRead(LegacyNames):
    """What follows from `read`, whatever that reads from."""

    _timeout: float | None

    if TYPE_CHECKING:
        # Each kind of port has its own, and inherits neither.
        @override
        def read(self, size: int = 1, /) -> bytes: ...
        def open(self) -> None: ...

    @override
    def readinto(self, buffer: "Buffer", /) -> int:
        """Read into *buffer*, as `read` of its length; return the number of bytes."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read_all(self) -> bytes | None:
        """Read what has arrived, without waiting."""
        return self.read(self._of_this_kind("in_waiting"))

    def read_until(self, expected: bytes = LF, size: int | None = None) -> bytes:
        """Read until *expected* has come, *size* bytes have come, or the timeout is over.

        Args:
            expected: The bytes that end it; they are part of the result. Text and ``b""`` are never found.
            size: The most to read; None has no limit.

        Returns:
            What came. It ends with *expected* unless the size or the timeout ended it.
        """
        line = bytearray()
        delimiter = delimiter_of(expected)
        timeout = Timeout(self._timeout)
        while data := self.read(1):
            line += data
            is_complete = bool(delimiter) and line.endswith(delimiter)
            if is_complete or (size is not None and len(line) >= size) or timeout.expired():
                break
        return bytes(line)

    def iread_until(self, expected: bytes = LF, size: int | None = None) -> "Iterator[bytes]":
        """Return an iterator over what `read_until` returns; it ends when nothing comes in time."""
        while line := self.read_until(expected, size):
            yield line

    # A file

    @override
    def readable(self) -> bool:
        """Return True."""
        return True

    @override
    def writable(self) -> bool:
        """Return True."""
        return True

    @override
    def seekable(self) -> bool:
        """Return False."""
        return False
