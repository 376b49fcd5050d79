"""Waiting with AnyIO's own functions, for event loops that cannot watch descriptors.

AnyIO then waits in a thread with a selector. As of AnyIO 4.16, that selector cannot watch
one descriptor for reading and for writing at once, because it loses track of which is
registered. So only reading waits on it. Output that the kernel does not take is tried again
after a pause, which is short and rarely needed. What is read or written is not known here.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, override

import anyio
import anyio.from_thread
import anyio.lowlevel

from anyserial import _workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.lowlevel import EventLoopToken

    from anyserial._readiness._contract import Watch

__all__ = ("Ending", "PortableWaiter")

GONE = object()  # equals no event loop, so the next call looks at the port's state
FIRST_PAUSE = 0.001  # seconds between attempts to write; doubled each time
LONGEST_PAUSE = 0.02


class Ending:
    """How a `Waiter` that waits through AnyIO alone lets go of the descriptor when the port ends."""

    is_event_loop = True

    __slots__ = ("__weakref__", "_release", "_token", "home", "scopes")

    def __init__(self, watch: "Watch") -> None:
        self._release = OnceReleased(watch)
        self._token = anyio.lowlevel.current_token()
        self.home: object = self._token.native_token
        self.scopes: set[anyio.CancelScope] = set()

    @property
    def is_dead(self) -> bool:
        """See `Waiter.is_dead`."""
        return is_over(self._token.native_token)

    def disown(self) -> None:
        """See `Waiter.disown`."""
        self.home = GONE

    def wake(self) -> None:
        """See `Waiter.wake`."""
        self.home = GONE
        if not self._release.is_done:
            call_in(self._token, self._let_go, self._release)

    def _let_go(self) -> None:
        """End what waits, in the event loop."""
        raise NotImplementedError

    def _cancel_calls(self) -> None:
        for scope in list(self.scopes):
            scope.cancel()


class PortableWaiter(Ending):
    """The `Waiter` of one port in any event loop that AnyIO supports. Registers for every wait."""

    __slots__ = (
        "_detached",
        "_fd",
        "_waits_for",
        "attempt_first",
        "deadline",
        "running",
    )

    def __init__(self, fd: int, watch: "Watch") -> None:
        super().__init__(watch)
        self._fd = self._waits_for = fd
        self._detached = anyio.Event()
        self.running: Callable[[], object] = running_loop
        self.deadline: Callable[[], float] = anyio.current_effective_deadline
        self.attempt_first = True

    checkpoint = staticmethod(anyio.lowlevel.checkpoint)

    async def read(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:
        """See `Waiter.read`."""
        while True:
            self._waits_for = self._fd
            await anyio.wait_readable(self._waits_for)
            # Detached between the end of the wait and the task's run: the number may be another file's now.
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
        """See `Waiter.reclaim`: the task itself makes the read, so nothing is left over."""

    reclaim_write = reclaim

    def move(self, fd: int) -> None:
        """See `Waiter.move`; from the next wait on.

        A wait under way keeps its number, so AnyIO refuses the caller's wait meanwhile. Ending it with
        notify_closing would take away what the caller registers next: AnyIO's wait cleans up after that.
        """
        self._fd = fd

    @override
    def _let_go(self) -> None:
        self._detached.set()
        anyio.notify_closing(self._waits_for)
        self._cancel_calls()


class OnceReleased:
    """Tells the port, only once, that a waiter will never use the descriptor again."""

    __slots__ = ("_watch",)

    def __init__(self, watch: "Watch") -> None:
        self._watch: Watch | None = watch

    @property
    def is_done(self) -> bool:
        """Whether the port has been told."""
        return self._watch is None

    def __call__(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.on_release()


def running_loop() -> object:
    """Return the event loop that the caller runs in; RuntimeError if there is none."""
    return anyio.lowlevel.current_token().native_token


def is_over(native_token: object) -> bool:
    """Return whether the event loop of this token will never run again."""
    is_closed = getattr(native_token, "is_closed", None)
    if is_closed is not None:
        return bool(is_closed())
    try:
        native_token.run_sync_soon(int)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    except RuntimeError:  # trio.RunFinishedError
        return True
    return False


def call_in(token: "EventLoopToken", function: "Callable[[], None]", then: "Callable[[], None]") -> None:
    """Call *function* in an event loop, then *then*. If the caller runs in that loop, both are called at once.

    If the event loop is gone, only *then* is called.
    """
    try:
        is_here = running_loop() is token.native_token
    except RuntimeError:  # in no event loop
        is_here = False
    if is_here:
        function()
        then()
        return

    def call() -> None:
        with suppress(RuntimeError):  # the event loop is gone, and its registrations with it
            anyio.from_thread.run_sync(function, token=token)
        then()

    # run_sync waits for the other loop, and this thread must not wait.
    _workers.start(call)
