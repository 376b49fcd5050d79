"""The portal: one thread with an event loop, for backends that have no descriptor.

All ports that need the portal share it, and it runs only while one of them is open. Ports
with a descriptor do not use it.
"""

import sys
from _thread import get_ident
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, cast, override

from anyserial._spi import OpenPort, SelfWaitingTransport, brief, native_token, nothing_onto, translate
from anyserial.exceptions import SerialError

from anyserial_sync._bell import Bell
from anyserial_sync._portal_provider import get_portal_provider
from anyserial_sync._runner import POLL_GRACE
from anyserial_sync._timeouts import LONGEST_WAIT, remaining, timed_out
from anyserial_sync._wakeup import Wakeup, waiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import anyio
    from anyserial._spi import Items, OnWorker, Opening, ThreadCalls
    from anyserial.backend import AsyncSerialBackend

    from anyserial_sync._serial_port import SerialPort
    from anyserial_sync._turnstile import Turnstile

__all__ = ("PortalTransport", "PortalWaits", "open_in_portal")


class _Task[T]:
    """One function or awaitable that runs in the event loop while another thread waits for it.

    Args:
        function: Called in the event loop's thread; for `run`, it returns the awaitable.
        notify: Called there when the awaitable has ended.
    """

    def __init__(self, function: "Callable[[], Any]", notify: "Callable[[], object]") -> None:
        self._function = function
        self._running: object = None
        self._notify = notify
        self._scope: anyio.CancelScope | None = None
        self._is_cancelled = False
        self._is_known = False
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

    def call(self) -> None:
        """Call the function; in the event loop's thread."""
        try:
            self.result = self._function()
        except Exception as exc:  # noqa: BLE001  # carried to the thread that waits
            self.error = exc
        finally:
            self.finished = True
            self._notify()

    def begin(self, spawn: "Callable[[Callable[[], Awaitable[None]]], object]") -> None:
        """Have *spawn* run it; in the event loop's thread."""
        self._is_known = True
        self._running = spawn(self.run)  # asyncio has only a weak reference to its task

    def cancel(self) -> None:
        """Cancel the awaitable; in the event loop's thread."""
        self._is_cancelled = True
        if self._scope is not None:
            self._scope.cancel()
        elif not self._is_known:
            # A signal handler has raised before the event loop was asked to run it.
            self.finished = True
            self._notify()

    def take(self) -> T:
        # A signal handler may raise when this is entered, but not once it returns: the result is lost to nobody.
        error, self.error = self.error, None
        if error is None:
            return self.result  # type: ignore[return-value]  # it is there once the task has succeeded
        try:
            raise error
        finally:
            del error  # a traceback refers to this frame, which would refer to the error


class Portal:
    """One port's use of the portal, from its creation to `close`.

    The event loop is asked by its own call for other threads. AnyIO's would wait for the answer on a condition of the
    standard library, which does not survive a signal handler that raises.
    """

    def __init__(self) -> None:
        self._provider = get_portal_provider()
        self._portal = portal = self._provider.__enter__()  # exited in `close`
        self._thread = portal.call(get_ident)
        token: Any = portal.call(native_token)
        self._soon: Callable[[Callable[[], object]], object]
        self._spawn: Callable[[Callable[[], Awaitable[None]]], object]
        if hasattr(token, "run_sync_soon"):
            from trio.lowlevel import spawn_system_task  # noqa: PLC0415  # optional

            self._soon = token.run_sync_soon
            self._spawn = spawn_system_task
        else:
            self._soon = partial(token.call_soon_threadsafe, context=portal.call(copy_context))
            self._spawn = lambda function: token.create_task(function())

    def close(self) -> None:
        """Stop using the portal; it ends when no port uses it any more."""
        provider, self._provider = self._provider, None  # type: ignore[assignment]
        if provider is not None:
            provider.__exit__(None, None, None)

    def query[T](self, function: "Callable[[], T]") -> T:
        """Call *function*, which must not block, in the event loop's thread."""
        if get_ident() == self._thread:
            raise RuntimeError("a blocking call cannot be made in the event loop that serves blocking ports")
        bell = Bell()
        call: _Task[T] = _Task(function, bell.wake)
        self._soon(call.call)
        while not call.finished:
            bell.wait(None)
        return call.take()

    def start(self, task: "_Task[Any]") -> None:
        """Start *task*."""
        self._soon(partial(task.begin, self._spawn))

    def cancel(self, task: "_Task[Any]") -> None:
        """Cancel *task*, soon."""
        self._soon(task.cancel)

    def soon(self, function: "Callable[[], object]") -> None:
        """Call *function*, which must not block, in the event loop's thread, soon; not if the event loop has ended."""
        with suppress(RuntimeError):
            self._soon(function)

    def finish[T](self, function: "Callable[[], Awaitable[T]]") -> T:
        """Await what *function* returns, without limit."""
        bell = Bell()
        task: _Task[T] = _Task(function, bell.wake)
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
        task: _Task[T] = _Task(function, bell.wake)
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
            return task.take()
        except BaseException:
            if not task.finished:
                self.cancel(task)
            while not task.finished:
                bell.wait(None)
            if task.succeeded:
                late(task.take())
            raise


