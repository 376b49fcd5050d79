"""Small helpers that pySerial exports: making bytes, and measuring a timeout."""

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Buffer, Iterable, Iterator

__all__ = ("Timeout", "iterbytes", "to_bytes")


def to_bytes(seq: "Buffer | Iterable[int]") -> bytes:
    """Return the bytes of a buffer, or of integers from 0 to 255.

    Raises:
        TypeError: *seq* is a str, which has no bytes until it is encoded.
        ValueError: An integer is not a byte.
    """
    if isinstance(seq, bytes):
        return seq
    if isinstance(seq, str):
        raise TypeError(f"a serial port carries bytes: encode the text first, as in text.encode() (got {seq!r})")
    if isinstance(seq, memoryview):
        return seq.tobytes()
    return bytes(bytearray(seq))


def iterbytes(b: "Buffer | bytes") -> "Iterator[bytes]":
    """Return an iterator over the bytes of *b*, each of them as bytes of length 1."""
    data = to_bytes(b)
    return (data[index : index + 1] for index in range(len(data)))


class Timeout:
    """A time limit that begins when it is made.

    Args:
        duration: Seconds; None never ends, 0 has ended already.

    Attributes:
        is_infinite: Whether it never ends.
        is_non_blocking: Whether its duration is 0.
        duration: Seconds.
        target_time: When it ends, by `TIME`; None if it never ends.
    """

    TIME: Any = staticmethod(time.monotonic)
    """The clock, which a subclass may replace."""

    def __init__(self, duration: float | None) -> None:
        self.is_infinite: bool = duration is None
        self.is_non_blocking: bool = duration == 0
        self.duration = duration
        self.target_time: float | None = None if duration is None else self.TIME() + duration

    def expired(self) -> bool:
        """Tell whether the time is over."""
        return self.target_time is not None and self.time_left() == 0

    def time_left(self) -> float | None:
        """Return the seconds that are left, at least 0; None if the limit never ends.

        If the clock is set back, the limit begins again, so that no wait gets longer than the duration.
        """
        if self.is_non_blocking:
            return 0
        if self.target_time is None or self.duration is None:
            return None
        left: float = self.target_time - self.TIME()
        if left > self.duration:
            self.target_time = self.TIME() + self.duration
            return self.duration
        return max(0, left)

    def restart(self, duration: float) -> None:
        """Begin again, with another duration in seconds."""
        self.duration = duration
        self.target_time = self.TIME() + duration
