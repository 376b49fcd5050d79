"""Waiting for a descriptor in the caller's own thread, and waking it from another.

`Wakeup` is a descriptor that any thread can make readable, and `waiter` a call that
blocks until the port's descriptor is ready, the wake-up came, or a time has passed.
Nothing here knows what a port is, or why it is woken.
"""

import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Wakeup", "waiter")

_HAS_EVENTFD = hasattr(os, "eventfd")
FD_SETSIZE = 1024  # select(2) takes no descriptor from here on

# macOS: poll(2) answers POLLNVAL for some ttys (its man page, "BUGS"), select(2) serves all of them.
_POLL_SERVES_TTYS = sys.platform != "darwin"


class Wakeup:
    """A descriptor that is readable from `set` until `clear`: an eventfd where there is one, else a pipe.

    It is closed when nothing refers to it any more. So a thread that is about to set it, while another
    one lets go of it, never writes to a number that is somebody else's by then.
    """

    __slots__ = ("_close", "_ends")

    def __init__(self) -> None:
        self._close = os.close  # a finalizer may run when the interpreter has taken its modules apart
        self._ends: list[int] = []
        if sys.platform == "linux" and _HAS_EVENTFD:
            # In one step of C, so that an interruption finds the descriptor here or not at all.
            self._ends.extend(map(os.eventfd, (0,), (os.EFD_CLOEXEC | os.EFD_NONBLOCK,)))
        else:
            self._ends.extend(_pipe())

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._ends[0]

    def set(self) -> None:
        """Make it readable. Callable from any thread."""
        with suppress(BlockingIOError):  # it is set, more often than it can count
            os.write(self._ends[-1], _ONE)

    def clear(self) -> None:
        """Make it unreadable."""
        with suppress(BlockingIOError):
            while len(os.read(self._ends[0], 4096)) == 4096:  # noqa: PLR2004  # a pipe may hold more
                pass

    def __del__(self) -> None:
        """Let go of the descriptors."""
        ends = getattr(self, "_ends", ())  # its making may have been interrupted
        while ends:
            self._close(ends.pop())


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    return read, write


_ONE = (1).to_bytes(8, sys.byteorder)  # an eventfd takes exactly eight bytes


def waiter(fd: int, wakeup: Wakeup, *, writing: bool) -> "Callable[[float | None], object]":
    """Return a call that waits for *fd* and *wakeup*, for one thread at a time.

    It takes milliseconds (None: without limit; fractions are rounded up) and returns
    something true unless the time is over. A signal whose handler returns does not end
    the wait; one whose handler raises does.
    """
    if _POLL_SERVES_TTYS or max(fd, wakeup.fileno()) >= FD_SETSIZE:
        poller = select.poll()
        poller.register(fd, select.POLLOUT if writing else select.POLLIN)
        poller.register(wakeup.fileno(), select.POLLIN)
        return poller.poll
    return _selecting(fd, wakeup.fileno(), writing=writing)


def _selecting(fd: int, wakeup: int, *, writing: bool) -> "Callable[[float | None], object]":
    readers, writers = ([wakeup], [fd]) if writing else ([wakeup, fd], [])

    def wait(milliseconds: float | None = None) -> object:
        timeout = None if milliseconds is None else max(milliseconds, 0) / 1000
        ready = select.select(readers, writers, (), timeout)
        return ready[0] or ready[1]

    return wait
