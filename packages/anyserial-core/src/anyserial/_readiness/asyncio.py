"""Waiting in asyncio and uvloop: a registration that stays.

Theory of operation. A ``wait_readable`` for every call registers and unregisters the
descriptor around every read: two ``epoll_ctl`` calls and a handful of allocations. Here
the reader stays registered from one receive to the next, and the readiness callback itself
makes the read, so the task wakes with its data. A steady request/response exchange makes no
``epoll_ctl`` call at all.

Nothing is read ahead. When the callback fires and no task waits, the registration is dropped,
because a level-triggered loop would spin otherwise, and `attempt_first` tells the next receive
that data has arrived. From then on receives succeed at once and need no registration, until a
receive finds nothing and registers again.

A task may be cancelled after the callback has read for it and before it wakes. The future
keeps the data, `reclaim` hands it back, and the port puts it in front of the next receive.

The loop's callbacks hold the waiter weakly, so a registration does not keep a forgotten port
alive. What is read or written is not known here.
"""

import asyncio
import math
import sys
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast, override

import anyio
import anyio.lowlevel

from anyserial._readiness import awaited

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._readiness._contract import Watch

__all__ = (
    "AsyncioSignal",
    "AsyncioWaiter",
    "Releasable",
    "Release",
    "deadline_function",
    "has_readers",
    "running_loop",
)


# Returns None outside a loop, where get_running_loop raises. asyncio exports it, and it is a function of C.
running_loop = asyncio._get_running_loop  # noqa: SLF001
_GONE = object()  # equals no loop, so the next call looks at the port's state


def deadline_function(backend: Any = None) -> "Callable[[], float]":
    """Return a function that returns the task's deadline: -inf if an AnyIO scope has cancelled it.

    AnyIO's own function takes 5,400 instructions for a task without cancel scopes, a tenth of a
    round trip, because it raises and catches a KeyError. So this function first looks whether the
    task is in AnyIO's table of tasks with scopes. If that table is not where AnyIO 4 has it, AnyIO's
    own function is used.

    Args:
        backend: AnyIO's class for the event loop; None for the running one's.
    """
    if backend is None:
        backend = anyio.lowlevel.current_token().backend_class
    public: Callable[[], float] = backend.current_effective_deadline
    module = sys.modules[backend.__module__]
    table = getattr(getattr(module, "_task_states", None), "data", None)
    slots = getattr(getattr(module, "TaskState", None), "__slots__", ())
    if not isinstance(table, dict) or "cancel_scope" not in slots:
        return public
    find: Callable[[object], Any] = cast("dict[object, Any]", table).get
    if not _finds_scopes(find):
        return public
    current_task, never = asyncio.current_task, math.inf
    reference: Callable[[object], object] = weakref.ref

    def deadline() -> float:
        task = current_task()
        if task is None:
            return never
        state = find(reference(task))
        if state is None or state.cancel_scope is None:
            return never
        return public()

    return deadline


def _finds_scopes(find: "Callable[[object], Any]") -> bool:
    """Return whether *find* gives the scope that the task is in: a table of the same name may hold other things."""
    task = asyncio.current_task()
    if task is None:
        return False
    scope, found = anyio.CancelScope(), None
    with scope:
        state = find(weakref.ref(task))
        found = None if state is None else state.cancel_scope
    return found is scope


def has_readers(fd: int, loop: asyncio.AbstractEventLoop | None = None) -> bool:
    """Return whether *loop*, or the running loop, can watch descriptors itself.

    A proactor loop cannot. Some loops have the method and raise NotImplementedError (Qt's
    QtAsyncio), so a loop that is not known is asked by trying.
    """
    loop = loop or asyncio.get_running_loop()
    if type(loop).__module__.partition(".")[0] in {"asyncio", "uvloop"}:
        return getattr(type(loop), "add_reader", None) is not asyncio.AbstractEventLoop.add_reader
    try:
        loop.add_reader(fd, _ignore)
    except NotImplementedError:
        return False
    loop.remove_reader(fd)
    return True


