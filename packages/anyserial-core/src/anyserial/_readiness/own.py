"""Waiting in a backend that does its own waiting: the `Waiter` of an `AsyncSerialBackend`.

What is read or written is not known here.
"""

from typing import TYPE_CHECKING, Any, override

import anyio
import anyio.lowlevel

from anyserial._readiness import shortcuts
from anyserial._readiness.portable import Ending

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyserial._port.self_waiting import SelfWaitingTransport
    from anyserial._readiness._contract import Watch

__all__ = ("OwnWaiter",)


_CALLS_IN_A_ROW = 32  # before other tasks get their turn


class OwnWaiter(Ending):
    """Turns attempts and waits into the backend's own `receive` and `send`.

    When the port is closed, a `receive` or `send` under way is cancelled, so that it wakes
    whatever the backend does. A backend that ends its calls itself (`interrupt`) is spared the cancel scope
    around each of them, which takes as long as everything else that the port does for a message.
    """

    __slots__ = (
        "_calls",
        "_detached",
        "_interrupt",
        "_transport",
        "attempt_first",
        "deadline",
        "running",
    )

    def __init__(self, transport: "SelfWaitingTransport", watch: "Watch") -> None:
        self._transport = transport  # its backend may be replaced
        super().__init__(watch)
        self.running: Callable[[], object]
        self.deadline: Callable[[], float]
        self.running, self.home, self.deadline = shortcuts()
        self._calls = 0
        self._detached = False
        self._interrupt: Callable[[], object] | None = getattr(transport.backend, "interrupt", None)
        self.attempt_first = False

    checkpoint = staticmethod(anyio.lowlevel.checkpoint)

    async def read(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:  # noqa: ARG002  # see `Waiter.read`
        """Receive as many bytes as *argument* says, or into it."""
        if isinstance(argument, int):
            if self._interrupt is not None:
                return await self._transport.backend.receive(argument)
            return await self._interruptible(self._transport.backend.receive, argument)
        data = await self._interruptible(self._transport.backend.receive, len(argument))
        argument[: len(data)] = data
        return len(data)

    async def write(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:  # noqa: ARG002
        """Send some of *argument*; return how much."""
        return await self._interruptible(self._transport.backend.send, argument)

    async def _interruptible[T](self, call: "Callable[[Any], Awaitable[T]]", argument: Any) -> T:
        if self._interrupt is not None:
            return await call(argument)
        # A backend that has data at once need not let other tasks run.
        self._calls += 1
        if self._calls % _CALLS_IN_A_ROW:
            await anyio.lowlevel.checkpoint_if_cancelled()
        else:
            await anyio.lowlevel.checkpoint()
            if self._detached:
                raise anyio.ClosedResourceError
        with anyio.CancelScope() as scope:
            self.scopes.add(scope)
            try:
                return await call(argument)
            finally:
                self.scopes.discard(scope)
        raise anyio.ClosedResourceError

    def reclaim(self) -> None:
        """See `Waiter.reclaim`: a cancelled receive of the backend loses nothing."""

    reclaim_write = reclaim

    def move(self, fd: int) -> None:
        """See `Waiter.move`: there is no descriptor."""

    @override
    def _let_go(self) -> None:
        self._detached = True
        if self._interrupt is not None:
            self._interrupt()
        self._cancel_calls()
