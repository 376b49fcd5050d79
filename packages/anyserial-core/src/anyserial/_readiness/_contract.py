"""The two interfaces between a port and the event loop it waits in; for the type checkers only.

No code belongs here.
"""

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from threading import Event

__all__ = ("Signal", "Waiter")


class Signal(Protocol):
    """A thread's way to wake a task, once."""

    def notify(self) -> None:
        """Wake the task. Callable from any thread; does nothing once the event loop is gone."""
        ...

    async def wait(self) -> None:
        """Return once `notify` has been called."""
        ...


class Waiter(Protocol):
    """One port's waiting in one event loop; used on that loop's thread only, but for `detach`."""

    attempt_first: bool
    """Whether a read is likely to succeed at once, so that trying beats waiting."""

    @property
    def home(self) -> object:
        """This waiter's event loop: `running` returns it when called in that loop."""
        ...

    def running(self) -> object:
        """Return the caller's event loop; None, or RuntimeError, in one of another kind."""
        ...

    def read[A, T](self, attempt: "Callable[[A], T | None]", argument: A) -> "Awaitable[T]":
        """Wait until ``attempt(argument)`` returns something else than None, and return that.

        The attempt is made as soon as the descriptor is readable, which may be before
        the waiting task runs: after a cancellation `reclaim` has what it gave.
        Raises anyio.ClosedResourceError when `detach` is called meanwhile.
        """
        ...

    def write[A, T](self, attempt: "Callable[[A], T | None]", argument: A) -> "Awaitable[T]":
        """The same for a descriptor that becomes writable; `reclaim_write` after a cancellation."""
        ...

    def reclaim(self) -> Any:
        """End a read whose task was cancelled; return what it had got, or None.

        If the attempt raised an exception, that is returned.
        """
        ...

    def reclaim_write(self) -> Any:
        """End a write whose task was cancelled; return what it had got, or None."""
        ...

    async def checkpoint(self) -> None:
        """Let other tasks run, and check for cancellation."""
        ...

    def deadline(self) -> float:
        """Return the task's deadline: -inf if a cancel scope has cancelled it."""
        ...

    def detach(self, wake: "Callable[[], None] | None" = None) -> "Event | None":
        """Let go of the descriptor and wake who waits; callable from any thread, and twice.

        Args:
            wake: Called in the waiter's own event loop, to wake whoever waits there for
                something else than the descriptor.

        Returns:
            None when done, or an event that is set once the waiter's own event loop, in
            another thread, has done it: until then the descriptor must stay open.
        """
        ...
