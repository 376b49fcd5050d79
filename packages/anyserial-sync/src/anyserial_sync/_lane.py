"""One direction of a port: who is in it, how he is woken, and when the descriptor is free.

At most one call is in a lane at a time. Another thread can cancel that call, or end the
lane for good, and both are exact: a cancellation reaches the call that is in the lane
at that moment, or nobody; once a lane is ended and empty, nobody uses the descriptor
in it any more.

A call enters and leaves in `SerialPort.receive` and the like, written out there, for it
is the hot path and a lock costs thousands of instructions. This is what it does:

- It enters with ``turn.setdefault("taken", me)``, where *me* is a fresh object: one
  atomic step, and it is in if it gets back *me*. As *me* exists before, a
  KeyboardInterrupt right after that step does no harm: the ``finally`` that leaves sees
  whose turn it is.
- A cancellation names the call it is for (`_victim`), so that it cannot reach a later
  one. `interrupted` only says that it is worth looking closer (`is_for`).
- It leaves by taking *me* out of `turn`, and *then* looks at `interrupted`; `end` sets
  `interrupted`, and *then* looks at `turn`. So one of the two, if not both, sees that the
  lane is ended and empty, and `retire` makes sure that it counts once.

Nothing here knows what is done in a lane.
"""

import threading
from typing import TYPE_CHECKING

from anyserial_sync._wakeup import Wakeup, waiter

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Lane",)


class Lane:
    """See the module's docstring.

    Attributes:
        turn: Under ``"taken"``, who is in.
        interrupted: Whether the call that is in was cancelled, or the lane is ended; or
            neither, left from an earlier call.
        ended: Whether the lane is ended.
        wait: Waits for the descriptor, as `waiter`'s; None until it is first needed.
        sleeper: What a call in the lane waits on if that is not the descriptor.
    """

    __slots__ = (
        "_lock",
        "_retired",
        "_victim",
        "_wakeup",
        "_writing",
        "ended",
        "interrupted",
        "sleeper",
        "turn",
        "wait",
    )

    def __init__(self, *, writing: bool) -> None:
        self.turn: dict[str, object] = {}
        self.interrupted = False
        self.ended = False
        self.wait: Callable[[float | None], object] | None = None
        self.sleeper: threading.Event | None = None
        self._lock = threading.Lock()
        self._writing = writing
        self._wakeup: Wakeup | None = None
        self._victim: object = None
        self._retired = False

    def arm(self, fd: int | None) -> "Callable[[float | None], object]":
        """Make `wait`, for the call that is in; without a descriptor it waits for the wake-up alone."""
        with self._lock:
            if self._wakeup is None:
                self._wakeup = Wakeup()
            if self.interrupted:
                self._wakeup.set()
            self.wait = wait = waiter(self._wakeup.fileno() if fd is None else fd, self._wakeup, writing=self._writing)
            return wait

    def is_for(self, me: object) -> bool:
        """Return whether `interrupted` is meant for the call *me*, which is in; if not, clear it."""
        with self._lock:
            if self.ended or self._victim is me:
                return True
            self.interrupted = False
            if self._wakeup is not None:
                self._wakeup.clear()
            return False

    def cancel(self) -> None:
        """Interrupt the call that is in; do nothing if there is none."""
        with self._lock:
            me = self.turn.get("taken")
            if me is not None:
                self._victim = me
                self._wake()

    def end(self) -> bool:
        """Interrupt the call that is in, and every later one.

        Returns:
            Whether the descriptor is free from now on: True once, by this or by `retire`.
        """
        with self._lock:
            self.ended = True
            self._wake()
            return self._retire()

    def retire(self) -> bool:
        """Note that a call has left; the same answer as `end`'s."""
        with self._lock:
            return self._retire()

    def abandon(self) -> None:
        """Let go of the wake-up, in a child after fork: it is the parent's."""
        if self._wakeup is not None:
            self._wakeup.close()

    @classmethod
    def dead(cls) -> "Lane":
        """Return a lane that was ended before anybody entered it."""
        lane = cls(writing=False)
        lane.end()
        return lane

    def _wake(self) -> None:
        self.interrupted = True
        if self._wakeup is not None:
            self._wakeup.set()
        if self.sleeper is not None:
            self.sleeper.set()

    def _retire(self) -> bool:
        if not self.ended or self.turn or self._retired:
            return False
        self._retired = True
        self.wait = None
        if self._wakeup is not None:
            self._wakeup.close()
            self._wakeup = None
        return True
