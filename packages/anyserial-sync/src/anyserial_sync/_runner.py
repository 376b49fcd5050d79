"""The runner around the engine for threads: it carries out an operation while its caller waits.

A pause is a wait that the end of the port, or `cancel_send`, can cut short. A worker makes the calls, at
the cost of one change of threads. So a timeout, a cancellation or a signal handler that raises can end the
caller's wait, and no signal interrupts the driver.

Leaving an operation is done twice, because Ctrl-C may interrupt the first time. It calls only functions of
C, because a RecursionError may be the reason for leaving.

The steps themselves are in `anyserial._port.operations`; `anyserial._port.engine` says what is undone.
"""

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from anyserial._spi import GRACE, SENDER, Call, Engine, Job, OpenPort, Steps, post
from anyserial.exceptions import SerialDisconnectedError

from anyserial_sync._bell import Bell
from anyserial_sync._timeouts import deadline_of, remaining, timed_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial_sync._turnstile import Turnstile

__all__ = ("POLL_GRACE", "perform", "wait_for")

POLL_GRACE = 0.01  # seconds for a call that cannot be polled, when the timeout is 0


def perform[T](port: OpenPort, steps: Steps[T], timeout: float | None, sending: "Turnstile | None" = None) -> T:
    """Carry out *steps* and return their result.

    Args:
        port: The port.
        steps: The operation; not begun yet.
        timeout: Seconds that it may take; 0 does what can be done without waiting, None has no limit.
        sending: The direction whose turn the operation takes; None if it takes none.

    Raises:
        TimeoutError: It took longer; what must be undone is undone.
        SerialError: The operation failed, or the port has ended.
    """
    deadline = deadline_of(timeout)
    lifecycle = port.lifecycle
    me = bell = Bell()
    engine = Engine(steps)
    run = _Run(port, engine, bell, deadline, polls=timeout == 0, sending=sending)
    try:
        try:
            if sending is None:
                lifecycle.enter(me, bell)
            else:
                run.take_turn(me)
            return run.go(me)
        finally:
            run.leave(me)
            lifecycle.calls.pop(me, None)
    except BaseException as exc:
        try:
            if engine.undo is not None or lifecycle.turns.get(SENDER) is me:
                run.leave(me)
        finally:
            lifecycle.calls.pop(me, None)
            if lifecycle.turns.get(SENDER) is me:
                lifecycle.turns.pop(SENDER, None)
            if lifecycle.ending is not None:
                lifecycle.post(lifecycle.closing.advance)
        steps.close()
        if isinstance(exc, SerialDisconnectedError):
            port.unplug(exc)
        raise


class _Run[T]:
    """One operation in progress, and what its calls hold."""

    __slots__ = ("_bell", "_cancel", "_changes", "_deadline", "_engine", "_job", "_polls", "_port", "_sending")

    def __init__(  # called from one place
        self,
        port: OpenPort,
        engine: Engine[T],
        bell: Bell,
        deadline: float | None,
        *,
        polls: bool,
        sending: "Turnstile | None",
    ) -> None:
        self._port = port
        self._engine = engine
        self._bell = bell
        self._deadline = deadline
        self._polls = polls
        self._sending = sending
        self._job: Job | None = None
        self._changes = False
        self._cancel: Callable[[], None] | None = None

    def take_turn(self, me: object) -> None:
        """Take the turn to send.

        Raises:
            BusyResourceError: Another call has it.
        """
        lifecycle, sending = self._port.lifecycle, self._sending
        assert sending is not None  # noqa: S101  # otherwise this is not called
        if lifecycle.turns.setdefault(SENDER, me) is not me:
            sending.refuse_entry()
        sending.bell = self._bell
        self._check(me)

    def go(self, me: object) -> T:
        """Carry out the steps."""
        engine = self._engine
        while (step := engine.next()) is not None:
            self._check(me)
            if isinstance(step, Call):
                self._call(step, me)
            else:
                begun = monotonic()
                self._pause(step, me)
                engine.result(monotonic() - begun)
        return engine.outcome()

    def _check(self, me: object) -> None:
        """Raise if the port has ended, or the operation was cancelled."""
        sending = self._sending
        if sending is None:
            self._port.check_open()
        elif sending.interrupted:
            sending.check(me)

    def _pause(self, seconds: float, me: object) -> None:
        until = monotonic() + seconds
        over = self._deadline is not None and self._deadline < until
        if over:
            until = self._deadline or 0.0
        while (left := until - monotonic()) > 0:
            self._bell.wait(left)
            self._check(me)
        if over:
            raise timed_out("the operation did not end", self._port.path)

    def _call(self, call: Call, me: object) -> None:
        lifecycle = self._port.lifecycle
        function, self._cancel = self._port.transport.on_worker(call.function)
        job = Job(function, self._bell.wake, guard=call.guard, skippable=True)
        job.afterwards.append(partial(lifecycle.leave, job))
        self._changes = call.changes
        self._job = job
        lifecycle.calls[job] = None
        post(job)
        deadline = monotonic() + POLL_GRACE if self._polls else self._deadline
        wait_for(job, self._bell, deadline, self._port.path, partial(self._check, me))
        error, job.error = job.error, None  # its traceback will lead to this job
        if error is not None:
            self._engine.error(error)
        else:
            self._engine.result(job.result)
        self._job = job

    def leave(self, me: object) -> None:
        """Give up an unfinished call, have a worker undo what must be undone, and leave. Can be repeated."""
        lifecycle, job, undo = self._port.lifecycle, self._job, self._engine.undo
        if job is not None and undo is not None:
            # Keeps the descriptor open until *undo* has run.
            lifecycle.calls[undo] = None
            job.give_up(self._port.transport.on_worker(undo)[0], partial(lifecycle.leave, undo), self._bell.wake)
            self._engine.undo = None
        elif job is not None and not job.finished:
            job.give_up()
        if job is not None and not job.finished and self._cancel is not None:
            self._cancel()
        if undo is not None:
            self._bell.wait_until(lambda: undo not in lifecycle.calls, GRACE)
        elif self._changes and job is not None and not job.finished:
            self._bell.wait_until(lambda: job.finished, GRACE)
        if self._sending is not None:
            self._sending.bell = None
            if lifecycle.turns.get(SENDER) is me:
                del lifecycle.turns[SENDER]
        if lifecycle.ending is not None:
            lifecycle.post(lifecycle.closing.advance)


def wait_for(job: Job, bell: Bell, deadline: float | None, path: str, check: "Callable[[], Any] | None" = None) -> None:
    """Wait until *job*, which rings *bell*, has finished.

    Raises:
        TimeoutError: It had not finished before *deadline*.
        SerialError: Raised by *check*, which is called whenever the bell rings for another reason.
    """
    while not job.finished:
        rang = bell.wait(remaining(deadline))
        if job.finished:
            return
        if check is not None:
            check()
        if not rang and deadline is not None and monotonic() >= deadline:
            raise timed_out("the operation did not end", path)
