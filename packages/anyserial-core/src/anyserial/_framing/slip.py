"""SLIP, as RFC 1055 describes it: a byte ends a frame, and where it occurs in a frame it is escaped."""

from typing import TYPE_CHECKING, Final, override

from anyserial._checks import as_bytes, check_positive, refusal
from anyserial._framing.errors import FrameDamaged, FrameTooLong
from anyserial._framing.scanner import Scanner

if TYPE_CHECKING:
    from anyserial._framing.errors import FramingError

__all__ = ("Slip",)

END: Final = b"\xc0"
ESC: Final = b"\xdb"
ESC_END: Final = b"\xdb\xdc"
ESC_ESC: Final = b"\xdb\xdd"
MEANINGS: Final = {0xDC: END, 0xDD: ESC}


class Slip(Scanner):
    """SLIP (RFC 1055). A frame is sent with END before and behind it, so that noise on an idle line ends there.

    There are no empty frames: END twice in a row is nothing.

    Resynchronisation: at the next END. An escape that RFC 1055 does not have makes a frame `FrameDamaged`, and
    its `partial` is what comes before it.

    Args:
        max_size: The most bytes of a frame, not counting what escaping adds; at least 1. RFC 1055 suggests
            1006.

    Raises:
        TypeError: *max_size* is not an integer.
        ValueError: *max_size* is less than 1.
    """

    def __init__(self, *, max_size: int = 65536) -> None:
        check_positive("max_size", max_size)
        self._max_size = max_size
        super().__init__(END, 2 * max_size)

    @override
    def encode(self, frame: bytes) -> bytes:
        """Return *frame* escaped, between two END bytes.

        Raises:
            ValueError: *frame* is empty or longer than *max_size*.
        """
        data = bytes(as_bytes(frame, "frame"))
        if not 1 <= len(data) <= self._max_size:
            raise ValueError(refusal("frame", f"from 1 to {self._max_size} bytes long", len(data)))
        return END + data.replace(ESC, ESC_ESC).replace(END, ESC_END) + END

    @override
    def _decoded(self, raw: bytes) -> "bytes | FramingError | None":
        if not raw:
            return None
        first, *others = raw.split(ESC)
        pieces = [first]
        for other in others:
            meaning = MEANINGS.get(other[0]) if other else None
            if meaning is None:
                return FrameDamaged(
                    f"a SLIP frame has an escape that does not exist: {(ESC + other[:1]).hex(' ')}",
                    partial=b"".join(pieces)[: self._max_size],
                )
            pieces += meaning, other[1:]
        frame = b"".join(pieces)
        return frame if len(frame) <= self._max_size else self._too_long(raw)

    @override
    def _too_long(self, raw: bytes) -> "FramingError":
        frame = raw.replace(ESC_END, END).replace(ESC_ESC, ESC)
        return FrameTooLong(f"a SLIP frame is longer than {self._max_size} bytes", partial=frame[: self._max_size])
