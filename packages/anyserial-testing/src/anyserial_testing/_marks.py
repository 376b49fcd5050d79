r"""Damaged bytes as a tty marks them, in the data: written by the reader here, read by the decoder here.

The marks are PARMRK's (termios(3)): ``\xff\x00X`` is X with a parity or framing error,
``\xff\xff`` a literal 0xff. They are put in while reading, because whether they are wanted is the
receiving port's setting, while the byte may have been sent before. A break is a damaged NUL, as a tty
has it. An overrun has no mark on a tty; here it is ``\xff\x01\x00``. Which bytes are damaged is not decided
here.
"""

import errno
import os
import socket
from collections.abc import Callable, Sequence

from anyserial.exceptions import LineError

__all__ = ("DecodeMarks", "MarkedReader", "damaged", "line_error", "marked", "unmarked")

_ESCAPE = 0xFF
_INVERTED = {"parity": 0x01, "framing": 0x80}


def damaged(kind: str, byte: int) -> int:
    """Return *byte* with one bit inverted, as a parity or framing error leaves it."""
    return byte ^ _INVERTED[kind]


def marked(kind: str | None, byte: int) -> bytes:
    """Return *byte* with the damage of this kind, and its mark, as a tty with PARMRK delivers it."""
    whole = b"\xff\xff" if byte == _ESCAPE else bytes((byte,))
    match kind:
        case None:
            return whole
        case "break":
            return b"\xff\x00\x00" + whole
        case "overrun":
            return b"\xff\x01\x00"
        case _:
            return bytes((_ESCAPE, 0x00, damaged(kind, byte)))


def unmarked(kind: str | None, byte: int, *, discard: bool) -> bytes:
    """Return the same as a tty without PARMRK delivers it; *discard* says whether it drops damaged bytes and breaks."""
    match kind:
        case None:
            return bytes((byte,))
        case "break":
            return bytes((byte,)) if discard else bytes((0, byte))
        case "overrun":
            return b""
        case _:
            return b"" if discard else bytes((damaged(kind, byte),))


class MarkedReader:
    """Reads a socket and replaces each byte by what the driver delivers for it: with its mark, damaged, or nothing.

    A byte leaves the socket only once all that it stands for was handed out, so the socket
    stays readable as long as anything is left to read.

    Args:
        encode: Returns what the driver delivers for a byte; called once for each.
    """

    def __init__(self, encode: Callable[[int], bytes]) -> None:
        self._encode = encode
        self._encoded: bytes | None = None  # of the byte that leads the socket, while it is partly handed out
        self._handed_out = 0

    @property
    def is_under_way(self) -> bool:
        """Whether a byte is partly handed out."""
        return self._encoded is not None

    def restart(self) -> None:
        """Forget a byte that is partly handed out: it was thrown away."""
        self._encoded = None
        self._handed_out = 0

    def read(self, sock: socket.socket, max_bytes: int) -> bytes:
        """Return 1..max_bytes encoded bytes, or ``b""`` once the far end is gone.

        Raises:
            OSError: As `socket.recv`; BlockingIOError if nothing is there, or nothing is left of it.
        """
        queued = sock.recv(max_bytes, socket.MSG_PEEK)
        out = bytearray()
        consumed = 0
        for byte in queued:
            if len(out) == max_bytes:
                break
            if self._encoded is None:
                self._encoded = self._encode(byte)
            part = self._encoded[self._handed_out : self._handed_out + max_bytes - len(out)]
            out += part
            self._handed_out += len(part)
            if self._handed_out < len(self._encoded):
                break
            self.restart()
            consumed += 1
        if consumed:
            sock.recv(consumed)
            if not out:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return bytes(out)


class DecodeMarks:
    """Separates data from marks; what is incomplete waits for the next call."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._begun = b""

    def restart(self) -> None:
        """Forget a mark that is begun: its end was thrown away."""
        self._begun = b""

    def __call__(self, data: bytes) -> Sequence[bytes | LineError]:
        """Return the data and the errors in *data*, in their order, without empty pieces."""
        data = self._begun + data
        found: list[bytes | LineError] = []
        plain = bytearray()
        at = 0
        while at < len(data):
            escape = data.find(_ESCAPE, at)
            if escape < 0:
                escape = len(data)
            plain += data[at:escape]
            mark = data[escape : escape + 3]
            if mark[:2] == b"\xff\xff":
                plain.append(_ESCAPE)
                at = escape + 2
            elif len(mark) == 3:  # noqa: PLR2004  # a whole mark
                if plain:
                    found.append(bytes(plain))
                    plain.clear()
                found.append(self._error(mark[1], mark[2]))
                at = escape + 3
            else:
                at = escape
                break
        self._begun = data[at:]
        if plain:
            found.append(bytes(plain))
        return found

    def _error(self, mark: int, byte: int) -> LineError:
        if mark:
            return line_error("overrun", None, self._path)
        return line_error("parity_or_framing" if byte else "break", byte, self._path)


def line_error(kind: str, byte: int | None, path: str) -> LineError:
    """Return the LineError of this kind, with a message that says what happened."""
    messages = {
        "parity_or_framing": f"the line damaged a received byte (parity or framing error): 0x{byte or 0:02x}",
        "break": "a break was received",
        "overrun": "received bytes were lost, because nothing read them in time (overrun)",
    }
    return LineError(errno.EIO, messages[kind], path, kind=kind, byte=byte)
