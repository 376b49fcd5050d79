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

__all__ = ("Changeover", "Decoder", "LineDecoder", "change_over", "read_counters")

type Decoder = LineDecoder | Changeover

_MARK = b"\xff"
_BAD = b"\xff\x00"
_DOUBLED = b"\xff\xff"
_BAD_SIZE = 3


class LineDecoder:
    """Turns what a read returned into data and, if asked for, errors, in their order.

    Args:
        line_errors: DISCARD drops damaged bytes and breaks, RAISE reports them, IGNORE delivers
            them as a tty without marks does: the damaged byte, and a NUL for a break.
        path: The port's path, for the errors.

    Attributes:
        pending: The part of a mark that the end of a read cut off.
    """

    __slots__ = ("_path", "line_errors", "pending")

    def __init__(self, line_errors: LineErrors, path: str) -> None:
        self.line_errors = line_errors
        self._path = path
        self.pending = b""

    def __call__(self, data: bytes) -> "list[bytes | LineError]":
        """Return data and errors in their order; none of the data is empty."""
        if self.pending:
            data = self.pending + data
            self.pending = b""
        elif _MARK not in data:
            return [data] if data else []
        if _BAD not in data:
            good = self._undouble(data)
            return [good] if good else []
        return self._separate(data)

    def forget(self) -> None:
        """Forget the part of a mark that the end of a read cut off: the rest will not come."""
        self.pending = b""

    def _undouble(self, data: bytes) -> bytes:
        # Without FF 00 every FF belongs to a pair, but for one that the end of the read cut off.
        if (len(data) - len(data.rstrip(_MARK))) % 2:
            self.pending = _MARK
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
                if self.line_errors is LineErrors.IGNORE:
                    good.append(data[mark + 2])
                elif self.line_errors is LineErrors.RAISE:
                    if good:
                        items.append(bytes(good))
                        good.clear()
                    items.append(self._error(data[mark + 2]))
                start = mark + _BAD_SIZE
            elif len(data) < mark + _BAD_SIZE and data[mark:] in (_MARK, _BAD):
                self.pending = data[mark:]
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


class Changeover:
    """Decodes what was queued when the marking changed as it was marked, and what came later as it is marked now.

    A tty marks a byte when it receives it, so what is in its queue keeps the marks it has. How
    much that is tells FIONREAD, and reads take it in order: nothing needs to be read early.

    Args:
        before: What decoded until the change; None for bytes without marks.
        queued: How many bytes from before the change are still to be read.
        after: What decodes from then on; None for bytes without marks.
    """

    __slots__ = ("_after", "_before", "_left")

    def __init__(self, before: "Decoder | None", queued: int, after: LineDecoder | None) -> None:
        self._before = before
        self._left = queued
        self._after = after

    @property
    def line_errors(self) -> LineErrors:
        """What is done with errors from after the change."""
        return LineErrors.IGNORE if self._after is None else self._after.line_errors

    @property
    def pending(self) -> bytes:
        """The part of a mark that the end of a read cut off."""
        return b"".join(part.pending for part in (self._before, self._after) if part is not None)

    def __call__(self, data: bytes) -> "list[bytes | LineError]":
        """Return data and errors in their order; none of the data is empty."""
        items: list[bytes | LineError] = []
        if self._left:
            old, data = data[: self._left], data[self._left :]
            self._left -= len(old)
            items = [old] if self._before is None else self._before(old)
        if self._before is not None and not self._left:
            # A mark is never queued in parts, so this is an FF that was none: it is data.
            data = self._before.pending + data
            self._before = None
        if data:
            items += [data] if self._after is None else self._after(data)
        return items

    def forget(self) -> None:
        """Forget what was queued, and the part of a mark: the rest will not come."""
        self._left = 0
        self._before = None
        if self._after is not None:
            self._after.forget()


def change_over(before: Decoder | None, queued: int, after: LineDecoder | None) -> Decoder | None:
    """Return what decodes from a change of the marking on; the arguments are those of `Changeover`."""
    if queued or (before is not None and before.pending):
        return Changeover(before, queued, after)
    return after


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