class AsyncioSignal:
    """A future, set from another thread."""

    __slots__ = ("_future", "_loop")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future = self._loop.create_future()

    def notify(self) -> None:
        """Wake the task, from any thread."""
        with suppress(RuntimeError):  # the loop is closed, so no task waits any more
            self._loop.call_soon_threadsafe(_settle, self._future)

    async def wait(self, *, external: bool = False) -> None:
        """See `Signal.wait`."""
        if not external:
            awaited.add(self)
        try:
            await self._future
        finally:
            awaited.discard(self)

    async def wait_at_most(self, seconds: float) -> None:
        """See `Signal.wait_at_most`; with a timer, which costs less than a cancel scope."""
        timer = self._loop.call_later(seconds, _settle, self._future)
        try:
            await self.wait()
        finally:
            timer.cancel()


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class _Direction:
    """Reading or writing: one registration, and the attempt of the task that waits for it."""

    __slots__ = (
        "__weakref__",
        "_add",
        "_argument",
        "_attempt",
        "_detached",
        "_fd",
        "_future",
        "_loop",
        "_new_future",
        "_on_idle",
        "_registered",
        "_remove",
        "attempt_first",
        "home",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        add: "Callable[..., None]",
        remove: "Callable[[int], bool]",
        fd: int,
        on_idle: "Callable[[], None]",
    ) -> None:
        self.home: object = loop
        self._loop = loop
        self.attempt_first = True
        self._add = add
        self._remove = remove
        self._fd = fd
        self._on_idle = on_idle
        self._registered = False
        self._detached = False
        # What create_future of both loops does, without its frame.
        self._new_future: Callable[[], asyncio.Future[Any]] = partial(asyncio.Future, loop=loop)
        self._future: asyncio.Future[Any] | None = None
        self._attempt: Callable[[Any], Any] | None = None
        self._argument: Any = None

    def wait(self, attempt: "Callable[[Any], Any]", argument: Any) -> "asyncio.Future[Any]":
        """Return a future of the first result of *attempt* that is not None."""
        self._future = future = self._new_future()
        self._attempt = attempt
        self._argument = argument
        self.attempt_first = False
        if not self._registered:
            if self._detached:
                # Closed between the end of the last wait and its task's run: nothing would wake this wait.
                raise anyio.ClosedResourceError
            self._add(self._fd, self._fire, weakref.ref(self), self._remove, self._fd)
            self._registered = True
        return future

    def move(self, fd: int) -> None:
        """Watch *fd* from now on; in the event loop."""
        before, self._fd = self._fd, fd
        if self._registered:
            self._remove(before)
            self._add(fd, self._fire, weakref.ref(self), self._remove, fd)

    @staticmethod
    def _fire(reference: "weakref.ref[_Direction]", remove: "Callable[[int], bool]", fd: int) -> None:
        """Make the attempt for the task that waits; the loop's callback."""
        self = reference()
        if self is None:
            remove(fd)
            return
        attempt = self._attempt
        if attempt is None:
            self._registered = False
            self.attempt_first = True
            remove(fd)
            self._on_idle()
            return
        future = self._future
        if future is None or future.done():
            return  # cancelled, and its task has not run yet
        try:
            result = attempt(self._argument)
        except BaseException as exc:  # noqa: BLE001  # it belongs to the task that waits
            self._attempt = self._argument = None
            future.set_exception(exc)
        else:
            if result is not None:
                # The buffer too: while it is exported, its owner cannot resize it.
                self._attempt = self._argument = None
                future.set_result(result)

    def reclaim(self) -> Any:
        """End a wait whose task was cancelled; return what the attempt returned or raised, or None."""
        future, self._future = self._future, None
        self._attempt = self._argument = None
        if future is None or future.cancelled() or not future.done():
            return None
        return future.exception() or future.result()

    def disown(self) -> None:
        """Forget the registration without touching the event loop: it is closed, or belongs to the parent process."""
        self._registered = False
        self._detached = True

    def interrupt(self) -> None:
        """Drop the registration for good, and wake the task that waits."""
        self._detached = True
        if self._registered:
            self._registered = False
            self._remove(self._fd)
        if self._attempt is not None:
            self._attempt = self._argument = None
            if self._future is not None and not self._future.done():
                self._future.set_exception(anyio.ClosedResourceError())


