"""Waiting for a descriptor in the caller's own thread, and waking it from another.

`Wakeup` is a descriptor that any thread can make readable, and `waiter` a call that
blocks until the port's descriptor is ready, the wake-up came, or a time has passed.
What a port is, and why it is woken, is not known here.
"""

import os
import posix  # whose functions do not block, where eventlet has replaced those of os by some that wait
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Wakeup", "waiter")

_HAS_EVENTFD = hasattr(os, "eventfd")
FD_SETSIZE = 1024  # select(2) takes no descriptor from here on

# macOS: poll(2) answers POLLNVAL for some ttys (man page, "BUGS"); select(2) works for all of them.
_POLL_SERVES_TTYS = sys.platform != "darwin"


class Wakeup:
    """A descriptor that is readable from `set` until `clear`: an eventfd where there is one, else a pipe.

    It is closed when nothing refers to it any more. So a thread that sets it while another thread drops it
    never writes to a number that belongs to another file by then.
    """

    __slots__ = ("_close", "_ends")

    def __init__(self) -> None:
        self._close = os.close  # a finalizer may run after the interpreter has cleared its modules
        self._ends: list[int] = []
        if sys.platform == "linux" and _HAS_EVENTFD:
            # In one step of C, so that an interruption finds the descriptor in the list or not created.
            self._ends.extend(map(os.eventfd, (0,), (os.EFD_CLOEXEC | os.EFD_NONBLOCK,)))
        else:
            self._ends.extend(_pipe())

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._ends[0]

    def set(self) -> None:
        """Make it readable. Callable from any thread."""
        with suppress(BlockingIOError):  # it is set already, and its counter is full
            posix.write(self._ends[-1], _ONE)

    def clear(self) -> None:
        """Make it unreadable."""
        with suppress(BlockingIOError):
            while len(posix.read(self._ends[0], 4096)) == 4096:  # noqa: PLR2004  # a pipe may hold more
                pass

    def __del__(self) -> None:
        """Close the descriptors."""
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

    The call takes milliseconds (None waits without limit; fractions are rounded up) and
    returns a true value unless the time is over. A signal whose handler returns does not
    end the wait; a signal whose handler raises does.
    """
    # Asked for at each call: eventlet takes poll(2) out of the module, maybe after this was imported.
    if hasattr(select, "poll") and (_POLL_SERVES_TTYS or max(fd, wakeup.fileno()) >= FD_SETSIZE):
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
