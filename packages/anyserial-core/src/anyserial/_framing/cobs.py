"""COBS, consistent overhead byte stuffing: a frame has no zero on the line, and a zero ends it.

Cheshire and Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999.
"""

from typing import TYPE_CHECKING, Final, override

from anyserial._checks import as_bytes, check_positive, refusal
from anyserial._framing.errors import FrameDamaged, FrameTooLong
from anyserial._framing.scanner import Scanner

if TYPE_CHECKING:
    from anyserial._framing.errors import FramingError

__all__ = ("Cobs",)

BLOCK: Final = 254  # bytes without a zero that one code byte can announce
FULL: Final = 255  # the code of such a block, which no zero follows


class Cobs(Scanner):
    """COBS. Each frame is followed by a zero byte, and has none in it on the line.

    An empty frame can be sent and received. Zeros in a row are nothing.

    Resynchronisation: at the next zero. A block that is shorter than its code byte says makes a frame
    `FrameDamaged`, and its `partial` is what the blocks before held.

    Args:
        max_size: The most bytes of a frame as it is decoded, at least 1.

    Raises:
        TypeError: *max_size* is not an integer.
        ValueError: *max_size* is less than 1.
    """

    def __init__(self, *, max_size: int = 65536) -> None:
        check_positive("max_size", max_size)
        self._max_size = max_size
        # Beside the code bytes that are necessary, an encoder may put one behind a full last block.
        super().__init__(b"\0", max_size + max_size // BLOCK + 1)

    @override
    def encode(self, frame: bytes) -> bytes:
        """Return *frame* encoded, with the zero that ends it.

        Raises:
            ValueError: *frame* is longer than *max_size*.
        """
        data = bytes(as_bytes(frame, "frame"))
        if len(data) > self._max_size:
            raise ValueError(refusal("frame", f"at most {self._max_size} bytes long", len(data)))
        encoded = bytearray()
        pieces = data.split(b"\0")
        for number, piece in enumerate(pieces, 1):
            begin = 0
            while len(piece) - begin >= BLOCK:
                encoded.append(FULL)
                encoded += piece[begin : begin + BLOCK]
                begin += BLOCK
            if begin < len(piece) or not begin or number < len(pieces):
                encoded.append(len(piece) - begin + 1)
                encoded += piece[begin:]
        encoded.append(0)
        return bytes(encoded)

    @override
    def _decoded(self, raw: bytes) -> "bytes | FramingError | None":
        if not raw:
            return None
        frame = bytearray()
        missing = _unpack(raw, frame)
        if missing:
            return FrameDamaged(
                f"a COBS frame ends {missing} bytes before the end of its last block",
                partial=bytes(frame[: self._max_size]),
            )
        return bytes(frame) if len(frame) <= self._max_size else self._too_long(raw)

    @override
    def _too_long(self, raw: bytes) -> "FramingError":
        frame = bytearray()
        _unpack(raw, frame, with_rest=True)
        return FrameTooLong(
            f"a COBS frame is longer than {self._max_size} bytes", partial=bytes(frame[: self._max_size])
        )


def _unpack(raw: bytes, frame: bytearray, *, with_rest: bool = False) -> int:
    """Add to *frame* what the blocks of *raw* hold; return how many bytes the last block lacks, and leave that out.

    With *with_rest*, what has come of the last block is added, too.
    """
    position = 0
    while position < len(raw):
        code = raw[position]
        block = raw[position + 1 : position + code]
        if len(block) < code - 1:
            if with_rest:
                frame += block
            return code - 1 - len(block)
        frame += block
        position += code
        if code != FULL and position < len(raw):
            frame.append(0)
    return 0
