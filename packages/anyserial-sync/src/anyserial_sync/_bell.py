"""What a thread waits on until another one rings.

A queue of C stands behind it, for two reasons. `wake` may be called from anywhere, also from a signal
handler in the middle of `wait` on the same thread. And an interruption leaves nothing half done.
Nothing here knows what is waited for.
"""

from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

from anyserial_sync._timeouts import LONGEST_WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Bell",)


class Bell:
    """Rung any number of times, by any thread; waited on by one."""

    is_event_loop = False

    __slots__ = ("_rings", "ring")

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()
        self.ring = self._rings.put

    def wake(self) -> None:
        """Ring."""
        self.ring(None)

    disown = wake  # in a forked child, the call that waits is refused when it goes on

    def wait(self, seconds: float | None) -> bool:
        """Wait until it rings, or rang since the last wait; return whether it did within *seconds*."""
        if seconds is not None and seconds <= 0:
            seconds = 0.0
        try:
            self._rings.get(timeout=LONGEST_WAIT if seconds is None else min(seconds, LONGEST_WAIT))
        except Empty:
            return False
        return True

    def wait_until(self, condition: "Callable[[], bool]", seconds: float) -> bool:
        """Wait until *condition* holds, looking whenever it rings, for at most *seconds*; return whether it does."""
        deadline = monotonic() + seconds
        while not condition():
            left = deadline - monotonic()
            if left <= 0:
                return False
            self.wait(left)
        return True
