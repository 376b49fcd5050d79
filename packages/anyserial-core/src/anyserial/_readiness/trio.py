"""Waiting in trio, on its own low-level waits. Loaded only where trio runs.

What is read or written is not known here.
"""

import math
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import trio

from anyserial._readiness import awaited

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyserial._readiness._contract import Watch

__all__ = ("TrioSignal", "TrioWaiter", "protect", "shortcuts")


_WAITS_BETWEEN_ATTEMPTS = 32
_GONE = object()  # equals no trio run, so the next call looks at the port's state


class TrioSignal:
    """An event, set from another thread."""

    __slots__ = ("_event", "_token")

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._event = trio.Event()

    def notify(self) -> None:
        """Wake the task, from any thread."""
        with suppress(trio.RunFinishedError):  # no task waits any more
            self._token.run_sync_soon(self._event.set)

    async def wait(self, *, external: bool = False) -> None:
        """See `Signal.wait`."""
        if not external:
            awaited.add(self)
        try:
            await self._event.wait()
        finally:
            awaited.discard(self)

    async def wait_at_most(self, seconds: float) -> None:
        """See `Signal.wait_at_most`."""
        with trio.move_on_after(seconds):
            await self.wait()


type _Shortcuts = "tuple[Callable[[], object], object, Callable[[], float], Callable[[int], Awaitable[None]]]"


def shortcuts(token: trio.lowlevel.TrioToken) -> _Shortcuts:
    """Return four things that are used for every message.

    1. A function that returns the caller's trio run.
    2. What that function returns here.
    3. A function that returns the task's deadline.
    4. The coroutine function that waits for a descriptor.

    trio's public functions for these are current_trio_token (three frames to look at one attribute),
    current_effective_deadline (which goes through all scopes) and wait_readable (a coroutine around the one
    that waits). Together they take 8,000 instructions a message. So this module looks directly at what
    they look at, and uses the public functions if trio does not have it there.
    """
    context: Any = getattr(sys.modules.get("trio._core._run"), "GLOBAL_RUN_CONTEXT", None)
    runner = getattr(context, "runner", None)
    status = getattr(getattr(context, "task", None), "_cancel_status", None)
    wait = getattr(getattr(runner, "io_manager", None), "wait_readable", None)
    if wait is None or not hasattr(status, "effectively_cancelled") or not _tells_cancellation(context):
        return (
            trio.lowlevel.current_trio_token,
            token,
            _deadline,
            trio.lowlevel.wait_readable,
        )
    never, cancelled = math.inf, -math.inf

    def deadline() -> float:
        try:
            return cancelled if context.task._cancel_status.effectively_cancelled else never  # noqa: SLF001
        except AttributeError as exc:
            raise _outside_of_a_task() or exc from None

    return partial(getattr, context, "runner", None), runner, deadline, wait


def _deadline() -> float:
    try:
        return trio.current_effective_deadline()
    except RuntimeError as exc:
        raise _outside_of_a_task() or exc from None


def _tells_cancellation(context: Any) -> bool:
    """Return whether the task's status says that a scope is cancelled when it is, and not before."""
    was_cancelled = trio.current_effective_deadline() == -math.inf
    scope, before, after = trio.CancelScope(), None, None
    with scope:
        status = context.task._cancel_status  # noqa: SLF001
        before = status.effectively_cancelled
        scope.cancel()
        after = status.effectively_cancelled
    return before is was_cancelled and after is True


def _outside_of_a_task() -> anyio.BusyResourceError | None:
    """Return the error of a call from outside of a trio task; None inside. The host loop of a guest run is outside."""
    if trio.lowlevel.in_trio_task():
        return None
    return anyio.BusyResourceError("using (from another event loop)")


def protect(functions: "list[Any]") -> None:
    """Delay Ctrl-C in each of *functions* until it awaits something; empties the list."""
    while functions:
        trio.lowlevel.enable_ki_protection(functions.pop())


