"""A bell: one thread waits on it until another thread rings.

It is made of a queue written in C, for two reasons. `wake` may be called from anywhere, also from a signal
handler in the middle of `wait` on the same thread. And an interruption leaves nothing half done.
What the thread waits for is not known here.

`queue` is imported with the first bell, because it loads `threading` and `heapq`. `_queue` would not do: gevent and
eventlet do not replace it, and its queue would stop all their threads.
"""

from time import monotonic
from typing import TYPE_CHECKING

from anyserial_sync._timeouts import LONGEST_WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Bell",)


class Bell:
    """Any thread may ring it, any number of times; one thread waits on it."""

    is_event_loop = False

    __slots__ = ("_empty", "_rings", "ring")

    def __init__(self) -> None:
        from queue import Empty, SimpleQueue  # noqa: PLC0415  # slow to import

        self._empty = Empty
        self._rings: SimpleQueue[None] = SimpleQueue()
        self.ring = self._rings.put

    def wake(self) -> None:
        """Ring."""
        self.ring(None)

    disown = wake  # in a forked child, the call that waits is refused when it continues

    def move(self, fd: int) -> None:
        """See `Waker`: a bell watches no descriptor."""

    def wait(self, seconds: float | None) -> bool:
        """Wait until the bell rings; return whether it rang within *seconds*, or since the last wait."""
        if seconds is not None and seconds <= 0:
            seconds = 0.0
        try:
            self._rings.get(timeout=LONGEST_WAIT if seconds is None else min(seconds, LONGEST_WAIT))
        except self._empty:
            return False
        return True

    def wait_until(self, condition: "Callable[[], bool]", seconds: float) -> bool:
        """Wait for at most *seconds* until *condition* holds; return whether it does. Each ring checks it again."""
        deadline = monotonic() + seconds
        while not condition():
            left = deadline - monotonic()
            if left <= 0:
                return False
            self.wait(left)
        return True