class Releasable(Protocol):
    """What holds a descriptor in one event loop."""

    def let_go(self) -> None:
        """Release the descriptor, in the event loop."""
        ...

    def released(self) -> None:
        """Note that the descriptor is not used any more, because the event loop is over."""
        ...


class Release:
    """Releases one waiter in its own event loop, or when that loop discards this callback without calling it."""

    __slots__ = ("_waiter",)

    def __init__(self, waiter: Releasable) -> None:
        self._waiter: Releasable | None = waiter

    def __call__(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.let_go()

    def __del__(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.released()


class AsyncioWaiter(_Direction):
    """The `Waiter` of one port in one asyncio or uvloop event loop. Writing is set up when it is first needed."""

    is_event_loop = True

    __slots__ = ("_output", "_released", "_watch", "checkpoint", "deadline", "running", "scopes")

    def __init__(self, fd: int, watch: "Watch") -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop, loop.add_reader, loop.remove_reader, fd, watch.on_idle)
        self._watch = watch
        self._output: _Direction | None = None
        self._released = False
        self.scopes: set[anyio.CancelScope] = set()
        backend = anyio.lowlevel.current_token().backend_class
        # Bound once: these are called for every message, and AnyIO looks its backend up each time.
        self.running: Callable[[], object] = running_loop
        self.checkpoint = backend.checkpoint
        self.deadline: Callable[[], float] = deadline_function(backend)

    read = _Direction.wait

    def write(self, attempt: "Callable[[Any], Any]", argument: Any) -> "asyncio.Future[Any]":
        """See `Waiter.write`."""
        if self._output is None:
            loop = self._loop
            self._output = _Direction(loop, loop.add_writer, loop.remove_writer, self._fd, _ignore)
            self._output._detached = self._detached  # noqa: SLF001  # this class's base
        return self._output.wait(attempt, argument)

    def reclaim_write(self) -> Any:
        """See `Waiter.reclaim_write`."""
        return None if self._output is None else self._output.reclaim()

    @property
    def is_dead(self) -> bool:
        """See `Waiter.is_dead`."""
        return self._loop.is_closed()

    @override
    def move(self, fd: int) -> None:
        if self._detached or fd == self._fd:
            return
        if running_loop() is self._loop:
            super().move(fd)
            if self._output is not None:
                self._output.move(fd)
        else:
            with suppress(RuntimeError):  # the loop is closed, and its registrations are gone
                self._loop.call_soon_threadsafe(self.move, fd)

    @override
    def disown(self) -> None:
        self.home = _GONE
        super().disown()
        if self._output is not None:
            self._output.disown()

    def wake(self) -> None:
        """See `Waiter.wake`."""
        loop = self._loop
        self.home = _GONE
        if self._released:
            return
        if loop.is_closed():
            self.forget()  # the selector is gone, and the registrations with it
        elif running_loop() is loop or not loop.is_running():
            self.let_go()
        else:
            # Even with nothing registered: the other thread may be in the middle of an attempt.
            with suppress(RuntimeError):  # closed since
                loop.call_soon_threadsafe(Release(self))

    def let_go(self) -> None:
        """Carry out `wake`, in the event loop or while the loop does not run."""
        self.interrupt()
        if self._output is not None:
            self._output.interrupt()
        for scope in list(self.scopes):
            if running_loop() is self._loop:
                scope.cancel()
            else:
                self._loop.call_soon(scope.cancel)
        self.released()

    def forget(self) -> None:
        """Carry out `wake` without the event loop, which is closed."""
        _Direction.disown(self)
        if self._output is not None:
            self._output.disown()
        self.released()

    def released(self) -> None:
        """Tell the port that the descriptor is not used here any more."""
        if not self._released:
            self._released = True
            self._watch.on_release()


def _ignore() -> None:
    """Do nothing: nobody waits to write, and the descriptor stays writable."""
