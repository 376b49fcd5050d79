"""Calls that may block, on daemon threads of anyserial's own.

AnyIO's worker threads would not do: they are no daemons, so one stuck in a close
holds up the exit of the process, and an abandoned one keeps its limiter token, so
that forty stuck closes starve the application. Here a stuck call costs its thread
and nothing else.

Threads are kept for reuse only while somebody holds the pool (`hold`), which every open
port does; without a holder a thread ends as soon as its queue is empty. Nothing here
knows what is called, or in which event loop one waits for it.
"""

import os
from _thread import allocate_lock
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anyserial import _readiness

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator

__all__ = ("Job", "held", "hold", "new_event", "release", "run", "submit", "submit_alone")

IDLE_SECONDS = 5.0  # how long a thread without work waits for more while the pool is held


_threading: Any = None


def _the_threading() -> Any:
    global _threading  # noqa: PLW0603  # kept, since nothing can be imported while the interpreter exits
    if _threading is None:
        import threading  # noqa: PLC0415  # 3 M instructions that importing anyserial need not take

        _threading = threading
    return _threading


def new_event() -> "threading.Event":
    """Return a new event; also while the interpreter exits, once a port was open."""
    event: threading.Event = _the_threading().Event()
    return event


class _Pool:
    """The queue, and who waits on it."""

    def __init__(self) -> None:
        threads = _the_threading()
        self.thread = threads.Thread
        self.condition = threads.Condition(allocate_lock())
        self.jobs: deque[Callable[[], object]] = deque()
        self.idle = 0
        self.holders = 0

    def put(self, job: "Callable[[], object]") -> None:
        with self.condition:
            self.jobs.append(job)
            if self.idle >= len(self.jobs):
                self.condition.notify()
                return
        try:
            self.thread(target=self.work, name="anyserial-worker", daemon=True).start()
        except RuntimeError:
            # No more threads (the interpreter is shutting down): here, then, or it never happens.
            with self.condition:
                if job not in self.jobs:
                    return
                self.jobs.remove(job)
            job()

    def work(self) -> None:
        condition = self.condition
        while True:
            with condition:
                while not self.jobs:
                    if not self.holders:
                        return
                    self.idle += 1
                    woken = condition.wait(IDLE_SECONDS)
                    self.idle -= 1
                    if not woken and not self.jobs:
                        return
                job = self.jobs.popleft()
            job()
            del job  # or a waiting thread keeps what it ran, and a forgotten port is never collected


_pool: _Pool | None = None


def _the_pool() -> _Pool:
    global _pool  # noqa: PLW0603  # made with the first port, not with the first import
    if _pool is None:
        with _making_pool:
            if _pool is None:
                _pool = _Pool()
    return _pool


_making_pool = allocate_lock()


def _forget_threads() -> None:
    global _pool, _making_pool  # the parent's threads do not exist in a forked child
    _pool, _making_pool = None, allocate_lock()


os.register_at_fork(after_in_child=_forget_threads)


def hold() -> None:
    """Keep idle threads for reuse until `release`."""
    pool = _the_pool()
    with pool.condition:
        pool.holders += 1


def release() -> None:
    """Take back one `hold`; with the last, idle threads end."""
    pool = _the_pool()
    with pool.condition:
        # A child after fork starts from zero, whatever its ports held in the parent.
        pool.holders = max(pool.holders - 1, 0)
        if not pool.holders:
            pool.condition.notify_all()


@contextmanager
def held() -> "Generator[None]":
    """Keep idle threads for the length of a block."""
    hold()
    try:
        yield
    finally:
        release()


def submit(job: "Callable[[], object]") -> None:
    """Have *job* called on a thread, soon; it must not raise."""
    _the_pool().put(job)


def submit_alone(job: "Callable[[], object]") -> None:
    """Have *job* called on a thread of its own; it must not raise.

    For finalizers: the collector may run them inside the pool, whose lock `submit` would
    then wait for in vain.
    """
    try:
        _the_threading().Thread(target=job, name="anyserial-worker", daemon=True).start()
    except RuntimeError:
        job()  # as in `put`


class Job:
    """One call: run by a worker, waited for or abandoned by whoever submitted `run`.

    Args:
        function: What to call.
        notify: Called on the thread when it is over, unless it was abandoned before.
        abandoned: As `run`'s.
    """

    def __init__(
        self,
        function: "Callable[[], Any]",
        notify: "Callable[[], None]",
        abandoned: "Callable[[Any], object] | None",
    ) -> None:
        self._function: Callable[[], Any] | None = function
        self._notify = notify
        self._abandoned = abandoned
        self._lock = allocate_lock()
        self._is_abandoned = False
        self._done = False
        self._result: Any = None
        self._error: BaseException | None = None

    @property
    def finished(self) -> bool:
        """Whether the call is over, and `take` has its result."""
        return self._done

    def run(self) -> None:
        """Make the call, on the calling thread; for `submit`."""
        function, self._function = self._function, None
        assert function is not None  # noqa: S101  # a call runs once
        try:
            self._result = function()
        except BaseException as exc:  # noqa: BLE001  # carried to the task that waits
            self._error = exc
        del function
        with self._lock:
            self._done = True
            is_abandoned = self._is_abandoned
        if is_abandoned:
            self._clean_up()
        else:
            self._notify()

    def abandon(self) -> None:
        """Give up waiting; what came already is cleaned up on a thread too."""
        with self._lock:
            self._is_abandoned = True
            done = self._done
        if done:
            submit(self._clean_up)

    def _clean_up(self) -> None:
        if self._abandoned is not None:
            self._abandoned(self._result)

    def take(self) -> Any:
        """Return the result of a finished call, or raise its error; once."""
        error, self._error = self._error, None
        if error is None:
            return self._result
        try:
            raise error
        finally:
            del error  # a traceback refers to this frame, which would refer to the error


async def run[T](function: "Callable[[], T]", *, abandoned: "Callable[[T | None], object] | None" = None) -> T:
    """Call *function* on a thread and return what it returns.

    Args:
        function: What to call; its exceptions come through.
        abandoned: Called once, on a thread, when the call is over and its task was
            cancelled meanwhile: with the result, or None if there is none.

    Cancellation: raises at once; the call goes on by itself, and *abandoned* sees its
    end. Whether to begin at all in a cancelled task is the caller's to check.
    """
    signal = _readiness.signal()
    call = Job(function, signal.notify, abandoned)
    submit(call.run)
    try:
        await signal.wait()
    except BaseException:
        call.abandon()
        raise
    result: T = call.take()
    return result