class PortalTransport(SelfWaitingTransport):
    """An `AsyncSerialBackend` for threads: all its calls run in the portal."""

    def __init__(self, backend: "AsyncSerialBackend") -> None:
        super().__init__(backend)
        self.portal = Portal()
        self.patience = 1.0  # seconds that the backend's own close may take before it is cancelled
        self.thread_calls: ThreadCalls | None = None
        self._find_thread_calls()

    @override
    def replace_backend(self, backend: "AsyncSerialBackend") -> None:
        super().replace_backend(backend)
        self._find_thread_calls()

    def _find_thread_calls(self) -> None:
        share: Callable[[], ThreadCalls] | None = getattr(self.backend, "_thread_calls", None)
        if share is None:
            self.thread_calls = None
            self.read_onto, self.write_onto = nothing_onto, nothing_onto
        else:
            self.thread_calls = calls = share()
            calls.catch_up = partial(self.portal.soon, calls.catch_up)
            self.read_onto, self.write_onto = calls.read_once_onto, calls.write_onto

    @override
    def read_the_rest(self, items: "Items", size: int) -> None:
        self.portal.query(partial(super().read_the_rest, items, size))

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
    def close(self, _is_finalizing: "Callable[[], bool]" = sys.is_finalizing) -> None:
        if _is_finalizing():
            return  # the portal's thread does not run any more; the system closes the connection
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


class _Alarm(Bell):
    """A bell whose ring ends a wait for a descriptor."""

    __slots__ = ("wakeup",)

    def __init__(self) -> None:
        super().__init__()
        self.wakeup = Wakeup()

    @override
    def wake(self) -> None:
        self.wakeup.set()

    disown = wake

    def clear(self) -> None:
        self.wakeup.clear()


class PortalWaits:
    """Receiving and sending in the portal; see `Waits`."""

    __slots__ = ("_alarm", "_port", "_portal", "_transport", "_wait")

    def __init__(self, port: OpenPort, close_timeout: float) -> None:
        transport = port.transport
        assert isinstance(transport, PortalTransport)  # noqa: S101  # `BlockingPort` makes them together
        transport.patience = close_timeout
        self._port = port
        self._portal = transport.portal
        self._transport: PortalTransport = transport  # its backend may be replaced
        self._alarm: _Alarm | None = None
        self._wait: Callable[[float | None], object] | None = None

    def fill(self, turnstile: "Turnstile", me: object, size: int, deadline: float | None) -> None:
        """See `Waits`."""
        calls = self._transport.thread_calls
        if calls is not None and self._fill_here(calls, turnstile, me, size, deadline):
            return
        append = self._port.pushback.items.append
        append(
            self._run(
                partial(self._transport.backend.receive, size), turnstile, me, deadline, "nothing was received", append
            )
        )

    def _fill_here(  # called from one place
        self, calls: "ThreadCalls", turnstile: "Turnstile", me: object, size: int, deadline: float | None
    ) -> bool:
        """As `fill`, in this thread; return False if the event loop must do it."""
        try:
            try:
                if not calls.begin(me):
                    return False
                alarm = self._alarm = self._alarm or _Alarm()
                wait = self._wait or self._arm(calls, alarm, turnstile)
                turnstile.bell = alarm
                if turnstile.interrupted:
                    turnstile.check(me)
                while True:
                    left = remaining(deadline)
                    wait(None if left is None else min(left, LONGEST_WAIT) * 1000)
                    if turnstile.interrupted:
                        alarm.clear()
                        turnstile.check(me)
                    if found := calls.read_onto(self._port.pushback.items, size):
                        return True
                    if found is None:
                        return False
                    if deadline is not None and not remaining(deadline):
                        raise timed_out("nothing was received", self._port.path)  # undone below
            finally:
                calls.end(me)
                turnstile.bell = None
        except BaseException:
            calls.end(me)
            turnstile.bell = None
            raise

    def _arm(self, calls: "ThreadCalls", alarm: _Alarm, turnstile: "Turnstile") -> "Callable[[float | None], object]":
        wait = waiter(calls.fileno(), alarm.wakeup, writing=False)
        if turnstile.misread is not None:
            wait = turnstile.misread.around(wait)
        else:
            self._wait = wait
        return wait

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
