"""Calls that may block, on daemon threads of anyserial's own.

Theory of operation. AnyIO's worker threads are not daemons, so a thread that is stuck in a driver's
close would hold up the exit of the process. An abandoned call also keeps its limiter token, so forty
stuck closes would starve the application. Here a stuck call costs its thread and nothing else.

The queue is a `queue.SimpleQueue`, whose `put` is one call of C. A signal handler or a finalizer may
call it, also in the middle of another `put`, and Ctrl-C, a RecursionError or a MemoryError cannot leave
it half done. So whatever must happen in any case (a close, the release of a break) is put here, and the
interrupted code has nothing else to do.

A thread that takes a job first makes sure that another thread waits for the next job. So threads start
threads, which run no signal handlers, and while the pool is held there is always one in hand. If the
system gives no more threads, the one in hand makes the calls that close a port and refuses all others.
A thread that runs out of memory tries its job again, so it must be possible to call a job twice.
Once the pool is not held any more, the threads end after a few milliseconds, in case another port is
opened meanwhile. The pool refers to its holders weakly. When one dies without having let go, the interpreter
itself strikes it off, so that no finalizer has to run. That wakes no thread, since the interpreter may be
about to end; the idle threads notice after IDLE_SECONDS at the latest.

A thread that has not run yet when the interpreter ends crashes the process: CPython frees the thread's state
first (seen with 3.13.0). So from `atexit` on the threads that are there make all calls, and the interpreter's
exit waits for those that are being started.

What is called, and how callers wait for it, is not known here.
"""

import atexit
import os
from _thread import get_ident, start_new_thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from weakref import ref

from anyserial.exceptions import SerialError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ("Job", "held", "hold", "post", "poster", "release", "start")

EXIT_PATIENCE = 1.0  # seconds that the interpreter's exit waits for threads that are being started
IDLE_SECONDS = 5.0  # how long a thread waits for more work while another one is in hand
MOST_ATTEMPTS = 100  # to make a call that may have failed only because memory was short
RETRY_SECONDS = 0.01  # between two of them
LINGER_SECONDS = 0.005  # the same while the pool is not held: ports are often opened one after another


class Job:
    """One call for a worker to make.

    A caller that waits for it may give up at any time. The call then goes on by itself, and the functions in
    `afterwards` are called when it is over. Everything here is one atomic step, so a signal handler,
    another thread or an interruption finds either all of it or nothing.

    Args:
        function: What to call.
        notify: Called on the worker when it is over.
        essential: Whether the call may use the last thread in hand, as a close or an undoing may.
        skippable: Whether the call need not be made once its caller has given up.
        guard: A lock to hold meanwhile. Only workers take it, and signals do not interrupt them.

    Attributes:
        finished: Whether the call is over, and `take` has its result.
        unwanted: Set by a caller that gives up. A skippable call that has not begun by then is not made.
        afterwards: Functions that `finish_up` calls after it.
        result: What it returned.
        error: What it raised.
    """

    __slots__ = (
        "_functions",
        "_guard",
        "_is_skippable",
        "_notify",
        "afterwards",
        "error",
        "essential",
        "finished",
        "result",
        "unwanted",
    )

    def __init__(
        self,
        function: "Callable[[], Any]",
        notify: "Callable[[], object] | None" = None,
        *,
        essential: bool = False,
        skippable: bool = False,
        guard: "AbstractContextManager[Any] | None" = None,
    ) -> None:
        self._functions = [function]
        self._notify = notify
        self._guard = guard
        self._is_skippable = skippable
        self.essential: bool = essential
        self.finished: bool = False
        self.unwanted: bool = False
        self.afterwards: list[Callable[[], object]] = []
        self.result: Any = None
        self.error: BaseException | None = None

    def __call__(self) -> None:
        """Make the call, for the worker that takes the job. A second time it only tells again that the call is over."""
        try:
            function = self._functions.pop()
        except IndexError:
            if self.finished:
                self._finish()
            return
        try:
            if self._guard is not None:
                with self._guard:
                    self._call(function)
            else:
                self._call(function)
        except BaseException as exc:  # noqa: BLE001  # carried to the caller that waits
            self.error = exc
        del function
        self.finished = True  # here too, because memory may be too short for the next call
        self._finish()

    def _call(self, function: "Callable[[], Any]") -> None:
        if not (self.unwanted and self._is_skippable):
            self.result = function()

    def refuse(self) -> None:
        """Fail, because the system gives no thread for the call."""
        from errno import EAGAIN  # noqa: PLC0415  # for errors only

        self.error = SerialError(
            EAGAIN,
            "the system gives this process no more threads (RLIMIT_NPROC, or a cgroup's pids.max),"
            " and this call may block: raise that limit, or run fewer threads",
        )
        self._functions.clear()
        self._finish()

    def _finish(self) -> None:
        self.finished = True
        self.finish_up()
        if self._notify is not None:
            self._notify()

    def finish_up(self) -> None:
        """Call the functions in `afterwards`, each once."""
        while self.afterwards:
            try:
                call = self.afterwards.pop(0)
            except IndexError:  # another thread has taken it
                return
            # Not `suppress`, which takes ten times as long: every open and close comes here.
            try:  # noqa: SIM105
                call()
            except Exception:  # noqa: BLE001, S110  # no caller is left to raise to
                pass

    def give_up(self, *afterwards: "Callable[[], object]") -> None:
        """Stop waiting, and have a worker call *afterwards* once the call is over.

        A job that was not posted yet is posted, and ends without the call. A second `give_up` adds *afterwards*
        again.
        """
        self.unwanted = True
        self.afterwards.extend(afterwards)
        post(self.finish_up if self.finished else self)

    def take(self) -> Any:
        """Return the result of a finished call, or raise its error; once."""
        error, self.error = self.error, None
        if error is None:
            return self.result
        try:
            raise error
        finally:
            del error  # a traceback refers to this frame, which would refer to the error