class TrioWaiter:
    """The `Waiter` of one port in one trio run.

    trio registers a descriptor for one wake-up at a time, so nothing is registered between
    calls. An attempt that succeeds costs much less than a wait; an attempt that fails costs a
    seventh of a wait and gains nothing. So a receive attempts first as long as that succeeds.
    After a failure receives wait first, and attempt now and then to see whether that succeeds again.
    """

    is_event_loop = True

    __slots__ = (
        "__weakref__",
        "_detached",
        "_fd",
        "_released",
        "_token",
        "_until_attempt",
        "_wait_readable",
        "_watch",
        "attempt_first",
        "deadline",
        "home",
        "running",
        "scopes",
    )

    def __init__(self, fd: int, watch: "Watch") -> None:
        self._fd = fd
        self._watch = watch
        self._detached = False
        self._released = False
        self.scopes: set[anyio.CancelScope] = set()
        self._token = trio.lowlevel.current_trio_token()
        self.running, self.home, self.deadline, self._wait_readable = shortcuts(self._token)
        self._until_attempt = _WAITS_BETWEEN_ATTEMPTS
        self.attempt_first = True

    checkpoint = staticmethod(trio.lowlevel.checkpoint)

    # Protected as trio's own wait is: Ctrl-C must not come between its steps, nor between a read and its return.
    @trio.lowlevel.enable_ki_protection
    async def read(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:
        """See `Waiter.read`."""
        self._until_attempt -= 1
        self.attempt_first = not self._until_attempt
        if self.attempt_first:
            self._until_attempt = _WAITS_BETWEEN_ATTEMPTS
        try:
            while True:
                fd = self._fd
                try:
                    await self._wait_readable(fd)
                except trio.ClosedResourceError:
                    if self._detached or fd == self._fd:
                        raise
                if self._detached:
                    # Closed between the end of the wait and the task's run: the number may be another file's now.
                    raise anyio.ClosedResourceError
                result = attempt(argument)
                if result is not None:
                    return result
        except trio.ClosedResourceError as exc:
            raise anyio.ClosedResourceError from exc
        except RuntimeError as exc:
            raise _outside_of_a_task() or exc from None

    async def write(self, attempt: "Callable[[Any], Any]", argument: Any) -> Any:
        """See `Waiter.write`."""
        try:
            while True:
                fd = self._fd
                try:
                    await trio.lowlevel.wait_writable(fd)
                except trio.ClosedResourceError:
                    if self._detached or fd == self._fd:
                        raise
                if self._detached:
                    raise anyio.ClosedResourceError
                result = attempt(argument)
                if result is not None:
                    return result
        except trio.ClosedResourceError as exc:
            raise anyio.ClosedResourceError from exc
        except RuntimeError as exc:
            raise _outside_of_a_task() or exc from None

    def reclaim(self) -> None:
        """See `Waiter.reclaim`: trio reads only when the task runs, so nothing is left over."""

    reclaim_write = reclaim

    @property
    def is_dead(self) -> bool:
        """See `Waiter.is_dead`."""
        try:
            self._token.run_sync_soon(_do_nothing)
        except trio.RunFinishedError:
            return True
        return False

    def move(self, fd: int) -> None:
        """See `Waiter.move`."""
        if trio.lowlevel.in_trio_run() and self.running() is self.home:
            self._move(fd)
        else:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._move, fd)

    def _move(self, fd: int) -> None:
        if not self._detached and fd != self._fd:
            before, self._fd = self._fd, fd
            trio.lowlevel.notify_closing(before)  # what waits for it begins again with the new number

    def disown(self) -> None:
        """See `Waiter.disown`."""
        self.home = _GONE
        self._detached = True

    def wake(self) -> None:
        """See `Waiter.wake`."""
        home, self.home = self.home, _GONE
        if self._released:
            return
        if trio.lowlevel.in_trio_run() and self.running() is home:
            self._let_go()
            return
        try:
            self._token.run_sync_soon(self._let_go)
        except trio.RunFinishedError:
            self._release()

    def _let_go(self) -> None:
        self._detached = True
        if not self._released:
            trio.lowlevel.notify_closing(self._fd)
            for scope in list(self.scopes):
                scope.cancel()
            self._release()

    def _release(self) -> None:
        if not self._released:
            self._released = True
            self._watch.on_release()


def _do_nothing() -> None:
    """Do nothing: only whether trio accepts the call matters."""
