"""The portal: the one thread with an event loop, for backends that have no descriptor.

It is shared by all ports that need it and runs only while one of them is open. A port
on a descriptor never comes here.
"""

import os
import threading
from typing import TYPE_CHECKING, Any, cast, override

import anyio
from anyio.from_thread import BlockingPortal, BlockingPortalProvider

from anyserial_sync._steps import POLL_GRACE, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from anyserial.backend import AsyncSerialBackend, SerialBackend

__all__ = ("Portal", "configure_portal", "get_portal_provider")


class _Provider(BlockingPortalProvider):
    """AnyIO's provider, which also knows whether it was ever used."""

    used = False

    @override
    def __enter__(self) -> BlockingPortal:
        with _lock:
            self.used = True
        return super().__enter__()


_lock = threading.Lock()
_provider = _Provider()


def _forget_portal() -> None:
    global _lock, _provider  # noqa: PLW0603  # the parent's thread does not exist in a forked child
    used = _provider.used
    _lock = threading.Lock()
    _provider = _Provider(_provider.backend, _provider.backend_options)
    _provider.used = used


os.register_at_fork(after_in_child=_forget_portal)


def configure_portal(backend: str = "asyncio", backend_options: "Mapping[str, Any] | None" = None) -> None:
    """Choose the event loop that backends without a descriptor run in.

    Ports on a descriptor, which are all that anyserial opens by itself, need none.

    Args:
        backend: ``"asyncio"`` or ``"trio"``, as for `anyio.run`.
        backend_options: As for `anyio.run`; ``{"use_uvloop": True}``, say.

    Raises:
        RuntimeError: The portal was used already: it is too late.
    """
    with _lock:
        if _provider.used:
            raise RuntimeError("configure_portal must be called before the first use of the portal")
        _provider.backend = backend
        _provider.backend_options = None if backend_options is None else dict(backend_options)


def get_portal_provider() -> BlockingPortalProvider:
    """Return the shared provider, as a context manager for who needs the portal himself; starts nothing."""
    return _provider


class Portal:
    """One port's share of the portal, from its creation to `close`."""

    def __init__(self) -> None:
        self._provider = get_portal_provider()
        self._portal = self._provider.__enter__()  # left again in close

    def close(self) -> None:
        """Give the share back; with the last one the portal ends."""
        self._provider.__exit__(None, None, None)

    def closing(self, backend: "AsyncSerialBackend") -> "SerialBackend":
        """Return what a `ClosingJob` takes for *backend*: its `close` closes it, and gives the share back."""
        return cast("SerialBackend", _BackendClose(backend, self))

    def query[T](self, function: "Callable[[], T]") -> T:
        """Call what must not block, in the event loop's thread."""
        return self._portal.call(function)

    def finish[T](self, function: "Callable[[], Awaitable[T]]") -> T:
        """Await what *function* returns, whatever it takes."""
        task = _Task(function, threading.Event())
        self._portal.start_task_soon(task.run)
        task.sleeper.wait()
        return task.take()

    def run[T](
        self,
        function: "Callable[[], Awaitable[T]]",
        sleeper: threading.Event,
        *,
        timeout: float | None,
        path: str,
        check: "Callable[[], None]",
        late: "Callable[[T], object] | None" = None,
    ) -> T:
        """Await what *function* returns, until it is interrupted.

        Args:
            function: Called in the event loop's thread.
            sleeper: What other threads set to have *check* called.
            timeout: Seconds; as the event loop has to come round, it gets at least 10 ms.
            path: The port's, for messages.
            check: Raises if the call was interrupted.
            late: Given the result if there is one in spite of the interruption.

        Raises:
            TimeoutError: It took longer than *timeout*, and was cancelled.
        """
        task = _Task(function, sleeper)
        self._portal.start_task_soon(task.run)
        try:
            wait_for(task, sleeper, None if timeout is None else max(timeout, POLL_GRACE), path, check)
        except BaseException:
            self._portal.start_task_soon(task.cancel)
            while not task.finished:
                sleeper.wait()
                sleeper.clear()
            if late is not None and task.succeeded:
                late(task.take())
            raise
        return task.take()


class _Task[T]:
    """One awaitable: run in the event loop, waited for in another thread."""

    def __init__(self, function: "Callable[[], Awaitable[T]]", sleeper: threading.Event) -> None:
        self._function = function
        self._scope: anyio.CancelScope | None = None
        self._is_cancelled = False
        self._result: T | None = None
        self._error: BaseException | None = None
        self.sleeper = sleeper
        self.finished = False
        self.succeeded = False

    async def run(self) -> None:
        try:
            with anyio.CancelScope() as self._scope:
                if self._is_cancelled:
                    self._scope.cancel()
                self._result = await self._function()
                self.succeeded = True
        except Exception as exc:  # noqa: BLE001  # carried to the thread that waits
            self._error = exc
        finally:
            self._scope = None
            self.finished = True
            self.sleeper.set()

    def cancel(self) -> None:
        """Cancel it; in the event loop's thread."""
        self._is_cancelled = True
        if self._scope is not None:
            self._scope.cancel()

    def take(self) -> T:
        error, self._error = self._error, None
        if error is None:
            return cast("T", self._result)
        try:
            raise error
        finally:
            del error  # a traceback refers to this frame, which would refer to the error


class _BackendClose:
    """What is left of a backend without a descriptor when it is being closed."""

    def __init__(self, backend: "AsyncSerialBackend", portal: Portal) -> None:
        self._backend = backend
        self._portal = portal

    def close(self) -> None:
        """Do it."""
        try:
            self._portal.finish(self._backend.aclose)
        finally:
            self._portal.close()
