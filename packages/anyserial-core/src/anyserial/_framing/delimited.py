"""Frames that end with a delimiter: lines, NMEA sentences, answers of instruments."""

from typing import TYPE_CHECKING, override

from anyserial._checks import as_bytes, check_bytes, check_positive, refusal
from anyserial._framing.errors import FrameTooLong
from anyserial._framing.scanner import Scanner

if TYPE_CHECKING:
    from anyserial._framing.errors import FramingError

__all__ = ("Delimited",)


class Delimited(Scanner):
    r"""Each frame ends with a delimiter, which is not part of the frame.

    An empty frame is a frame: two delimiters in a row have ``b""`` between them.

    Resynchronisation: a frame longer than *max_size* is reported once, as soon as that is known, and skipped up
    to the next delimiter. So is a frame that the line damaged.

    Args:
        delimiter: At least one byte, as ``b"\r\n"``.
        max_size: The most bytes of a frame, without the delimiter; at least 1.

    Raises:
        TypeError: *delimiter* is not bytes, or *max_size* is not an integer.
        ValueError: *delimiter* is empty, or *max_size* is less than 1.
    """

    def __init__(self, delimiter: bytes, *, max_size: int = 65536) -> None:
        check_bytes("delimiter", delimiter)
        check_positive("max_size", max_size)
        super().__init__(bytes(delimiter), max_size)

    @override
    def encode(self, frame: bytes) -> bytes:
        """Return *frame* with the delimiter behind it.

        Raises:
            ValueError: *frame* is longer than *max_size*, or the receiver would find the delimiter too early.
        """
        encoded = bytes(as_bytes(frame, "frame")) + self._delimiter
        if len(frame) > self._raw_limit:
            raise ValueError(refusal("frame", f"at most {self._raw_limit} bytes long", len(frame)))
        if encoded.find(self._delimiter) < len(encoded) - len(self._delimiter):
            raise ValueError(refusal("frame", f"without the delimiter {self._delimiter!r}", frame))
        return encoded

    @override
    def feed(self, data: bytes) -> "list[bytes | FramingError]":
        """See `Framing.feed`."""
        # Whole lines, as most reads return them, need no more than this.
        if self._pending or self._is_skipping or len(data) > self._raw_limit:
            return super().feed(data)
        frames: list[bytes | FramingError] = [*data.split(self._delimiter)]
        rest = frames.pop()
        if rest:
            self._pending += rest  # type: ignore[arg-type]  # pyright: ignore[reportOperatorIssue]  # split gives bytes
        return frames

    @override
    def _decoded(self, raw: bytes) -> bytes:
        return raw

    @override
    def _too_long(self, raw: bytes) -> "FramingError":
        return FrameTooLong(
            f"a frame is longer than {self._raw_limit} bytes: the delimiter {self._delimiter!r} did not come",
            partial=raw[: self._raw_limit],
        )
