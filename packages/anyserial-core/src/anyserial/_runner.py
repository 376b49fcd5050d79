"""The runner around the engine for event loops: it carries out an operation while its task waits.

It pauses in the event loop and makes blocking calls on a worker, or awaits them if the backend waits by
itself, and wakes from both when the port ends. The steps are in `_port.operations`; `_port.engine` says what
is undone.
"""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from anyserial import _readiness, _workers
from anyserial._port.closing import GRACE
from anyserial._port.engine import Call, Engine
from anyserial._workers import Job
from anyserial.exceptions import SerialDisconnectedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._port.engine import Steps
    from anyserial._port.lifecycle import Lifecycle
    from anyserial._port.open_port import OpenPort
    from anyserial._readiness._contract import Waiter

__all__ = ("perform", "run_on_worker")


async def perform[T](port: "OpenPort", steps: "Steps[T]", here: "Callable[[], Waiter]") -> T:
    """Carry out *steps*, holding the backend open meanwhile.

    Args:
        port: The port.
        steps: The operation; not begun yet.
        here: Returns the port's waiter in the running event loop.

    Raises:
        SerialError: The operation failed, or the port has ended.
    """
    await _readiness.checkpoint_if_cancelled()
    engine = Engine(steps)
    lifecycle = port.lifecycle
    runner = (_OnWorkers if port.transport.has_descriptor else _InLoop)(lifecycle)
    ticket, waiter = object(), here()
    try:
        lifecycle.enter(ticket, None)
        while (step := engine.next()) is not None:
            with anyio.CancelScope() as scope:
                waiter.scopes.add(scope)
                try:
                    if isinstance(step, Call):
                        await runner.call(step, engine)
                    else:
                        begun = anyio.current_time()
                        await anyio.sleep(step)
                        engine.result(anyio.current_time() - begun)
                finally:
                    waiter.scopes.discard(scope)
            if lifecycle.state:
                engine.interrupt(lifecycle.refusal())
        return engine.outcome()
    except SerialDisconnectedError as exc:
        port.unplug(exc)
        raise
    finally:
        steps.close()
        try:
            if engine.undo is not None:
                await runner.undo(engine.undo)
        finally:
            # Only functions of C, so that a RecursionError leaves no ticket behind.
            lifecycle.calls.pop(ticket, None)
            if lifecycle.ending is not None:
                lifecycle.post(lifecycle.closing.advance)


class _OnWorkers:
    """Makes the calls of one operation on workers."""

    __slots__ = ("_job", "_lifecycle")

    def __init__(self, lifecycle: "Lifecycle") -> None:
        self._lifecycle = lifecycle
        self._job: Job | None = None

    async def call(self, call: Call, engine: "Engine[Any]") -> None:
        """Make *call* and wait for it; `_port.engine` says what becomes of it if the wait is cancelled."""
        signal = _readiness.signal()
        lifecycle = self._lifecycle
        self._job = job = Job(call.function, signal.notify, guard=call.guard, skippable=True)
        lifecycle.enter(job, None)
        job.afterwards.append(partial(lifecycle.leave, job))
        _workers.post(job)
        try:
            await signal.wait()
        except BaseException as exc:
            job.unwanted = True
            if call.changes and not isinstance(exc, Exception):  # after a RecursionError nothing can wait
                over = _readiness.signal()
                job.afterwards.append(over.notify)
                if not job.finished:
                    with anyio.move_on_after(GRACE, shield=True):
                        await over.wait()
            raise
        error, job.error = job.error, None  # its traceback will lead to this job
        if error is not None:
            engine.error(error)
        else:
            engine.result(job.result)

    async def undo(self, undo: "Callable[[], object]") -> None:
        """Have a worker call *undo* after the last call, and wait for it, but not for long."""
        job = self._job
        assert job is not None  # noqa: S101  # only a call can be undone
        signal = _readiness.signal()
        # Keeps the descriptor open until *undo* has run: the ticket of the call may be gone by then.
        self._lifecycle.calls[undo] = None
        job.give_up(undo, partial(self._lifecycle.leave, undo), signal.notify)
        with anyio.move_on_after(GRACE, shield=True):
            await signal.wait()


class _InLoop:
    """Awaits the calls of one operation, for a backend that waits by itself."""

    __slots__ = ()

    def __init__(self, _lifecycle: "Lifecycle") -> None:
        pass

    async def call(self, call: Call, engine: "Engine[Any]") -> None:
        """Await *call*."""
        try:
            value = await call.function()
        except Exception as exc:  # noqa: BLE001  # the operation may handle it
            engine.error(exc)
        else:
            engine.result(value)

    async def undo(self, undo: "Callable[[], Any]") -> None:
        """Await *undo*."""
        with anyio.move_on_after(GRACE, shield=True):
            with suppress(Exception):  # the first error says more
                await undo()


async def run_on_worker[T](
    function: "Callable[[], T]", *, abandoned: "Callable[[T | None], object] | None" = None
) -> T:
    """Call *function* on a worker and return what it returns.

    Args:
        function: What to call; its exceptions are raised here.
        abandoned: If the task is cancelled, a worker calls this once the call is over, with
            the result, or None if there is none.

    Cancellation: raises at once; the call goes on by itself, then *abandoned* is called. The
    caller must check beforehand whether its task is cancelled already.
    """
    with _workers.held():
        signal = _readiness.signal()
        job = Job(function, signal.notify)
        _workers.post(job)
        try:
            await signal.wait()
        except BaseException:
            if abandoned is not None:
                job.afterwards.append(lambda: abandoned(job.result))
                if job.finished:
                    _workers.post(job.finish_up)
            raise
        result: T = job.take()
        return result
