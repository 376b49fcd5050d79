r"""Damaged bytes as a tty marks them, in the data: written by the reader here, read by the decoder here.

The marks are PARMRK's (termios(3)): ``\xff\x00X`` is X with a parity or framing error,
``\xff\xff`` a literal 0xff. They are put in while reading, because whether they are wanted is the
receiving port's setting, while the byte may have been sent before. Which bytes are damaged is not
decided here.
"""

import errno
import socket
from collections.abc import Callable, Sequence

from anyserial.exceptions import LineError

__all__ = ("DecodeMarks", "MarkedReader", "damage")

_ESCAPE = 0xFF


def damage(byte: int) -> int:
    """Return *byte* with one bit inverted, as a parity error leaves it."""
    return byte ^ 0x01


class MarkedReader:
    """Reads a socket and marks the bytes that the plan damages.

    A byte leaves the socket only once its whole mark was handed out, so the socket
    stays readable as long as anything is left to read.
    """

    def __init__(self, take_error: Callable[[], bool]) -> None:
        self._take_error = take_error
        self._mark = b""  # the encoded byte that leads the socket, while it is partly handed out
        self._handed_out = 0

    def restart(self) -> None:
        """Forget a mark that is partly handed out: its byte was thrown away."""
        self._mark = b""
        self._handed_out = 0

    def read(self, sock: socket.socket, max_bytes: int) -> bytes:
        """Return 1..max_bytes encoded bytes, or ``b""`` once the far end is gone.

        Raises:
            OSError: As `socket.recv`; BlockingIOError if nothing is there.
        """
        queued = sock.recv(max_bytes, socket.MSG_PEEK)
        out = bytearray()
        consumed = 0
        for byte in queued:
            if len(out) == max_bytes:
                break
            if not self._mark:
                self._mark = self._encode(byte)
            part = self._mark[self._handed_out : self._handed_out + max_bytes - len(out)]
            out += part
            self._handed_out += len(part)
            if self._handed_out < len(self._mark):
                break
            self.restart()
            consumed += 1
        if consumed:
            sock.recv(consumed)
        return bytes(out)

    def _encode(self, byte: int) -> bytes:
        if self._take_error():
            return bytes((_ESCAPE, 0x00, damage(byte)))
        return b"\xff\xff" if byte == _ESCAPE else bytes((byte,))


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
                found.append(self._error(mark[2]))
                at = escape + 3
            else:
                at = escape
                break
        self._begun = data[at:]
        if plain:
            found.append(bytes(plain))
        return found

    def _error(self, byte: int) -> LineError:
        message = f"the line damaged a received byte (parity or framing error): 0x{byte:02x}"
        return LineError(errno.EIO, message, self._path, kind="parity_or_framing", byte=byte)
