"""How the async port waits: event loops, steps and cancellation, behind `SerialPort`'s public face.

Two things are here. `AsyncPortBase._attach` finds the waiter for the event loop that a
call runs in, and `_perform` carries out the steps of an operation: pauses in the event
loop, calls that may block on a thread, both woken at once when the port is closed.

Not here: what the operations do (`_port`) and how an event loop is waited in (`_readiness`).
"""

import weakref
from typing import TYPE_CHECKING, Any, override

import anyio

from anyserial import _offload, _readiness
from anyserial._errno import disconnected_error
from anyserial._port import CLOSED, OPEN, Call, PortBase, Steps
from anyserial.exceptions import SerialDisconnectedError, SerialError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from anyserial._readiness import Waiter
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("AsyncPortBase",)

CALLS_IN_A_ROW = 32  # receives and sends that succeed at once before other tasks get their turn


class AsyncPortBase(PortBase):
    """One open port in an event loop, without its public methods."""

    def __init__(
        self,
        backend: "SerialBackend | AsyncSerialBackend",
        config: "SerialConfig",
        *,
        port_info: "PortInfo | None" = None,
    ) -> None:
        """As `PortBase`."""
        super().__init__(backend, config, port_info=port_info)
        self._waiter: Waiter | None = None
        self._waiting: set[anyio.CancelScope] = set()
        self._in_a_row = 0

    def _attach(self) -> "Waiter":
        """Return the waiter for the running event loop, a new one if need be."""
        from anyserial._readiness.own import OwnWaiter  # noqa: PLC0415  # few ports need it

        waiter = self._waiter
        if self._state:
            # Only what was carried over can still be had.
            if self._state == CLOSED or not self._carry:
                raise self._refusal()
            return OwnWaiter(self._backend)
        if waiter is not None:
            if self._receive_guard.locked() or self._send_guard.locked() or self._waiting:
                raise anyio.BusyResourceError("using (from another event loop)")
            if (detaching := waiter.detach()) is not None:
                self._detaching.append(detaching)
        if self._waits_itself:
            self._waiter = OwnWaiter(self._backend)
        else:
            self._waiter = _readiness.waiter(self._backend.fileno(), self._idle_watch())
        return self._waiter

    def _idle_watch(self) -> "Callable[[], None]":
        """Return a callback that looks after this port without keeping it alive."""
        reference = weakref.ref(self)

        def on_idle() -> None:
            if (port := reference()) is not None:
                port._notice()  # noqa: SLF001  # this class's own

        return on_idle

    def _notice(self) -> None:
        """Look whether the device is gone: the descriptor woke up while nobody waited."""
        if self._state == OPEN and self._backend.hung_up():
            self._disconnect(disconnected_error(self._path))

    @override
    def _detach(self) -> "list[threading.Event]":
        for scope in list(self._waiting):
            scope.cancel()
        if self._waiter is not None and (detaching := self._waiter.detach()) is not None:
            self._detaching.append(detaching)
        return self._detaching

    async def _share(self, waiter: "Waiter") -> None:
        """Check for cancellation, and let the other tasks run now and then."""
        self._in_a_row += 1
        if self._in_a_row < CALLS_IN_A_ROW:
            await waiter.checkpoint_if_cancelled()
        else:
            self._in_a_row = 0
            await waiter.checkpoint()

    def _interrupted(self, exc: BaseException, waiter: "Waiter | None") -> Any:
        """Sort out why a receive or send ended; return what was read for a cancelled one."""
        if isinstance(exc, SerialDisconnectedError):
            self._disconnect(exc)
        elif isinstance(exc, anyio.ClosedResourceError):
            raise self._refusal() from None
        elif not isinstance(exc, Exception) and waiter is not None:
            return waiter.reclaim()
        return None

    async def _perform_as_sender[T](self, steps: Steps[T]) -> T:
        self._enter_send()
        try:
            return await self._perform(steps)
        finally:
            self._send_guard.release()

    async def _perform[T](self, steps: Steps[T]) -> T:
        """Carry out *steps*, holding the backend open meanwhile."""
        await _readiness.checkpoint_if_cancelled()
        if self._state or not self._leases.acquire():
            raise self._refusal()
        try:
            return await self._follow(steps)
        except SerialDisconnectedError as exc:
            self._disconnect(exc)
            raise
        finally:
            steps.close()
            self._leases.release()

    async def _follow[T](self, steps: Steps[T]) -> T:
        resume: Callable[[Any], float | Call] = steps.send
        value: Any = None
        ending = False
        while True:
            try:
                step = resume(value)
            except StopIteration as stop:
                result: T = stop.value
                return result
            try:
                value = await self._take(step, shield=ending)
                if not ending:
                    self._check_open()
            except BaseException as exc:  # noqa: BLE001  # the steps decide: some carry on after an error
                # A port that is closed, or a task that is cancelled, still does what cleans up.
                ending = ending or self._state != OPEN or not isinstance(exc, Exception)
                resume, value = steps.throw, exc
            else:
                resume = steps.send

    def _check_open(self) -> None:
        if self._state:
            raise self._refusal()

    async def _take(self, step: float | Call, *, shield: bool) -> Any:
        """Take one step; woken early, without a result, if the port is closed meanwhile."""
        with anyio.CancelScope(shield=shield) as scope:
            self._waiting.add(scope)
            try:
                if not isinstance(step, Call):
                    return await anyio.sleep(step)
                if self._waits_itself:
                    return await self._call_here(step)
                return await self._call_on_thread(step)
            finally:
                self._waiting.discard(scope)
        return None

    async def _call_here(self, call: Call) -> Any:
        try:
            return await call.function()
        except BaseException as exc:
            if call.undo is not None and not isinstance(exc, Exception):
                with anyio.CancelScope(shield=True):
                    await call.undo()
            raise

    async def _call_on_thread(self, call: Call) -> Any:
        self._leases.extend()
        leases, undo = self._leases, call.undo

        def abandoned(_result: Any) -> None:
            try:
                if undo is not None:
                    undo()
            except SerialError:
                pass  # nobody is left to tell
            finally:
                leases.release()

        try:
            result = await _offload.run(call.function, abandoned=abandoned)
        except Exception:
            leases.release()
            raise
        leases.release()
        return result
