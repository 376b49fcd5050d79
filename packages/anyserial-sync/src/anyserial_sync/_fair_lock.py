"""A lock that threads get in the order in which they asked for it.

What it protects is not known here.
"""

from collections import deque
from contextlib import contextmanager
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ("FairLock",)


class FairLock:
    """See the module's docstring. A thread that holds it must not ask for it again."""

    __slots__ = ("_condition", "_waiting")

    def __init__(self) -> None:
        self._condition = Condition()
        self._waiting: deque[object] = deque()  # its first entry holds the lock

    @contextmanager
    def held(self) -> "Generator[None]":
        """Hold the lock in the block; a signal handler that raises ends the wait for it."""
        me = object()
        try:
            with self._condition:
                self._waiting.append(me)
                self._condition.wait_for(lambda: self._waiting[0] is me)
            yield
        finally:
            with self._condition:
                if me in self._waiting:
                    self._waiting.remove(me)
                self._condition.notify_all()
