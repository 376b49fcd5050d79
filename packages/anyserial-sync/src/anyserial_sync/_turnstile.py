"""One direction of a port: which call owns it, how that call is interrupted, and how it waits.

At most one call is in a direction at a time. Its ticket, an object of its own, is in the lifecycle's
`turns`. Another thread can interrupt that call, and both ways are exact: a cancellation names the ticket
that it is for, so that it reaches that call or nobody; the end of the port reaches every call.

`interrupted` only says that it is worth looking closer (`check`). There is no lock: whoever interrupts
stores the reason first, then `interrupted`, then rings; whoever looks takes these back in the opposite
order and looks at the reason once more. A signal handler may do either in the middle of the other.

A call enters and leaves in `SerialPort.receive` and the like, written out there, for it is the hot
path. Nothing here knows what is done in a direction.
"""

import errno
from time import monotonic
from typing import TYPE_CHECKING, Final, Never, Protocol

import anyio
from anyserial._spi import RECEIVER
from anyserial.exceptions import SerialCancelledError, SerialError

from anyserial_sync._timeouts import LONGEST_WAIT, timed_out
from anyserial_sync._wakeup import Wakeup, waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._spi import Waker

    from anyserial_sync._bell import Bell

__all__ = ("Turnstile",)


class Owner(Protocol):
    """What has the direction: a port's lifecycle, or the watch for ports.

    Attributes:
        path: What it is called in messages.
        state: 0 while it is open.
        turns: The tickets of the calls under way, by role.
        wakers: What its end wakes.
    """

    path: str
    turns: dict[str, object]
    wakers: "list[Waker]"

    @property
    def state(self) -> int:
        """0 while it is open."""
        ...

    def refusal(self) -> Exception:
        """Return the error of a call that the state does not allow."""
        ...


class Turnstile:
    """See the module's docstring.

    Attributes:
        interrupted: Whether the call that is in was cancelled, or the port has ended; or neither,
            left from an earlier call.
        wait: Waits for the descriptor, as `waiter`'s; None until it is first needed.
        bell: What a call waits on if that is not the descriptor.
    """

    is_event_loop = False

    __slots__ = ("_cancelled", "_owner", "_role", "_wakeup", "bell", "interrupted", "wait")

    def __init__(self, owner: Owner, role: str) -> None:
        self._owner: Final = owner
        self._role: Final = role
        self._cancelled: object = None
        self._wakeup: Wakeup | None = None
        self.interrupted = False
        self.wait: Callable[[float | None], object] | None = None
        self.bell: Bell | None = None
        owner.wakers.append(self)

    def refuse_entry(self) -> Never:
        """Raise the error of a call that found the direction taken."""
        owner = self._owner
        if owner.state:
            raise owner.refusal()
        doing = "receiving from" if self._role == RECEIVER else "sending to"
        raise anyio.BusyResourceError(f"{doing} {owner.path}")

    def cancel(self) -> None:
        """Interrupt the call that is in; do nothing if there is none."""
        ticket = self._owner.turns.get(self._role)
        if ticket is not None:
            self._cancelled = ticket
            self.wake()

    def wake(self) -> None:
        """Have the call that is in look whether it is meant. From any thread, any number of times."""
        self.interrupted = True
        # Held by this frame: the last one to let go of it closes it, so that its number is nobody else's yet.
        wakeup, bell = self._wakeup, self.bell
        if wakeup is not None:
            wakeup.set()
        if bell is not None:
            bell.wake()

    def disown(self) -> None:
        """Let go of the wake-up, which is the parent process's: this is a forked child."""
        self.interrupted = True
        self.wait = self._wakeup = None

    def check(self, me: object) -> None:
        """Raise if the call *me*, which is in, was interrupted; otherwise clear `interrupted`.

        Raises:
            SerialError: The port has ended; its refusal.
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
            TimeoutError: It was not before *deadline*, or it is over now.
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
            # A descriptor may be ready again and again with nothing to be read.
            while not ready and (left := deadline - monotonic()) > 0:
                ready = bool(wait(min(left, LONGEST_WAIT) * 1000))
            if not ready:
                what = "nothing was received" if self._role == RECEIVER else "not everything was sent"
                raise timed_out(what, self._owner.path)
        if self.interrupted:
            self.check(me)

    def arm(self, fd: int | None) -> "Callable[[float | None], object]":
        """Make `wait`; without a descriptor it waits for the wake-up alone.

        Raises:
            SerialError: The system gives no descriptor.
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
        self.wait = wait
        return wait