class _Pool:
    """The queue, and the threads that wait on it."""

    def __init__(self) -> None:
        # Imported with the first port: not at import time, which would be slow, and not at exit, when it would fail.
        # Not from `_queue`, which gevent and eventlet do not replace: its queue would stop all their threads.
        from queue import Empty, SimpleQueue  # noqa: PLC0415
        from threading import Thread  # noqa: PLC0415

        self.jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self.empty = Empty
        self.thread = Thread
        self.holders: set[object] = set()  # references
        # Collections instead of counters, because adding and removing are atomic and += is not.
        self.alive: set[int] = set()
        self.idle: list[int] = []
        self.coming: list[bool] = []  # threads that were started and do not wait yet
        self.begun: list[bool] = []  # threads that were started by `start` and do not run yet

    def start(self, function: "Callable[[], object]") -> None:
        """Call *function* on a new thread.

        The thread starts in one step of C: the caller may be interrupted, and may be a signal handler.

        Raises:
            RuntimeError: The system gives no more threads, or the interpreter is shutting down.
        """
        self.begun.append(True)
        try:
            start_new_thread(self._arrive, (function,))
        except RuntimeError:
            del self.begun[:1]
            raise
        if _exiting:
            self.let_starts_finish()

    def _arrive(self, function: "Callable[[], object]") -> None:
        del self.begun[:1]
        function()

    def let_starts_finish(self) -> None:
        """Wait until every thread that was started runs, for at most EXIT_PATIENCE."""
        give_up = monotonic() + EXIT_PATIENCE
        while (self.begun or self.coming) and monotonic() < give_up:
            sleep(0.0005)

    def bootstrap(self) -> None:
        """Become the first thread, or start it under its name."""
        if not self.follow():
            self.work()

    def work(self) -> None:
        me = get_ident()
        self.alive.add(me)
        job: Callable[[], object] | None = None
        attempts = 0
        while True:
            try:
                if job is None:
                    job = self._next_job(me)
                if job is not None:  # otherwise the pool is not held any more
                    self._make(job)
            except self.empty:
                if job is None and self._may_end(me):
                    return
            except MemoryError:
                # Neither the thread nor the job may be lost: a port would stay open.
                attempts += 1
                if attempts < MOST_ATTEMPTS:
                    sleep(RETRY_SECONDS)
                    continue
            except Exception:  # noqa: BLE001, S110  # a job keeps its error itself
                pass
            job = None  # a waiting thread would keep it alive, and a forgotten port would never be collected
            attempts = 0

    def _may_end(self, me: int) -> bool:
        """Return whether this thread, for which there was no job for a while, is not needed any more."""
        if self.holders and not self.idle:
            return False  # this is the thread in hand
        self.alive.discard(me)
        # Checked after the discard; `hold` adds its holder before it checks `alive`. So one sees the other.
        if self.jobs.empty() and (self.alive or not self.holders):
            if not self.holders:
                for _ in range(len(self.idle)):
                    self.jobs.put(None)
            return True
        self.alive.add(me)
        return False

    def _make(self, job: "Callable[[], object]") -> None:
        is_last = not self.idle and not self.coming and not self.follow()
        if is_last and not _exiting and isinstance(job, Job) and not job.essential:
            job.refuse()
        else:
            job()

    def strike_off(self, holder: object) -> None:
        """Forget a holder. With the last one, a thread begins to wait for the last time (see `_may_end`)."""
        self.holders.discard(holder)
        if not self.holders and get_ident() not in self.alive:  # otherwise the thread that calls this does it
            self.jobs.put(None)

    def _next_job(self, me: int) -> "Callable[[], object] | None":
        self.idle.append(me)
        del self.coming[:1]
        try:
            return self.jobs.get(timeout=IDLE_SECONDS if self.holders else LINGER_SECONDS)
        finally:
            self.idle.pop()

    def follow(self) -> bool:
        """Start another thread to wait for the next job.

        Returns:
            False if the system gives none, or the interpreter is about to end.
        """
        self.coming.append(True)  # before `_exiting` is read, which is set before `coming` is waited for
        try:
            if not _exiting:
                self.thread(target=self.work, name="anyserial-worker", daemon=True).start()
                return True
        except (RuntimeError, MemoryError):
            pass
        del self.coming[:1]
        return False


