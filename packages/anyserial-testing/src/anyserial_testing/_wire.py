"""The cable between two mock ports: a socketpair for the bytes, and the lines beside it.

Each side takes its end of the socketpair when it opens and closes it when it closes.
What a port makes of the bytes is not this module's business.
"""

import select
import socket
import threading
from types import BuiltinFunctionType

__all__ = ("Side", "Wire", "hung_up")


class Side:
    """What one end of the cable drives, and what its driver would have counted."""

    __slots__ = ("break_asserted", "breaks", "cd", "cts", "dsr", "dtr", "rts")

    rts: bool
    dtr: bool
    break_asserted: bool
    breaks: int
    cts: int
    dsr: int
    cd: int

    def __init__(self) -> None:
        self.rts = self.dtr = self.break_asserted = False
        self.breaks = self.cts = self.dsr = self.cd = 0


class Wire:
    """A null-modem cable with two ends, 0 and 1."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sides = (Side(), Side())
        # The half of a new socketpair waits here until the other side opens.
        self._waiting: list[socket.socket | None] = [None, None]

    def take(self, end: int) -> socket.socket:
        """Return this end's socket, non-blocking, of the conversation that the far end began, or of a new one."""
        with self._lock:
            mine = self._waiting[end]
            self._waiting[end] = None
            if mine is None:
                mine, other = socket.socketpair()
                mine.setblocking(False)
                other.setblocking(False)
                # Should the far end still be in a conversation that this one left, it has to open again too.
                self._waiting[1 - end] = other
            self._sides[end].breaks = self._sides[end].cts = self._sides[end].dsr = self._sides[end].cd = 0
            return mine

    def leave(self, end: int, mine: socket.socket, *, drop_lines: bool) -> None:
        """Close this end's socket, and the other half too if the far end never took it."""
        self.drive(end, on_break=False)
        if drop_lines:
            self.drive(end, rts=False, dtr=False)
        with self._lock:
            other, self._waiting[1 - end] = self._waiting[1 - end], None
            mine.close()
            if other is not None:
                other.close()

    def near(self, end: int) -> Side:
        """Return what this end drives."""
        return self._sides[end]

    def far(self, end: int) -> Side:
        """Return what the far end drives."""
        return self._sides[1 - end]

    def drive(
        self, end: int, *, rts: bool | None = None, dtr: bool | None = None, on_break: bool | None = None
    ) -> None:
        """Set what is not None, and count the changes where the far end would see them."""
        with self._lock:
            near, far = self._sides[end], self._sides[1 - end]
            if rts is not None and rts != near.rts:
                near.rts = rts
                far.cts += 1
            if dtr is not None and dtr != near.dtr:
                near.dtr = dtr
                far.dsr += 1
                far.cd += 1
            if on_break is not None and on_break != near.break_asserted:
                near.break_asserted = on_break
                far.breaks += on_break


def hung_up(mine: socket.socket) -> bool:
    """Return whether the far end of this socket is gone."""
    if isinstance(getattr(select, "poll", None), BuiltinFunctionType):
        poll = select.poll()
        poll.register(mine, 0)  # POLLHUP and POLLERR are always reported
        return any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))
    # eventlet takes poll(2) out of the module, and gevent's reports no hang-up.
    try:
        return mine.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:  # ECONNRESET, as POLLERR
        return True
