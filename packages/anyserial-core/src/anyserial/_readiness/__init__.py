"""How a task waits: one module for each kind of event loop, behind two small interfaces.

A `Waiter` belongs to one open port in one event loop, and waits for the port's descriptor. A
`Signal` is set from any thread and wakes one task. What is read or written, and what a port
is, is not known here.
"""

import sys
from typing import TYPE_CHECKING, Any, Final, cast

from anyserial.exceptions import UnsupportedAsyncBackendError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._readiness._contract import Signal, Waiter, Watch

__all__ = (
    "NOWHERE",
    "Reply",
    "awaited",
    "checkpoint",
    "checkpoint_if_cancelled",
    "native_token",
    "shortcuts",
    "signal",
    "uninterrupted",
    "waiter",
)


BRIEFLY: Final = 0.0002
"""Seconds that an event loop's thread stands still for a worker which may be done at once."""


class Reply:
    """What a worker says at the end of its call, to a task that waits for it.

    Many drivers open and close a port within a few microseconds. To go through the event loop then takes longer
    than the call itself: it must wake, look at all it watches, and run the task. So the task's thread first
    stands still for the worker, but only BRIEFLY, so that a driver that takes longer never holds up the event loop.
    """

    __slots__ = ("_came", "_signal")

    def __init__(self) -> None:
        from queue import SimpleQueue  # noqa: PLC0415  # the workers have loaded it

        self._came: SimpleQueue[None] = SimpleQueue()
        self._signal: Signal | None = None

    def notify(self) -> None:
        """Reply. Callable from any thread, any number of times."""
        # In this order: `wait_at_most` sets the signal first and looks at the queue second.
        self._came.put(None)
        if self._signal is not None:
            self._signal.notify()

    def comes_at_once(self) -> bool:
        """Return whether the worker has replied, after standing still for it if need be."""
        from queue import Empty  # noqa: PLC0415  # likewise

        if awaited:  # a driver takes longer, so others may too, and the waits for many ports would add up
            return not self._came.empty()
        try:
            self._came.get(timeout=BRIEFLY)
        except Empty:
            return False
        return True

    def expect(self) -> "Signal":
        """Return a signal that is set by the reply, which may have come already."""
        signal_ = self._signal = signal()
        if not self._came.empty():
            signal_.notify()
        return signal_


class _Nowhere:
    """The waiter of a port that was not used yet. It belongs to no event loop, so no call waits with it."""

    home: object = object()
    is_dead = True

    @staticmethod
    def running() -> None:
        """See `Waiter.running`."""


NOWHERE: Any = _Nowhere()

awaited: set[object] = set()
"""The signals that tasks wait for now because a worker makes a call for them. A virtual clock must not jump then."""

_uninterrupted: list[Any] = []


def uninterrupted[F: "Callable[..., object]"](function: F) -> F:
    """Delay Ctrl-C until *function* awaits something, where the event loop can do that (trio).

    A KeyboardInterrupt in the middle of a call would leave its bookkeeping half done. asyncio cancels the
    main task instead, and a cancellation only arrives at an await. This costs a call nothing.
    """
    _uninterrupted.append(function)
    if (trio_ := sys.modules.get("anyserial._readiness.trio")) is not None:
        trio_.protect(_uninterrupted)
    return function


def _never() -> bool:
    return False


def native_token() -> object:
    """Return the running event loop's own token: an asyncio loop or a TrioToken.

    Inside a task, the two event loops answer themselves, which takes less than going through AnyIO.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
    # Another thread may be in the middle of importing either module. In a trio guest run, a task is trio's alone.
    trio: Any = sys.modules.get("trio.lowlevel")
    if getattr(trio, "in_trio_task", _never)():
        token: object = trio.current_trio_token()
        return token
    asyncio: Any = sys.modules.get("asyncio")
    if (current_task := getattr(asyncio, "current_task", None)) is not None:
        loop: object = asyncio._get_running_loop()  # noqa: SLF001  # None outside a loop, where the public one raises
        if loop is not None and current_task(loop) is not None:
            return loop
    import anyio.lowlevel  # noqa: PLC0415  # slow to import, and only needed in an event loop

    try:
        return anyio.lowlevel.current_token().native_token
    except RecursionError:
        raise
    except RuntimeError as exc:
        raise UnsupportedAsyncBackendError(f"anyserial needs a running asyncio or trio event loop ({exc})") from exc
    except (ImportError, LookupError) as exc:
        raise UnsupportedAsyncBackendError(f"AnyIO does not support the running event loop ({exc})") from exc


def _trio_for(token: object) -> Any:
    """Return the module for trio if *token* belongs to trio, else None."""
    if type(token).__module__.partition(".")[0] != "trio":
        return None
    from anyserial._readiness import trio as trio_  # noqa: PLC0415  # trio is optional

    trio_.protect(_uninterrupted)
    return trio_


def signal() -> "Signal":
    """Return a signal that wakes the calling task.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
    trio_ = _trio_for(native_token())
    if trio_ is not None:
        return cast("Signal", trio_.TrioSignal())
    from anyserial._readiness import asyncio as asyncio_  # noqa: PLC0415  # for symmetry, and import time

    return asyncio_.AsyncioSignal()


def waiter(fd: int, watch: "Watch") -> "Waiter":
    """Return a waiter for *fd* in the running event loop.

    Args:
        fd: An open, non-blocking descriptor.
        watch: What the waiter tells its port.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
    trio_ = _trio_for(native_token())
    if trio_ is not None:
        return cast("Waiter", trio_.TrioWaiter(fd, watch))
    from anyserial._readiness import asyncio as asyncio_  # noqa: PLC0415

    if asyncio_.has_readers(fd):
        return cast("Waiter", asyncio_.AsyncioWaiter(fd, watch))
    from anyserial._readiness import portable  # noqa: PLC0415

    return cast("Waiter", portable.PortableWaiter(fd, watch))


def shortcuts() -> "tuple[Callable[[], object], object, Callable[[], float]]":
    """Return `Waiter.running`, `Waiter.home` and `Waiter.deadline` for the running event loop.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
    token = native_token()
    trio_ = _trio_for(token)
    if trio_ is not None:
        running, home, deadline, _ = trio_.shortcuts(token)
        return running, home, deadline
    from anyserial._readiness import asyncio as asyncio_  # noqa: PLC0415

    return asyncio_.running_loop, token, asyncio_.deadline_function()


async def checkpoint_if_cancelled() -> None:
    """Raise if the task is cancelled.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
    import anyio.lowlevel  # noqa: PLC0415

    native_token()
    await anyio.lowlevel.checkpoint_if_cancelled()


async def checkpoint() -> None:
    """Let other tasks run, and raise if the task is cancelled.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
    import anyio.lowlevel  # noqa: PLC0415

    native_token()
    await anyio.lowlevel.checkpoint()
