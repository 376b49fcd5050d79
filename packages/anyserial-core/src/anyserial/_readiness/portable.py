"""Waiting by AnyIO's own means, for event loops that watch no descriptors themselves.

AnyIO then waits in a thread with a selector. That selector cannot watch one descriptor
for reading and for writing at once (it loses track of which is registered, as of AnyIO
4.16), so only reading waits on it. Output that does not fit is tried again after a
pause, which is seldom needed and short. What is read or written is not known here.
"""

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.lowlevel import EventLoopToken

__all__ = ("PortableWaiter", "call_in", "running_loop")

FIRST_PAUSE = 0.001  # seconds between attempts to write; doubled each time
LONGEST_PAUSE = 0.02


class PortableWaiter:
    """The `Waiter` of one port in whatever AnyIO runs on. Registers for every wait anew."""

    __slots__ = ("_detached", "_fd", "_token", "attempt_first", "deadline", "home", "running")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._detached = anyio.Event()
        self._token = anyio.lowlevel.current_token()
        self.home = self._token.native_token
        self.running: Callable[[], object] = running_loop
        self.deadline: Callable[[], float] = anyio.current_effective_deadline
        self.attempt_first = True

    checkpoint = staticmethod(anyio.lowlevel.checkpoint)

    async def read(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:
        """See `Waiter.read`."""
        while True:
            await anyio.wait_readable(self._fd)
            # Detached after the wait was over and before the task ran: the number may be another file's.
            if self._detached.is_set():
                raise anyio.ClosedResourceError
            result = attempt(argument)
            if result is not None:
                return result

    async def write(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:
        """See `Waiter.write`."""
        pause = FIRST_PAUSE
        while True:
            with anyio.move_on_after(pause):
                await self._detached.wait()
                raise anyio.ClosedResourceError
            if (result := attempt(argument)) is not None:
                return result
            pause = min(pause * 2, LONGEST_PAUSE)

    def reclaim(self) -> None:
        """See `Waiter.reclaim`: the read is made by the task itself."""

    reclaim_write = reclaim

    def detach(self, wake: "Callable[[], None] | None" = None) -> threading.Event | None:
        """See `Waiter.detach`."""

        def detach() -> None:
            self._detached.set()
            anyio.notify_closing(self._fd)
            if wake is not None:
                wake()

        return call_in(self._token, detach)


def running_loop() -> object:
    """Return the event loop that the caller runs in; RuntimeError if there is none."""
    return anyio.lowlevel.current_token().native_token


def call_in(token: "EventLoopToken", function: "Callable[[], None]") -> threading.Event | None:
    """Call *function* in an event loop, at once if the caller runs in it.

    Returns:
        None when done, or an event that is set once the other event loop has done it, or is gone.
    """
    try:
        is_here = running_loop() is token.native_token
    except RuntimeError:  # in no event loop
        is_here = False
    if is_here:
        function()
        return None
    done = threading.Event()

    def call() -> None:
        with suppress(RuntimeError):  # the event loop is gone, and its registrations with it
            anyio.from_thread.run_sync(function, token=token)
        done.set()

    # run_sync waits for the other loop, which must not hold up this thread.
    threading.Thread(target=call, name="anyserial-detach", daemon=True).start()
    return done
