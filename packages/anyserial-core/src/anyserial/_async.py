"""How the async port waits: event loops, steps and cancellation, behind `SerialPort`'s public face.

Two things are here. `AsyncPortBase._attach` finds the waiter for the event loop that a
call runs in, and `_perform` carries out the steps of an operation: pauses in the event
loop, calls that may block on a thread, both woken at once when the port is closed.

Not here: what the operations do (`_port`) and how an event loop is waited in (`_readiness`).
"""

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, cast, override

import anyio

from anyserial import _offload, _readiness
from anyserial._errno import disconnected_error
from anyserial._port import CLOSED, OPEN, Call, PortBase, Steps
from anyserial._readiness import NOWHERE
from anyserial.exceptions import LineError, SerialDisconnectedError, SerialError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from anyserial._readiness._contract import Waiter
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("AsyncPortBase",)


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
        self._waiter: Waiter = NOWHERE
        self._is_receiving = False
        self._is_sending = False
        self._waiting: set[anyio.CancelScope] = set()
        self._in_a_row = 0

    def _attach(self) -> "Waiter":
        """Return a new waiter, for the running event loop.

        Raises:
            SerialClosedError: The port is closed.
            SerialDisconnectedError: The device is gone, and nothing is left of its bytes.
            anyio.BusyResourceError: The port is in use in another event loop.
        """
        if self._state:
            # Only what was carried over can still be had, and by a receive alone.
            if self._state == CLOSED or not self._carry:
                raise self._refusal()
            return self._own_waiter()
        if self._waiter is not NOWHERE and (self._is_receiving or self._is_sending or self._waiting):
            raise anyio.BusyResourceError("using (from another event loop)")
        if (detaching := self._waiter.detach()) is not None:
            self._detaching.append(detaching)
        if self._waits_itself:
            self._waiter = self._own_waiter()
        else:
            self._waiter = _readiness.waiter(self._backend.fileno(), self._idle_watch())
        return self._waiter

    def _own_waiter(self) -> "Waiter":
        from anyserial._readiness.own import OwnWaiter  # noqa: PLC0415  # few ports need it, and it takes 5 ms

        return cast("Waiter", OwnWaiter(self._backend))

    def _idle_watch(self) -> "Callable[[], None]":
        """Return a callback that looks after this port without keeping it alive."""
        reference = weakref.ref(self)

        def on_idle() -> None:
            if (port := reference()) is not None:
                port._notice()  # noqa: SLF001  # this class's own

        return on_idle

    def _notice(self) -> None:
        """Look whether the device is gone: the descriptor woke up while nobody waited."""
        if self._state == OPEN and self._backend.hung_up() and not self._has_input():
            self._disconnect(disconnected_error(self._path))

    def _has_input(self) -> bool:
        """Return whether the kernel still holds bytes; they come before the disconnect."""
        try:
            return bool(self._backend.input_waiting())
        except SerialError:
            return False

    @override
    def _detach(self) -> "list[threading.Event]":
        if (detaching := self._waiter.detach(self._wake if self._waiting else None)) is not None:
            self._detaching.append(detaching)
        self._waiter = NOWHERE
        return self._detaching

    def _wake(self) -> None:
        """Wake the operations that wait; called in the event loop that they wait in."""
        for scope in list(self._waiting):
            scope.cancel()

    async def _give_way(self, waiter: "Waiter") -> None:
        """Let the other tasks run; raises in a cancelled task, and if one of the others ended the port."""
        self._in_a_row = 0
        await waiter.checkpoint()
        if self._state and (self._state == CLOSED or not self._carried):
            raise self._refusal()

    def _wait_ended(self, exc: BaseException, waiter: "Waiter", view: memoryview | None = None) -> None:
        """Sort out why the wait of a receive ended; keep what was read for a cancelled one.

        Raises:
            SerialClosedError: The port was closed meanwhile.
            SerialDisconnectedError: The device went meanwhile.
        """
        if isinstance(exc, anyio.ClosedResourceError):
            raise self._refusal() from None
        if isinstance(exc, Exception):
            return
        got = waiter.reclaim()
        if isinstance(got, SerialDisconnectedError):
            self._disconnect(got)
        elif isinstance(got, (bytes, LineError)):
            self._carry.give_back(got)
        elif isinstance(got, int) and view is not None:
            self._carry.give_back(bytes(view[:got]))

    def _write_wait_ended(self, exc: BaseException, waiter: "Waiter") -> None:
        """Sort out why the wait of a send ended; count what was written for a cancelled one."""
        if isinstance(exc, anyio.ClosedResourceError):
            raise self._refusal() from None
        if isinstance(exc, Exception):
            return
        got = waiter.reclaim_write()
        if isinstance(got, SerialDisconnectedError):
            self._disconnect(got)
        elif isinstance(got, int):
            self._bytes_sent += got

    async def _perform_as_sender[T](self, steps: Steps[T]) -> T:
        if self._state:
            raise self._refusal()
        if self._is_sending:
            raise anyio.BusyResourceError("sending to")
        self._is_sending = True
        try:
            return await self._perform(steps)
        finally:
            self._is_sending = False

    async def _perform[T](self, steps: Steps[T]) -> T:
        """Carry out *steps*, holding the backend open meanwhile."""
        await _readiness.checkpoint_if_cancelled()
        self._check_open()
        waiter = self._waiter
        try:
            if waiter.running() is not waiter.home:
                self._attach()
        except RuntimeError:
            self._attach()
        if not self._leases.acquire():
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
        if self._state and undo is not None:
            # Closed while the task was on its way to the result: the steps will not see it.
            _offload.submit(partial(abandoned, result))
        else:
            leases.release()
        return result
