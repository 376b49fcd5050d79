"""The portal: one thread with an event loop, for backends that have no descriptor.

All ports that need the portal share it, and it runs only while one of them is open. Ports
with a descriptor do not use it.
"""

from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, cast, override

from anyserial._spi import OpenPort, SelfWaitingTransport, brief, translate
from anyserial.exceptions import SerialError

from anyserial_sync._bell import Bell
from anyserial_sync._portal_provider import get_portal_provider
from anyserial_sync._runner import POLL_GRACE
from anyserial_sync._timeouts import remaining, timed_out

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import anyio
    from anyserial._spi import OnWorker, Opening
    from anyserial.backend import AsyncSerialBackend

    from anyserial_sync._serial_port import SerialPort
    from anyserial_sync._turnstile import Turnstile

__all__ = ("PortalTransport", "PortalWaits", "open_in_portal")


class _Task[T]:
    """One awaitable that runs in the event loop while another thread waits for it.

    Args:
        function: Returns the awaitable; called in the event loop's thread.
        notify: Called there when the awaitable has ended.
    """

    def __init__(self, function: "Callable[[], Awaitable[T]]", notify: "Callable[[], object]") -> None:
        self._function = function
        self._notify = notify
        self._scope: anyio.CancelScope | None = None
        self._is_cancelled = False
        self.result: T | None = None
        self.error: BaseException | None = None
        self.finished = False
        self.succeeded = False

    async def run(self) -> None:
        from anyio import CancelScope  # noqa: PLC0415  # for this module's readers

        try:
            with CancelScope() as self._scope:
                if self._is_cancelled:
                    self._scope.cancel()
                self.result = await self._function()
                self.succeeded = True
        except Exception as exc:  # noqa: BLE001  # carried to the thread that waits
            self.error = exc
        finally:
            self._scope = None
            self.finished = True
            self._notify()

    def cancel(self) -> None:
        """Cancel the awaitable; in the event loop's thread."""
        self._is_cancelled = True
        if self._scope is not None:
            self._scope.cancel()

    def take(self) -> T:
        error, self.error = self.error, None
        if error is None:
            return cast("T", self.result)
        try:
            raise error
        finally:
            del error  # a traceback refers to this frame, which would refer to the error


class Portal:
    """One port's use of the portal, from its creation to `close`."""

    def __init__(self) -> None:
        self._provider = get_portal_provider()
        self._portal = self._provider.__enter__()  # exited in `close`

    def close(self) -> None:
        """Stop using the portal; it ends when no port uses it any more."""
        provider, self._provider = self._provider, None  # type: ignore[assignment]
        if provider is not None:
            provider.__exit__(None, None, None)

    def query[T](self, function: "Callable[[], T]") -> T:
        """Call *function*, which must not block, in the event loop's thread."""
        return self._portal.call(function)

    def start(self, task: "_Task[Any]") -> None:
        """Start *task*."""
        self._portal.start_task_soon(task.run)

    def cancel(self, task: "_Task[Any]") -> None:
        """Cancel *task*, soon."""
        self._portal.start_task_soon(task.cancel)

    def finish[T](self, function: "Callable[[], Awaitable[T]]") -> T:
        """Await what *function* returns, without limit."""
        bell = Bell()
        task = _Task(function, bell.wake)
        self.start(task)
        while not task.finished:
            bell.wait(None)
        return task.take()

    def run[T](  # noqa: PLR0917  # called from two places
        self,
        function: "Callable[[], Awaitable[T]]",
        bell: Bell,
        deadline: float | None,
        check: "Callable[[], object]",
        what: str,
        path: str,
        late: "Callable[[T], object]",
    ) -> T:
        """Await what *function* returns, unless the call is interrupted.

        Args:
            function: Returns the awaitable; called in the event loop's thread.
            bell: Other threads ring it to have *check* called.
            deadline: By `time.monotonic`. The call gets at least 10 ms, because the event loop must run.
            check: Raises if the call was interrupted.
            what: What did not happen before the deadline, for the message.
            path: The port's path, for the message.
            late: Called with the result if there is one in spite of the interruption.

        Raises:
            TimeoutError: The deadline came first; the awaitable was cancelled.
        """
        task = _Task(function, bell.wake)
        try:
            self.start(task)
            grace = POLL_GRACE
            while not task.finished:
                left = remaining(deadline)
                rang = bell.wait(None if left is None else max(left, grace))
                if not task.finished:
                    check()
                    if not rang and deadline is not None and not remaining(deadline):
                        raise timed_out(what, path)  # noqa: TRY301  # undone like an interruption
        except BaseException:
            self.cancel(task)
            while not task.finished:
                bell.wait(None)
            if task.succeeded:
                late(task.take())
            raise
        return task.take()


