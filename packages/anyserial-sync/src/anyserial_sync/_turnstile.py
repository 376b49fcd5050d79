"""One direction of a port: which call owns it, how that call is interrupted, and how it waits.

At most one call owns a direction at a time. Its ticket, an object that belongs to this call alone, is in
the lifecycle's `turns`. There are two ways to interrupt the call, and both are exact. A cancellation names
the ticket that it is meant for, so it reaches that call or none. The end of the port reaches every call.

`interrupted` only says that a call must look closer (`check`). There is no lock. The interrupting side
stores the reason, then sets `interrupted`, then rings. The call clears `interrupted`, then the wake-up, and
then looks at the reason once more. A signal handler may do either in the middle of the other.

`SerialPort.receive` and its siblings enter and leave a direction in code of their own, because that is the
hot path. What a call does in its direction is not known here.
"""

import errno
from time import monotonic
from typing import TYPE_CHECKING, Final, Never

from anyserial._spi import RECEIVER, busy_error
from anyserial.exceptions import SerialCancelledError, SerialError

from anyserial_sync._timeouts import LONGEST_WAIT, timed_out
from anyserial_sync._wakeup import Wakeup, waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial_sync._bell import Bell
    from anyserial_sync._contract import Owner
    from anyserial_sync._misread_timeout import MisreadTimeout

__all__ = ("Turnstile",)


class Turnstile:
    """See the module's docstring.

    Attributes:
        interrupted: Set when the owning call is cancelled or the port ends. It may still be set from an
            earlier call.
        wait: Waits for the descriptor (see `waiter`); None until it is first needed.
        bell: What the call waits on if it does not wait for the descriptor.
        misread: Watches receives that may wait without the caller's wish; None for most ports.
    """

    is_event_loop = False

    __slots__ = (
        "_cancelled",
        "_next_is_cancelled",
        "_owner",
        "_role",
        "_wakeup",
        "bell",
        "interrupted",
        "misread",
        "wait",
    )

    def __init__(self, owner: "Owner", role: str) -> None:
        self._owner: Final = owner
        self._role: Final = role
        self._cancelled: object = None
        self._next_is_cancelled = False
        self._wakeup: Wakeup | None = None
        self.interrupted = False
        self.wait: Callable[[float | None], object] | None = None
        self.bell: Bell | None = None
        self.misread: MisreadTimeout | None = None
        owner.wakers.append(self)

    def refuse_entry(self) -> Never:
        """Raise the error of a call that finds another call in the direction."""
        owner = self._owner
        if owner.state:
            raise owner.refusal()
        doing = "receiving from" if self._role == RECEIVER else "sending to"
        raise busy_error(doing, owner.path)

    def cancel(self) -> None:
        """Interrupt the call that owns the direction; do nothing if there is none."""
        ticket = self._owner.turns.get(self._role)
        if ticket is not None:
            self._cancelled = ticket
            self.wake()

    def cancel_this_or_next(self) -> None:
        """Interrupt the call that owns the direction, or else the next one that checks."""
        self._next_is_cancelled = True
        self.wake()

    def wake(self) -> None:
        """Make the owning call check whether it was interrupted. From any thread, any number of times."""
        self.interrupted = True
        # This frame keeps the wake-up alive: it is closed with its last reference, so its number is still its own.
        wakeup, bell = self._wakeup, self.bell
        if wakeup is not None:
            wakeup.set()
        if bell is not None:
            bell.wake()

    def disown(self) -> None:
        """Drop the wake-up: this is a forked child, and the wake-up belongs to the parent process."""
        self.interrupted = True
        self.wait = self._wakeup = None

    def move(self, fd: int) -> None:
        """See `Waker`: poll(2) and an event loop do not disturb each other."""

    def check(self, me: object) -> None:
        """Raise if the owning call *me* was interrupted; otherwise clear `interrupted`.

        Raises:
            SerialError: The port has ended; see `Owner.refusal`.
            SerialCancelledError: The call was cancelled.
        """
        self._raise_if_meant(me)
        self.interrupted = False
        if self._wakeup is not None:
            self._wakeup.clear()
        self._raise_if_meant(me)

    def _raise_if_meant(self, me: object) -> None:
        if self._owner.state:
            raise self._owner.refusal()
        if self._next_is_cancelled:
            self._next_is_cancelled = False
            self._refuse_cancelled()
        if self._cancelled is me:
            self._refuse_cancelled()

    def _refuse_cancelled(self) -> Never:
        what = "receive" if self._role == RECEIVER else "send"
        raise SerialCancelledError(
            None, f"cancelled by cancel_{what}(); the serial port is still usable", self._owner.path
        )

    def wait_for(self, fd: int | None, me: object, deadline: float | None) -> None:
        """Wait until *fd* may be ready for the call *me*.

        Raises:
            TimeoutError: It was not ready before *deadline*.
            SerialCancelledError: The call was cancelled.
            SerialClosedError: The port was closed.
            SerialDisconnectedError: Another call found that the device is gone.
        """
        wait = self.wait or self.arm(fd)
        if self.interrupted:
            self.check(me)
        if deadline is None:
            wait(None)
        else:
            ready = False
            # A descriptor may be ready again and again without anything to read.
            while not ready and (left := deadline - monotonic()) > 0:
                ready = bool(wait(min(left, LONGEST_WAIT) * 1000))
            if not ready:
                what = "nothing was received" if self._role == RECEIVER else "not everything was sent"
                raise timed_out(what, self._owner.path)
        if self.interrupted:
            self.check(me)

    def arm(self, fd: int | None) -> "Callable[[float | None], object]":
        """Make `wait`; if *fd* is None, it waits for the wake-up alone.

        Raises:
            SerialError: The system gives no descriptor for the wake-up.
        """
        try:
            wakeup = self._wakeup or Wakeup()
        except OSError as exc:
            raise SerialError(
                exc.errno or errno.EMFILE,
                f"waiting needs a descriptor of its own, and the system gives none ({exc.strerror})",
                self._owner.path,
            ) from exc
        self._wakeup = wakeup
        if self.interrupted:
            wakeup.set()
        wait = waiter(wakeup.fileno() if fd is None else fd, wakeup, writing=self._role != RECEIVER)
        if self.misread is not None:
            wait = self.misread.around(wait)
        self.wait = wait
        return wait
