"""What the line did to the data: separating error marks from received bytes, and the counters.

With PARMRK set (and ISTRIP off) a tty marks what it received (termios(3)):
``FF 00 X`` is the byte X with a parity or framing error, ``FF 00 00`` a break, and
``FF FF`` a good byte FF. A mark may be cut anywhere by the end of a read. Which flags make a
tty mark is `_termios`'s business.
"""

from typing import TYPE_CHECKING

from anyserial.capabilities import LineCounters
from anyserial.config import LineErrors
from anyserial.exceptions import LineError

from anyserial_posix._ioctl import ICOUNTER, get_struct

if TYPE_CHECKING:
    from anyserial_posix._syscalls import Syscalls

__all__ = ("LineDecoder", "read_counters")

_MARK = b"\xff"
_BAD = b"\xff\x00"
_DOUBLED = b"\xff\xff"
_BAD_SIZE = 3


class LineDecoder:
    """Turns what a read returned into data and, if asked for, errors, in their order.

    Args:
        line_errors: DISCARD drops damaged bytes and breaks, RAISE reports them.
        path: The port's path, for the errors.
    """

    __slots__ = ("_path", "_pending", "_report", "line_errors")

    def __init__(self, line_errors: LineErrors, path: str) -> None:
        self.line_errors = line_errors
        self._report = line_errors is LineErrors.RAISE
        self._path = path
        self._pending = b""

    def __call__(self, data: bytes) -> "list[bytes | LineError]":
        """Return data and errors in their order; none of the data is empty."""
        if self._pending:
            data = self._pending + data
            self._pending = b""
        elif _MARK not in data:
            return [data] if data else []
        if _BAD not in data:
            good = self._undouble(data)
            return [good] if good else []
        return self._separate(data)

    def forget(self) -> None:
        """Forget the part of a mark that the end of a read cut off: the rest will not come."""
        self._pending = b""

    def _undouble(self, data: bytes) -> bytes:
        # Without FF 00 every FF belongs to a pair, but for one that the end of the read cut off.
        if (len(data) - len(data.rstrip(_MARK))) % 2:
            self._pending = _MARK
            data = data[:-1]
        return data.replace(_DOUBLED, _MARK)

    def _separate(self, data: bytes) -> "list[bytes | LineError]":
        items: list[bytes | LineError] = []
        good = bytearray()
        start = 0
        while True:
            mark = data.find(_MARK, start)
            if mark < 0:
                good += data[start:]
                break
            good += data[start:mark]
            if data[mark : mark + 2] == _DOUBLED:
                good += _MARK
                start = mark + 2
            elif data[mark : mark + 2] == _BAD and len(data) >= mark + _BAD_SIZE:
                if self._report:
                    if good:
                        items.append(bytes(good))
                        good.clear()
                    items.append(self._error(data[mark + 2]))
                start = mark + _BAD_SIZE
            elif len(data) < mark + _BAD_SIZE and data[mark:] in (_MARK, _BAD):
                self._pending = data[mark:]
                break
            else:  # a lone FF was received before the marking was switched on
                good += _MARK
                start = mark + 1
        if good:
            items.append(bytes(good))
        return items

    def _error(self, byte: int) -> LineError:
        if byte == 0:
            return LineError(None, "a break was received", self._path, kind="break", byte=0)
        return LineError(
            None,
            f"a byte was received with a parity or framing error (0x{byte:02x})",
            self._path,
            kind="parity_or_framing",
            byte=byte,
        )


def read_counters(system: "Syscalls", fd: int, request: int | None) -> LineCounters:
    """Read struct serial_icounter_struct (TIOCGICOUNT)."""
    cts, dsr, ri, cd, rx, tx, frame, overrun, parity, brk, buf_overrun = ICOUNTER.unpack(
        get_struct(system, fd, request, ICOUNTER.size)
    )
    return LineCounters(
        cts=cts,
        dsr=dsr,
        ri=ri,
        cd=cd,
        rx=rx,
        tx=tx,
        frame=frame,
        overrun=overrun,
        parity=parity,
        brk=brk,
        buf_overrun=buf_overrun,
    )
