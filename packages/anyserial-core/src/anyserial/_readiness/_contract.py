"""The interfaces between a port and the event loop that it waits in; only for type checkers.

No code belongs here.
"""

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import anyio

__all__ = ("Signal", "Waiter", "Watch")


class Signal(Protocol):
    """Lets any thread wake a task, once."""

    def notify(self) -> None:
        """Wake the task. Callable from any thread; does nothing once the event loop is gone."""
        ...

    async def wait(self, *, external: bool = False) -> None:
        """Return once `notify` has been called.

        Args:
            external: Whether something other than a worker notifies, which may take any time; the wait is then
                not entered in `awaited`.
        """
        ...

    async def wait_at_most(self, seconds: float) -> None:
        """Return once `notify` has been called by a worker, or *seconds* have passed. The last wait."""
        ...


class Watch(Protocol):
    """The port, as its waiter sees it. It must not keep the port alive."""

    def on_idle(self) -> None:
        """Check the port: the descriptor became readable or broke while no task waited."""
        ...

    def on_release(self) -> None:
        """Note that the waiter will never use the descriptor again. Called once, on any thread."""
        ...


class Waiter(Protocol):
    """One port's waiting in one event loop; used only on that loop's thread, except `wake` and `move`."""

    is_event_loop: bool
    """True: the descriptor is released only when the event loop next runs."""

    attempt_first: bool
    """Whether a read is likely to succeed at once, so that trying is cheaper than waiting."""

    scopes: "set[anyio.CancelScope]"
    """Scopes of the operations that wait in this event loop, but not for the descriptor; `wake` cancels them."""

    @property
    def home(self) -> object:
        """This waiter's event loop: `running` returns it when called in that loop."""
        ...

    def running(self) -> object:
        """Return the caller's event loop; None, or RuntimeError, in one of another kind."""
        ...

    def read[A, T](self, attempt: "Callable[[A], T | None]", argument: A) -> "Awaitable[T]":
        """Wait until ``attempt(argument)`` returns a value that is not None, and return that.

        The attempt is made as soon as the descriptor is readable, which may be before
        the waiting task runs. After a cancellation, `reclaim` returns what it gave.
        Raises anyio.ClosedResourceError when `wake` is called meanwhile.
        """
        ...

    def write[A, T](self, attempt: "Callable[[A], T | None]", argument: A) -> "Awaitable[T]":
        """As `read`, for a descriptor that becomes writable; call `reclaim_write` after a cancellation."""
        ...

    def reclaim(self) -> Any:
        """End a read whose task was cancelled; return the result of its attempt, or None.

        If the attempt raised an exception, that exception is returned.
        """
        ...

    def reclaim_write(self) -> Any:
        """End a write whose task was cancelled; return the result of its attempt, or None."""
        ...

    async def checkpoint(self) -> None:
        """Let other tasks run, and check for cancellation."""
        ...

    def deadline(self) -> float:
        """Return the task's deadline: -inf if a cancel scope has cancelled it."""
        ...

    def wake(self) -> None:
        """Release the descriptor for good and wake everything that waits here; from any thread, any number of times.

        Once this is done in the waiter's own event loop, `on_release` of the waiter's `Watch` is called.
        The descriptor must stay open until then.
        """
        ...

    def move(self, fd: int) -> None:
        """Watch *fd* from now on, a duplicate of the descriptor, because the caller may register the descriptor."""
        ...

    def disown(self) -> None:
        """Forget the descriptor without touching it or the event loop, because this is a forked child."""
        ...

    @property
    def is_dead(self) -> bool:
        """Whether the event loop is over, and with it every task that waited here."""
        ...
