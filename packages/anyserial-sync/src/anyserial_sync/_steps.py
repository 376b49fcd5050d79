"""Carrying out the steps of an operation in the caller's own thread.

A pause is a wait that the port can end. A call is made where the caller stands, so that
nothing but the call itself is paid for; with a timeout to keep, or if the call may last
as long as the device likes, it is made on one of anyserial's daemon threads instead,
and the caller waits for that.

Not here: what the steps are (`anyserial._port`), and what ends a wait (`_base`).
"""

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from anyserial import _offload
from anyserial._port import Call, Steps
from anyserial.exceptions import SerialError

from anyserial_sync._timeouts import remaining, timed_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._closing import Leases

    from anyserial_sync._portal import Portal

__all__ = ("POLL_GRACE", "Follower", "wait_for")

POLL_GRACE = 0.01  # seconds that a call which cannot be polled gets when the timeout is 0


class Follower:
    """Carries out one operation.

    Args:
        path: The port's path, for messages.
        leases: What keeps the backend open; one is held by the caller.
        deadline: When the operation has to be over, by `time.monotonic`; None for never.
        polls: Whether the timeout is 0: do what can be done without waiting.
        check: Raises if the operation was interrupted meanwhile.
        portal: Where the calls are awaited, if the backend has no descriptor.
    """

    def __init__(
        self,
        path: str,
        leases: "Leases",
        deadline: float | None,
        *,
        polls: bool,
        check: "Callable[[], None]",
        portal: "Portal | None" = None,
    ) -> None:
        self._portal = portal
        self._path = path
        self._leases = leases
        self._deadline = deadline
        self._polls = polls
        self._check = check
        self._ending = False
        self.sleeper = threading.Event()

    def follow[T](self, steps: Steps[T]) -> T:
        """Carry out *steps* and return their result.

        Raises:
            TimeoutError: The deadline came first; what the steps clean up was cleaned up.
        """
        resume: Callable[[Any], float | Call] = steps.send
        value: Any = None
        while True:
            try:
                step = resume(value)
            except StopIteration as stop:
                result: T = stop.value
                return result
            taken = False
            try:
                value = self._take(step)
                taken = True
                if not self._ending:
                    self._check()
            except BaseException as exc:  # noqa: BLE001  # the steps decide: some carry on after an error
                # What cleans up after a timeout, an interruption or Ctrl-C is not cut short by them.
                self._ending = self._ending or not isinstance(exc, SerialError) or self._is_interrupted()
                if taken and isinstance(step, Call):
                    self._undo(step)  # for the steps it has failed
                resume, value = steps.throw, exc
            else:
                resume = steps.send

    def _undo(self, call: Call) -> None:
        if call.undo is not None:
            with suppress(SerialError):  # what interrupted it says more
                if self._portal is None:
                    call.undo()
                else:
                    self._portal.finish(call.undo)

    def _is_interrupted(self) -> bool:
        try:
            self._check()
        except SerialError:
            return True
        return False

    def _take(self, step: float | Call) -> Any:
        if not isinstance(step, Call):
            if not self._ending:
                self._pause(step)
            return None
        if self._portal is not None:
            return self._call_in_portal(self._portal, step)
        if self._ending:
            return step.function()
        if step.slow or (self._deadline is not None and not self._polls):
            return self._call_on_thread(step)
        return self._call_here(step)

    def _pause(self, seconds: float) -> None:
        left = remaining(self._deadline)
        over = left is not None and left < seconds
        self.sleeper.clear()
        self._check()  # after the clear: whatever sets the sleeper makes this raise first
        self.sleeper.wait(left if over else seconds)
        self._check()
        if over:
            raise timed_out("the operation did not end", self._path)

    def _call_here(self, call: Call) -> Any:
        try:
            return call.function()
        except BaseException as exc:
            if not isinstance(exc, Exception):
                self._undo(call)
            raise

    def _call_in_portal(self, portal: "Portal", call: Call) -> Any:
        if self._ending:
            return portal.finish(call.function)
        failed = True

        async def function() -> Any:
            nonlocal failed
            try:
                return await call.function()
            except Exception:
                failed = False  # by itself: there is nothing to undo
                raise

        try:
            left = remaining(self._deadline)
            return portal.run(function, self.sleeper, timeout=left, path=self._path, check=self._check)
        except BaseException:
            if failed:
                self._undo(call)
            raise

    def _call_on_thread(self, call: Call) -> Any:
        leases, undo = self._leases, call.undo
        leases.extend()

        def abandoned(_result: Any) -> None:
            try:
                if undo is not None:
                    undo()
            except SerialError:
                pass  # nobody is left to tell
            finally:
                leases.release()

        job = _offload.Job(call.function, self.sleeper.set, abandoned)
        left = POLL_GRACE if self._polls else remaining(self._deadline)
        try:
            _offload.submit(job.run)
            wait_for(job, self.sleeper, left, self._path, self._check)
        except BaseException:
            job.abandon()
            raise
        try:
            return job.take()
        finally:
            leases.release()


class _Job(Protocol):
    @property
    def finished(self) -> bool: ...


def wait_for(
    job: _Job,
    sleeper: threading.Event,
    timeout: float | None,
    path: str,
    check: "Callable[[], None] | None" = None,
) -> None:
    """Wait until *job*, which sets *sleeper*, has finished.

    Raises:
        TimeoutError: It did not within *timeout* seconds.
        SerialError: *check* raised it; it is called whenever something else sets *sleeper*.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while not job.finished:
        woken = sleeper.wait(remaining(deadline))
        sleeper.clear()
        if job.finished:
            return
        if check is not None:
            check()
        if not woken:
            raise timed_out("the operation did not end", path)