_pool: _Pool | None = None


def _the_pool() -> _Pool:
    global _pool  # noqa: PLW0603  # made with the first port, not with the first import
    pool = _pool
    if pool is None:
        # Two threads may make one each; both use the one that is entered first.
        pool = _pools.setdefault("", _Pool())
        _pool = pool
    return pool


_pools: dict[str, _Pool] = {}
_exiting: list[bool] = []  # not empty once the interpreter is about to end


def _forget_threads() -> None:
    global _pool, _pools  # the parent's threads do not exist in a forked child
    _pool, _pools = None, {}


def _let_starts_finish() -> None:
    _exiting.append(True)
    if _pool is not None:
        _pool.let_starts_finish()


os.register_at_fork(after_in_child=_forget_threads)
atexit.register(_let_starts_finish)


def hold(holder: object) -> None:
    """Keep a thread in hand until `release` is called with the same *holder*, or *holder* is gone.

    Raises:
        SerialError: There is no thread, and the system gives none.
    """
    pool = _the_pool()
    holding = ref(holder, pool.holders.discard)
    pool.holders.add(holding)
    if not pool.alive:
        try:
            pool.start(pool.bootstrap)
        except RuntimeError as exc:
            if not pool.alive:
                from errno import EAGAIN  # noqa: PLC0415  # for errors only

                pool.holders.discard(holding)
                raise SerialError(
                    EAGAIN,
                    f"anyserial needs one thread for calls that may block, and the system gives none ({exc})",
                ) from exc


def release(holder: object) -> None:
    """Undo `hold`; a second time it does nothing."""
    _the_pool().strike_off(ref(holder))


class held:  # noqa: N801  # used as a function
    """Keep a thread in hand for the length of a block, or from `take` to `release`.

    It ends with this object at the latest, since an interruption may come before or after either of them.
    """

    __slots__ = ("__weakref__",)

    def take(self) -> None:
        """Begin.

        Raises:
            SerialError: The system gives no thread, and none is there.
        """
        hold(self)

    def release(self) -> None:
        """End; a second time it does nothing."""
        release(self)

    __enter__ = take

    def __exit__(self, *exc_info: object) -> None:
        release(self)


def post(job: "Callable[[], object]") -> None:
    """Have a worker call *job* soon. The caller must hold the pool until it is done."""
    _the_pool().jobs.put(job)


def poster() -> "Callable[[Callable[[], object]], None]":
    """Return a function that does what `post` does, in one call of C, for this process."""
    return _the_pool().jobs.put


def start(function: "Callable[[], object]") -> None:
    """Call *function* on a new thread. For a call that may wait as long as a program's event loop likes.

    Raises:
        RuntimeError: The system gives no more threads, or the interpreter is shutting down.
    """
    _the_pool().start(function)