class PortalTransport(SelfWaitingTransport):
    """An `AsyncSerialBackend` for threads: all its calls run in the portal."""

    def __init__(self, backend: "AsyncSerialBackend") -> None:
        super().__init__(backend)
        self.portal = Portal()
        self.patience = 1.0  # seconds that the backend's own close may take before it is cancelled

    @override
    def input_waiting(self) -> int:
        return self.portal.query(super().input_waiting)

    @override
    def output_waiting(self) -> int:
        return self.portal.query(super().output_waiting)

    @override
    def check_alive(self, path: str) -> None:
        self.portal.query(partial(super().check_alive, path))

    @override
    def on_worker(self, function: "Callable[[], Any]") -> "OnWorker":
        bell = Bell()
        task: _Task[Any] = _Task(function, bell.wake)

        def call() -> Any:
            self.portal.start(task)
            while not task.finished:
                bell.wait(None)
            return task.take()

        return call, partial(self.portal.cancel, task)

    @override
    def close(self) -> None:
        deadline = monotonic() + self.patience
        try:
            with suppress(TimeoutError):
                self.portal.run(
                    self.backend.aclose,
                    Bell(),
                    deadline,
                    check=lambda: None,
                    what="the backend was not closed",
                    path=self.backend.path,
                    late=lambda _: None,
                )
        finally:
            self.portal.close()


class PortalWaits:
    """Receiving and sending in the portal; see `Waits`."""

    __slots__ = ("_port", "_portal", "_transport")

    def __init__(self, port: OpenPort, close_timeout: float) -> None:
        assert isinstance(port.transport, PortalTransport)  # noqa: S101  # `BlockingPort` makes them together
        port.transport.patience = close_timeout
        self._port = port
        self._portal = port.transport.portal
        self._transport = port.transport  # its backend may be replaced

    def fill(self, turnstile: "Turnstile", me: object, size: int, deadline: float | None) -> None:
        """See `Waits`."""
        append = self._port.pushback.items.append
        append(
            self._run(
                partial(self._transport.backend.receive, size), turnstile, me, deadline, "nothing was received", append
            )
        )

    def write(self, turnstile: "Turnstile", me: "list[int]", rest: memoryview, deadline: float | None) -> None:
        """See `Waits`."""
        function = partial(self._transport.backend.send, rest)
        me.append(self._run(function, turnstile, me, deadline, "not everything was sent", me.append))

    def _run[T](  # noqa: PLR0917  # called from two places
        self,
        function: "Callable[[], Awaitable[T]]",
        turnstile: "Turnstile",
        me: object,
        deadline: float | None,
        what: str,
        late: "Callable[[T], object]",
    ) -> T:
        def check() -> None:
            if turnstile.interrupted:
                turnstile.check(me)

        misread = turnstile.misread
        turnstile.bell = bell = Bell() if misread is None else misread.bell()
        if misread is not None and deadline is not None:
            misread.end()
        try:
            check()
            return self._portal.run(function, bell, deadline, check, what, self._port.path, late)
        finally:
            turnstile.bell = None


def open_in_portal[P: "SerialPort"](cls: type[P], opening: "Opening", deadline: float | None) -> P:
    """Open a port on an `AsyncSerialBackend` as an instance of *cls*."""
    backend = cast("AsyncSerialBackend", opening.backend)
    try:
        portal = Portal()
    except OSError as exc:  # an event loop needs descriptors of its own
        raise brief(translate(exc, context="open", path=opening.device)) from None
    try:
        try:
            portal.run(
                lambda: backend.open(opening.device, opening.config),
                Bell(),
                deadline,
                check=lambda: None,
                what="the port was not open",
                path=opening.device,
                late=lambda _: portal.finish(backend.aclose),
            )
        except SerialError as exc:
            raise brief(exc)  # noqa: B904  # the same error
        try:
            return opening.make(cls)
        except BaseException:
            undone = Bell()
            opening.give_up(undone.wake)
            if backend.is_open:
                portal.finish(backend.aclose)
            raise
    finally:
        portal.close()
