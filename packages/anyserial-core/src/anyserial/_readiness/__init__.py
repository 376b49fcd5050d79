"""How a task waits: one module for each kind of event loop, behind two small interfaces.

A `Waiter` belongs to one open port in one event loop, and waits for the port's descriptor. A
`Signal` is set from any thread and wakes one task. What is read or written, and what a port
is, is not known here.
"""

import sys
from typing import TYPE_CHECKING, Any, cast

from anyserial.exceptions import UnsupportedAsyncBackendError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._readiness._contract import Signal, Waiter, Watch

__all__ = (
    "NOWHERE",
    "awaited",
    "checkpoint",
    "checkpoint_if_cancelled",
    "native_token",
    "shortcuts",
    "signal",
    "uninterrupted",
    "waiter",
)


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


def native_token() -> object:
    """Return the running event loop's own token: an asyncio loop or a TrioToken.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
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
    """Let other tasks run, and raise if the task is cancelled."""
    import anyio.lowlevel  # noqa: PLC0415

    await anyio.lowlevel.checkpoint()
