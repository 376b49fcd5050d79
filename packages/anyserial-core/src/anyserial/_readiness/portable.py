"""Waiting by AnyIO's own means, for event loops that watch no descriptors themselves."""

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("PortableWaiter",)


class PortableWaiter:
    """The `Waiter` of one port in whatever AnyIO runs on. Registers for every wait anew."""

    __slots__ = ("_fd", "_token", "attempt_first", "deadline", "home", "running")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._token = anyio.lowlevel.current_token()
        self.home = self._token.native_token
        self.running: Callable[[], object] = _running_loop
        self.deadline: Callable[[], float] = anyio.current_effective_deadline
        self.attempt_first = True

    checkpoint = staticmethod(anyio.lowlevel.checkpoint)

    async def read(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:
        """See `Waiter.read`."""
        while True:
            await anyio.wait_readable(self._fd)
            result = attempt(argument)
            if result is not None:
                return result

    async def write(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:
        """See `Waiter.write`."""
        while True:
            await anyio.wait_writable(self._fd)
            result = attempt(argument)
            if result is not None:
                return result

    def reclaim(self) -> None:
        """See `Waiter.reclaim`: the read is made by the task itself."""

    reclaim_write = reclaim

    def detach(self) -> threading.Event | None:
        """See `Waiter.detach`."""
        with suppress(RuntimeError):  # in no event loop
            if self.running() is self.home:
                anyio.notify_closing(self._fd)
                return None
        done = threading.Event()

        def detach() -> None:
            with suppress(RuntimeError):  # the event loop is gone, and its registrations with it
                anyio.from_thread.run_sync(anyio.notify_closing, self._fd, token=self._token)
            done.set()

        # run_sync waits for the other loop, which must not hold up this thread.
        threading.Thread(target=detach, name="anyserial-detach", daemon=True).start()
        return done


def _running_loop() -> object:
    return anyio.lowlevel.current_token().native_token
