"""Carrying out an operation without doing any I/O.

An operation is a generator of *steps* (see `operations`): it yields a pause in seconds, or a `Call`
that may block, and is resumed with the call's result or error. The `Engine` advances the generator. A
runner around it pauses and makes the calls; there is one runner for event loops and one for threads, both
of this form:

    while (step := engine.next()) is not None:
        ...  # pause, or make the call
        engine.result(value)  # or engine.error(exc), if the call failed
    return engine.outcome()

and `engine.interrupt(exc)` when the caller gives up, or the port ends.

The engine also decides what has to be undone. A `Call` may name an undoing. The undoing is armed
*before* the call is made, so that an interruption at any point finds it, and it stays armed until the call
itself fails or a call that `disarms` succeeds. However a runner ends, it hands an armed undoing to a
worker, behind the call that is under way. Nothing can cut it short there.

A call that has not begun when its caller gives up is never made. A call that has begun cannot be stopped. If it
`changes` the device, the runner waits for its end, but not longer than GRACE, so that what the caller
does next finds a device on which the old call no longer acts.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

__all__ = ("Call", "Engine", "Steps")


class Call:
    """A step: a call that may block.

    Attributes:
        function: What to call; for an `AsyncSerialBackend` it returns an awaitable.
        undo: What undoes it; called if the operation ends before a step that disarms it.
        disarms: Whether nothing is left to be undone once this call has succeeded.
        guard: A lock that the worker holds while it makes the call.
        changes: Whether it changes something on the device, so that nobody may leave it half done.
    """

    __slots__ = ("changes", "disarms", "function", "guard", "undo")

    def __init__(
        self,
        function: "Callable[[], Any]",
        *,
        undo: "Callable[[], Any] | None" = None,
        disarms: bool = False,
        guard: "AbstractContextManager[Any] | None" = None,
        changes: bool = False,
    ) -> None:
        self.function: Callable[[], Any] = function
        self.undo: Callable[[], Any] | None = undo
        self.disarms: bool = disarms
        self.guard: AbstractContextManager[Any] | None = guard
        self.changes: bool = changes


type Steps[T] = Generator[float | Call, Any, T]
"""An operation: it yields pauses in seconds and calls that may block, and receives the calls' results."""


class Engine[T]:
    """One operation and how far it has come.

    Args:
        steps: The operation; not begun yet.

    Attributes:
        undo: What must be called if the operation ends here; None if nothing.
    """

    __slots__ = ("_failure", "_is_over", "_result", "_resume", "_step", "_steps", "_value", "undo")

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self._resume: Callable[[Any], float | Call] = steps.send
        self._value: Any = None
        self._step: float | Call | None = None
        self._is_over = False
        self._result: Any = None
        self._failure: BaseException | None = None
        self.undo: Callable[[], Any] | None = None

    def next(self) -> float | Call | None:
        """Return the next step; None when the operation is over."""
        if self._is_over:
            return None
        try:
            step = self._resume(self._value)
        except StopIteration as stop:
            self._result = stop.value
            self._is_over = True
            return None
        except BaseException as exc:  # noqa: BLE001  # `outcome` raises it
            self._fail(exc)
            return None
        self._step = step
        if isinstance(step, Call) and step.undo is not None:
            self.undo = step.undo
        return step

    def result(self, value: Any = None) -> None:
        """Continue with the step's result."""
        if isinstance(self._step, Call) and self._step.disarms:
            self.undo = None
        self._resume, self._value = self._steps.send, value

    def error(self, exc: BaseException) -> None:
        """Continue with the error of the step's call; the operation may handle it."""
        if isinstance(self._step, Call) and self._step.undo is not None:
            self.undo = None  # the call itself has failed, so there is nothing to undo
        self._resume, self._value = self._steps.throw, exc

    def interrupt(self, exc: BaseException) -> None:
        """End the operation with *exc*; after the first call, others have no effect."""
        if not self._is_over:
            self._fail(exc)
            self._steps.close()

    def outcome(self) -> T:
        """Return the operation's result, or raise its error."""
        failure, self._failure = self._failure, None
        self._value = None
        if failure is None:
            result: T = self._result
            return result
        from anyserial._errno import brief  # noqa: PLC0415  # for errors only

        try:
            raise brief(failure)
        finally:
            del failure  # a traceback refers to this frame, which would refer to the error

    def _fail(self, exc: BaseException) -> None:
        self._failure = exc
        self._is_over = True
