"""How a task waits: one module for each kind of event loop, behind two small interfaces.

A `Waiter` belongs to one open port in one event loop and waits for its descriptor; a
`Signal` is set once, from any thread, and wakes one task. Nothing here knows what is
read or written, or what a port is.
"""

from typing import TYPE_CHECKING, Any, Protocol, cast

import anyio.lowlevel

from anyserial.exceptions import UnsupportedAsyncBackendError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from threading import Event

__all__ = ("NOWHERE", "Signal", "Waiter", "checkpoint_if_cancelled", "signal", "waiter")


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


class _Nowhere:
    """The waiter of a port that nobody has used yet: of no event loop, so that it is never waited with."""

    home: object = object()

    @staticmethod
    def running() -> None:
        """See `Waiter.running`."""

    @staticmethod
    def detach(_wake: "Callable[[], None] | None" = None) -> None:
        """See `Waiter.detach`."""


NOWHERE: Any = _Nowhere()


def _native_token() -> object:
    """Return the running event loop's own token: an asyncio loop or a TrioToken."""
    try:
        return anyio.lowlevel.current_token().native_token
    except RuntimeError as exc:
        raise UnsupportedAsyncBackendError(f"anyserial needs a running asyncio or trio event loop ({exc})") from exc
    except (ImportError, LookupError) as exc:
        raise UnsupportedAsyncBackendError(f"AnyIO does not support the running event loop ({exc})") from exc


def signal() -> Signal:
    """Return a signal that wakes the calling task.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
    token = _native_token()
    if type(token).__module__.partition(".")[0] == "trio":
        from anyserial._readiness import trio as trio_  # noqa: PLC0415  # trio is optional

        return trio_.TrioSignal()
    from anyserial._readiness import asyncio as asyncio_  # noqa: PLC0415  # for symmetry, and import time

    return asyncio_.AsyncioSignal()


def waiter(fd: int, on_idle: "Callable[[], None]") -> Waiter:
    """Return a waiter for *fd* in the running event loop.

    Args:
        fd: An open, non-blocking descriptor.
        on_idle: Called when the descriptor became readable or broke while nobody
            waited. Held for as long as the waiter: it must not keep the port alive.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
    token = _native_token()
    if type(token).__module__.partition(".")[0] == "trio":
        from anyserial._readiness import trio as trio_  # noqa: PLC0415

        return cast("Waiter", trio_.TrioWaiter(fd))
    from anyserial._readiness import asyncio as asyncio_  # noqa: PLC0415

    if asyncio_.has_readers():
        return cast("Waiter", asyncio_.AsyncioWaiter(fd, on_idle))
    from anyserial._readiness import portable  # noqa: PLC0415

    return cast("Waiter", portable.PortableWaiter(fd))


async def checkpoint_if_cancelled() -> None:
    """Raise if the task is cancelled.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
    _native_token()
    await anyio.lowlevel.checkpoint_if_cancelled()
