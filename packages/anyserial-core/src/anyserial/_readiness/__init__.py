"""How a task waits: one module for each kind of event loop, behind two small interfaces.

A `Waiter` belongs to one open port in one event loop and waits for its descriptor; a
`Signal` is set once, from any thread, and wakes one task. Nothing here knows what is
read or written, or what a port is.
"""

from typing import TYPE_CHECKING, Any, cast

from anyserial.exceptions import UnsupportedAsyncBackendError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._readiness._contract import Signal, Waiter

__all__ = ("NOWHERE", "checkpoint", "checkpoint_if_cancelled", "native_token", "signal", "waiter")


class _Nowhere:
    """The waiter of a port that nobody has used yet: of no event loop, so that it is never waited with."""

    home: object = object()

    @staticmethod
    def running() -> None:
        """See `Waiter.running`."""

    @staticmethod
    def detach(_wake: "Callable[[], None] | None" = None) -> None:
        """See `Waiter.detach`."""


NOWHERE: Any = _Nowhere()


def native_token() -> object:
    """Return the running event loop's own token: an asyncio loop or a TrioToken.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
    import anyio.lowlevel  # noqa: PLC0415  # dear to import, and needed in an event loop only

    try:
        return anyio.lowlevel.current_token().native_token
    except RuntimeError as exc:
        raise UnsupportedAsyncBackendError(f"anyserial needs a running asyncio or trio event loop ({exc})") from exc
    except (ImportError, LookupError) as exc:
        raise UnsupportedAsyncBackendError(f"AnyIO does not support the running event loop ({exc})") from exc


def signal() -> "Signal":
    """Return a signal that wakes the calling task.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
    token = native_token()
    if type(token).__module__.partition(".")[0] == "trio":
        from anyserial._readiness import trio as trio_  # noqa: PLC0415  # trio is optional

        return trio_.TrioSignal()
    from anyserial._readiness import asyncio as asyncio_  # noqa: PLC0415  # for symmetry, and import time

    return asyncio_.AsyncioSignal()


def waiter(fd: int, on_idle: "Callable[[], None]") -> "Waiter":
    """Return a waiter for *fd* in the running event loop.

    Args:
        fd: An open, non-blocking descriptor.
        on_idle: Called when the descriptor became readable or broke while nobody
            waited. Held for as long as the waiter: it must not keep the port alive.

    Raises:
        UnsupportedAsyncBackendError: No event loop that AnyIO knows is running.
    """
    token = native_token()
    if type(token).__module__.partition(".")[0] == "trio":
        from anyserial._readiness import trio as trio_  # noqa: PLC0415

        return cast("Waiter", trio_.TrioWaiter(fd))
    from anyserial._readiness import asyncio as asyncio_  # noqa: PLC0415

    if asyncio_.has_readers():
        return cast("Waiter", asyncio_.AsyncioWaiter(fd, on_idle))
    from anyserial._readiness import portable  # noqa: PLC0415

    return cast("Waiter", portable.PortableWaiter(fd))


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
