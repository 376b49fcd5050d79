"""The two interfaces between a port and the event loop it waits in; for the type checkers only.

No code belongs here.
"""

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import anyio

__all__ = ("Signal", "Waiter", "Watch")


class Signal(Protocol):
    """A thread's way to wake a task, once."""

    def notify(self) -> None:
        """Wake the task. Callable from any thread; does nothing once the event loop is gone."""
        ...

    async def wait(self) -> None:
        """Return once `notify` has been called."""
        ...


class Watch(Protocol):
    """What a waiter tells its port. It must not keep the port alive."""

    def on_idle(self) -> None:
        """Look at the port: the descriptor became readable or broke while nobody waited."""
        ...

    def on_release(self) -> None:
        """Close the descriptor if you like: the waiter will never use it again. Called once, on any thread."""
        ...


class Waiter(Protocol):
    """One port's waiting in one event loop; used on that loop's thread only, but for `wake` and `share`."""

    is_event_loop: bool
    """True: the descriptor is let go of only when the event loop comes round."""

    attempt_first: bool
    """Whether a read is likely to succeed at once, so that trying beats waiting."""

    scopes: "set[anyio.CancelScope]"
    """The operations that wait in this event loop for something else than the descriptor; `wake` cancels them."""

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
        Raises anyio.ClosedResourceError when `wake` is called meanwhile.
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

    def wake(self) -> None:
        """Let go of the descriptor and wake everything that waits here, for good; from any thread, and twice.

        `on_release` of the waiter's `Watch` is called once this is done in the waiter's own event loop:
        until then the descriptor must stay open.
        """
        ...

    def share(self) -> None:
        """Keep no registration from one wait to the next: the caller may register the descriptor too."""
        ...

    def disown(self) -> None:
        """Forget the descriptor without touching it or the event loop: this is a forked child."""
        ...

    @property
    def is_dead(self) -> bool:
        """Whether the event loop is over, and with it every task that waited here."""
        ...
