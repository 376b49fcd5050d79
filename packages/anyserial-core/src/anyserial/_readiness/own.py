"""Waiting in a backend that does its own: the `Waiter` of an `AsyncSerialBackend`."""

import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyserial.backend import AsyncSerialBackend

__all__ = ("OwnWaiter",)


class OwnWaiter:
    """Turns attempts and waits into the backend's own `receive` and `send`.

    The backend says what a `receive` or `send` under way does when the port is closed;
    here it is cancelled, so that it wakes whatever the backend does.
    """

    __slots__ = ("_backend", "_scopes", "attempt_first", "deadline", "home", "running")

    def __init__(self, backend: "AsyncSerialBackend") -> None:
        self._backend = backend
        self.home = anyio.lowlevel.current_token().native_token
        self._scopes: set[anyio.CancelScope] = set()
        self.running: Callable[[], object] = _running_loop
        self.deadline: Callable[[], float] = anyio.current_effective_deadline
        self.attempt_first = False

    checkpoint = staticmethod(anyio.lowlevel.checkpoint)

    async def read(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:  # noqa: ARG002  # see `Waiter.read`
        """Receive as many bytes as *argument* says, or into it."""
        if isinstance(argument, int):
            return await self._interruptible(self._backend.receive(argument))
        data = await self._interruptible(self._backend.receive(len(argument)))
        argument[: len(data)] = data
        return len(data)

    async def write(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:  # noqa: ARG002
        """Send some of *argument*; return how much."""
        return await self._interruptible(self._backend.send(argument))

    async def _interruptible[T](self, awaitable: "Awaitable[T]") -> T:
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                return await awaitable
            finally:
                self._scopes.discard(scope)
        raise anyio.ClosedResourceError

    def reclaim(self) -> None:
        """See `Waiter.reclaim`: a cancelled receive of the backend loses nothing."""

    reclaim_write = reclaim

    def detach(self) -> threading.Event | None:
        """See `Waiter.detach`."""
        for scope in list(self._scopes):
            scope.cancel()
        return None


def _running_loop() -> object:
    return anyio.lowlevel.current_token().native_token
