"""Waiting in trio, on its own low-level waits. Loaded only where trio runs."""

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import trio

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("TrioSignal", "TrioWaiter")


class TrioSignal:
    """An event, set from another thread."""

    __slots__ = ("_event", "_token")

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._event = trio.Event()

    def notify(self) -> None:
        """Wake the task, from any thread."""
        with suppress(trio.RunFinishedError):  # nobody waits any more
            self._token.run_sync_soon(self._event.set)

    async def wait(self) -> None:
        """Return once `notify` has been called."""
        await self._event.wait()


class TrioWaiter:
    """The `Waiter` of one port in one trio run.

    trio registers a descriptor for one wake-up at a time, so an attempt comes first:
    it costs less than a wait. Nothing is registered between calls.
    """

    __slots__ = ("_fd", "_token", "attempt_first")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._token = trio.lowlevel.current_trio_token()
        self.attempt_first = True

    checkpoint = staticmethod(trio.lowlevel.checkpoint)
    checkpoint_if_cancelled = staticmethod(trio.lowlevel.checkpoint_if_cancelled)

    def is_current(self) -> bool:
        """Return whether the caller runs in this trio run."""
        try:
            return trio.lowlevel.current_trio_token() is self._token
        except RuntimeError:
            return False

    async def read(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:
        """See `Waiter.read`."""
        try:
            while True:
                await trio.lowlevel.wait_readable(self._fd)
                result = attempt(argument)
                if result is not None:
                    return result
        except trio.ClosedResourceError as exc:
            raise anyio.ClosedResourceError from exc

    async def write(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:
        """See `Waiter.write`."""
        try:
            while True:
                await trio.lowlevel.wait_writable(self._fd)
                result = attempt(argument)
                if result is not None:
                    return result
        except trio.ClosedResourceError as exc:
            raise anyio.ClosedResourceError from exc

    def reclaim(self) -> None:
        """See `Waiter.reclaim`: trio reads only once the task runs."""

    reclaim_write = reclaim

    def detach(self) -> threading.Event | None:
        """See `Waiter.detach`."""
        if self.is_current():
            trio.lowlevel.notify_closing(self._fd)
            return None
        done = threading.Event()

        def detach() -> None:
            trio.lowlevel.notify_closing(self._fd)
            done.set()

        try:
            self._token.run_sync_soon(detach)
        except trio.RunFinishedError:
            return None
        return done
