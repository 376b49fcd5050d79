"""Frames whose length is known beforehand: `FixedSize`, and `LengthPrefixed`, which tells it in front."""

from typing import TYPE_CHECKING, Literal, override

from anyserial._checks import as_bytes, check_flag, check_integer, check_positive, check_seconds, refusal
from anyserial._framing.contract import Framing
from anyserial._framing.errors import FrameDamaged, FrameTooLong

if TYPE_CHECKING:
    from anyserial._framing.errors import FramingError

__all__ = ("FixedSize", "LengthPrefixed")

LONGEST_PREFIX = 8  # bytes


class _Pausing(Framing):
    """Collects bytes; a pause in the middle of a frame ends that frame, if the user gave the length of a pause."""

    def __init__(self, silence: float | None) -> None:
        self._silence = None if silence is None else check_seconds("silence", silence, zero=False)
        self._pending = bytearray()
        self._is_skipping = False  # up to the next pause

    @property
    @override
    def silence(self) -> float | None:
        return self._silence if self._pending or self._is_skipping else None

    @override
    def reset(self) -> bytes:
        partial = bytes(self._pending)
        self._pending.clear()
        self._is_skipping = False
        return partial

    @override
    def resync(self) -> bytes:
        partial = self.reset()
        self._is_skipping = self._silence is not None
        return partial

    def _pause(self) -> "list[bytes | FramingError]":
        partial = self.reset()
        if not partial:
            return []
        return [FrameDamaged(f"nothing came for {self._silence} s in the middle of a frame", partial=partial)]


class FixedSize(_Pausing):
    """Every frame has the same size, and nothing is between them.

    Resynchronisation: such a stream does not show where a frame begins. With *silence*, a pause in the middle
    of a frame gives that frame up as `FrameDamaged`, and the next byte begins a frame; without it, one lost byte
    shifts all frames that follow.

    Args:
        size: Bytes in a frame, at least 1.
        silence: Seconds; above 0. None if a pause means nothing.

    Raises:
        TypeError: *size* is not an integer, or *silence* not a number.
        ValueError: *size* is less than 1, or *silence* is not above 0.
    """

    def __init__(self, size: int, *, silence: float | None = None) -> None:
        check_positive("size", size)
        super().__init__(silence)
        self._size = size

    @override
    def encode(self, frame: bytes) -> bytes:
        """Return *frame*.

        Raises:
            ValueError: It has another size.
        """
        data = bytes(as_bytes(frame, "frame"))
        if len(data) != self._size:
            raise ValueError(refusal("frame", f"{self._size} bytes long", len(data)))
        return data

    @override
    def feed(self, data: bytes) -> "list[bytes | FramingError]":
        """See `Framing.feed`."""
        if not data:
            return self._pause()
        if self._is_skipping:
            return []
        size, pending = self._size, self._pending
        if pending:
            pending += data
            if len(pending) < size:  # joined once it is whole: a copy for each piece of a large frame would cost a lot
                return []
            data = bytes(pending)
            pending.clear()
        whole = len(data) - len(data) % size
        pending += data[whole:]
        return [data[begin : begin + size] for begin in range(0, whole, size)]


class LengthPrefixed(_Pausing):
    """An integer in front of each frame says how long it is.

    On the line, a frame is *header* bytes, the prefix, the bytes that the prefix counts, and *trailer* bytes. The
    frame that you send or receive is the same without the prefix.

    Resynchronisation: a prefix that announces more than *max_size* allows is reported as `FrameTooLong`, one that
    cannot be (less than its own size, with *counts_itself*) as `FrameDamaged`. With *silence*, everything up to
    the next pause is skipped then. Without it, the framing moves on byte by byte, silently, until a prefix is
    possible again. That may produce a wrong frame, so verify a checksum.

    Args:
        size: Bytes of the prefix, 1 to 8.
        byteorder: ``"big"`` or ``"little"``.
        counts_itself: Whether the prefix counts its own bytes, too.
        header: Bytes in front of the prefix, which it does not count; 0 or more.
        trailer: Bytes at the end, which it does not count, as a checksum; 0 or more.
        max_size: The most bytes of a frame, *header* and *trailer* included; at least 1.
        silence: Seconds; above 0. If nothing comes for that long in the middle of a frame, that frame is given
            up as `FrameDamaged`. None if a pause means nothing.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: An argument is out of its bounds.
    """

    def __init__(
        self,
        size: int,
        *,
        byteorder: Literal["big", "little"] = "big",
        counts_itself: bool = False,
        header: int = 0,
        trailer: int = 0,
        max_size: int = 65536,
        silence: float | None = None,
    ) -> None:
        self._size = check_integer("size", size, 1, LONGEST_PREFIX)
        if byteorder not in ("big", "little"):
            raise ValueError(refusal("byteorder", "'big' or 'little'", byteorder))
        self._byteorder: Literal["big", "little"] = byteorder
        self._itself = size if check_flag("counts_itself", counts_itself) else 0
        self._header = check_integer("header", header, 0)
        self._trailer = check_integer("trailer", trailer, 0)
        self._max_size = check_integer("max_size", max_size, max(header + trailer, 1))
        self._is_hunting = False  # for a possible prefix, after an impossible one
        super().__init__(silence)

    @override
    def encode(self, frame: bytes) -> bytes:
        """Return *frame* with the prefix in its place.

        Raises:
            ValueError: *frame* is shorter than header and trailer, longer than *max_size*, or longer than the
                prefix can say.
        """
        data = bytes(as_bytes(frame, "frame"))
        least = self._header + self._trailer
        count = len(data) - least + self._itself
        most = min(self._max_size, 256**self._size - 1 - self._itself + least)
        if not least <= len(data) <= most:
            raise ValueError(refusal("frame", f"from {least} to {most} bytes long", len(data)))
        return data[: self._header] + count.to_bytes(self._size, self._byteorder) + data[self._header :]

    @override
    def feed(self, data: bytes) -> "list[bytes | FramingError]":
        """See `Framing.feed`."""
        if not data:
            return self._pause()
        if self._is_skipping:
            return []
        found: list[bytes | FramingError] = []
        pending, header, prefixed = self._pending, self._header, self._header + self._size
        pending += data
        begin = 0
        while len(pending) - begin >= prefixed:
            number = int.from_bytes(pending[begin + header : begin + prefixed], self._byteorder)
            length = header + number - self._itself + self._trailer
            if not header + self._trailer <= length <= self._max_size:
                if not self._is_hunting:
                    found.append(self._impossible(number, length, bytes(pending[begin : begin + prefixed])))
                if self._silence is not None:
                    pending.clear()
                    self._is_skipping = True
                    return found
                self._is_hunting = True
                begin += 1
                continue
            self._is_hunting = False
            end = begin + self._size + length
            if end > len(pending):
                break
            found.append(bytes(pending[begin : begin + header] + pending[begin + prefixed : end]))
            begin = end
        del pending[:begin]
        return found

    @override
    def reset(self) -> bytes:
        """See `Framing.reset`."""
        self._is_hunting = False
        return super().reset()

    def _impossible(self, number: int, length: int, partial: bytes) -> "FramingError":
        if length > self._max_size:
            return FrameTooLong(
                f"a prefix of {number} announces a frame of {length} bytes, and {self._max_size} are the limit",
                partial=partial,
            )
        return FrameDamaged(f"a prefix of {number} is less than its own {self._size} bytes", partial=partial)
