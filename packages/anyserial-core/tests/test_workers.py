"""Calls on threads: results, errors, cancellation, reuse, and a fork."""

import _thread
import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import NoReturn

import anyio
import anyio.lowlevel
import pytest
from anyserial import _workers
from anyserial._runner import run_on_worker
from anyserial._workers import Job
from anyserial.exceptions import SerialError
from backends import until

pytestmark = pytest.mark.anyio


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "anyserial-worker"]


def no_workers() -> bool:
    return not workers()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    """Before and after each test: without a holder the threads end by themselves."""
    wait_for(no_workers)
    yield
    wait_for(no_workers)


class Holder:
    """What a pool can be held by."""


async def test_the_result_comes_from_another_thread() -> None:
    name, daemon = await run_on_worker(lambda: (threading.current_thread().name, threading.current_thread().daemon))
    assert name == "anyserial-worker"
    assert daemon


@pytest.mark.parametrize("error", [ValueError("one"), OSError(5, "two"), KeyboardInterrupt("three")])
async def test_an_error_comes_through_and_is_not_kept(error: BaseException) -> None:
    def fail() -> NoReturn:
        raise error

    with pytest.raises(type(error)) as caught:
        await run_on_worker(fail)
    assert caught.value is error


async def test_nothing_of_a_call_is_kept_by_an_idle_thread() -> None:
    class Result:
        pass

    with _workers.held():
        result = await run_on_worker(Result)
        reference = weakref.ref(result)
        del result
        gc.collect()
        assert reference() is None


async def test_threads_are_reused_and_one_more_is_in_hand() -> None:
    with _workers.held():
        for _ in range(20):
            await run_on_worker(threading.get_ident)
            # A thread may be on its way back to the queue when its caller hears of the result.
            await until(lambda: len(_workers._the_pool().idle) == len(workers()))
        assert len(workers()) <= 3  # one that works, one in hand, one that was just being started
    await until(no_workers)


async def test_calls_run_side_by_side() -> None:
    barrier = threading.Barrier(5)

    async def meet() -> None:
        await run_on_worker(lambda: barrier.wait(5))

    with _workers.held(), anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(meet)


async def test_threads_go_after_the_last_holder() -> None:
    one, other = Holder(), Holder()
    _workers.hold(one)
    _workers.hold(other)
    await run_on_worker(int)
    await until(lambda: _workers._the_pool().idle)
    _workers.release(one)
    assert workers()
    _workers.release(other)
    await until(no_workers)


@pytest.mark.parametrize("place", ["on a worker", "elsewhere"])
async def test_all_idle_threads_go_after_the_last_holder(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr(_workers, "IDLE_SECONDS", 60)
    barrier = threading.Barrier(4)
    holder = Holder()
    _workers.hold(holder)
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(run_on_worker, lambda: barrier.wait(5))
    await until(lambda: len(_workers._the_pool().idle) == len(workers()) >= 4)
    if place == "on a worker":
        _workers.post(partial(_workers.release, holder))
    else:
        _workers.release(holder)
    await until(no_workers)


def test_the_last_release_wakes_one_thread_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is woken for nothing competes for the GIL with the close that has released."""
    monkeypatch.setattr(_workers, "LINGER_SECONDS", 0.2)
    barrier = threading.Barrier(3)
    over = threading.Event()
    holder = Holder()
    _workers.hold(holder)
    pool = _workers._the_pool()
    for _ in range(2):
        _workers.post(lambda: barrier.wait(5))
    barrier.wait(5)
    wait_for(lambda: len(pool.idle) == len(workers()) >= 2)
    woken: list[object] = []
    wake = pool.jobs.put
    monkeypatch.setattr(pool, "jobs", SimpleNamespace(put=woken.append, get=pool.jobs.get, empty=pool.jobs.empty))

    def release() -> None:
        _workers.release(holder)
        over.set()

    wake(release)
    assert over.wait(5)
    assert woken == []
    monkeypatch.undo()
    wake(None)


async def test_a_holder_that_is_forgotten_holds_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_workers, "IDLE_SECONDS", 0.01)
    holder = Holder()
    _workers.hold(holder)
    await run_on_worker(int)
    await until(lambda: _workers._the_pool().idle)
    del holder
    await until(no_workers)
    assert not _workers._the_pool().holders


async def test_idle_threads_go_after_a_while_but_for_the_one_in_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_workers, "IDLE_SECONDS", 0.01)
    barrier = threading.Barrier(4)
    with _workers.held():
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(run_on_worker, lambda: barrier.wait(5))
        await until(lambda: len(workers()) == 1)
        assert await run_on_worker(lambda: 5) == 5


async def test_more_releases_than_holds_do_no_harm() -> None:
    holder = Holder()
    _workers.release(holder)
    with _workers.held():
        assert len(_workers._the_pool().holders) == 1
    assert not _workers._the_pool().holders


async def test_a_stuck_call_does_not_hold_up_the_next() -> None:
    go = threading.Event()
    with _workers.held(), anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(run_on_worker, lambda: go.wait(10))
            assert await run_on_worker(lambda: 5) == 5
            go.set()


async def test_a_cancelled_call_goes_on_and_is_cleaned_up_after() -> None:
    go = threading.Event()
    entered = threading.Event()
    seen: list[tuple[int | None, str]] = []

    def work() -> int:
        entered.set()
        assert go.wait(10)
        return 5

    def clean_up(result: int | None) -> None:
        seen.append((result, threading.current_thread().name))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:

            async def call() -> None:
                await run_on_worker(work, abandoned=clean_up)

            group.start_soon(call)
            await until(entered.is_set)
            group.cancel_scope.cancel()
    assert seen == []
    go.set()
    await until(lambda: seen)
    assert seen == [(5, "anyserial-worker")]


async def test_a_cancelled_call_that_fails_is_cleaned_up_too() -> None:
    go = threading.Event()
    seen: list[object] = []

    def work() -> NoReturn:
        assert go.wait(10)
        raise ValueError

    with anyio.move_on_after(0.01):
        await run_on_worker(work, abandoned=seen.append)
    go.set()
    await until(lambda: seen)
    assert seen == [None]


async def test_a_call_without_a_clean_up_can_be_cancelled() -> None:
    go = threading.Event()
    with anyio.move_on_after(0.01) as scope:
        await run_on_worker(lambda: go.wait(10))
    assert scope.cancelled_caught
    go.set()


async def test_a_call_over_before_its_task_learns_of_the_cancellation_is_cleaned_up() -> None:
    seen: list[int | None] = []
    came: list[int | None] = []
    over = threading.Event()
    submitted = 0

    def work() -> int:
        over.set()
        return 5

    async def call() -> None:
        nonlocal submitted
        submitted += 1
        came.append(await run_on_worker(work, abandoned=seen.append))

    for number in range(1, 21):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(call)
                while submitted < number:
                    await anyio.lowlevel.checkpoint()
                # The event loop stands still, so that its task can hardly have heard of the end.
                assert over.wait(5)
                scope.cancel()
        over.clear()
    await until(no_workers)
    assert seen
    assert seen + came == [5] * 20


async def test_the_loop_goes_on_meanwhile() -> None:
    go = threading.Event()
    done = False

    async def call() -> None:
        nonlocal done
        await run_on_worker(lambda: go.wait(10))
        done = True

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(call)
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            assert not done
            go.set()


def test_a_call_whose_loop_is_gone_is_cleaned_up(anyio_backend: tuple[str, dict[str, object]]) -> None:
    go = threading.Event()
    seen: list[int | None] = []

    def work() -> int:
        assert go.wait(10)
        return 5

    async def main() -> None:
        with anyio.move_on_after(0.01):
            await run_on_worker(work, abandoned=seen.append)

    anyio.run(main, backend=anyio_backend[0], backend_options=anyio_backend[1])
    go.set()
    wait_for(lambda: seen)
    assert seen == [5]


@pytest.fixture
def no_more_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread in hand, and the system gives no other."""

    def refuse(_thread: threading.Thread) -> NoReturn:
        raise RuntimeError("can't start new thread")

    with _workers.held():
        wait_for(lambda: _workers._the_pool().idle)
        monkeypatch.setattr(threading.Thread, "start", refuse)
        yield
        monkeypatch.undo()


@pytest.mark.usefixtures("no_more_threads")
async def test_without_more_threads_a_call_is_refused() -> None:
    with pytest.raises(SerialError, match="no more threads"):
        await run_on_worker(int)


@pytest.mark.usefixtures("no_more_threads")
def test_the_thread_in_hand_closes() -> None:
    done: list[str] = []
    over = threading.Event()
    _workers.post(lambda: done.append(threading.current_thread().name))
    _workers.post(Job(lambda: done.append("essential"), over.set, essential=True))
    assert over.wait(5)
    assert done == ["anyserial-worker", "essential"]


def test_a_pool_that_gets_no_thread_at_all_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_function: object, _arguments: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_workers, "start_new_thread", refuse)
    with pytest.raises(SerialError, match="system gives none"):
        _workers.hold(Holder())
    assert not _workers._the_pool().holders


def test_a_pool_whose_next_thread_finds_no_memory_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> NoReturn:
        raise MemoryError

    over, later = threading.Event(), threading.Event()
    with _workers.held():
        wait_for(lambda: _workers._the_pool().idle)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            _workers.post(Job(int, over.set, essential=True))
            assert over.wait(5)
        _workers.post(Job(int, later.set))
        assert later.wait(5)
        wait_for(lambda: len(workers()) == 2)  # one is started again with the next job


def test_a_job_that_finds_no_memory_is_tried_again() -> None:
    attempts: list[int] = []

    def job() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise MemoryError

    with _workers.held():
        _workers.post(job)
        wait_for(lambda: len(attempts) == 3)


def test_a_job_that_never_finds_memory_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_workers, "RETRY_SECONDS", 0)
    attempts: list[int] = []
    done = threading.Event()

    def job() -> NoReturn:
        attempts.append(1)
        raise MemoryError

    with _workers.held():
        _workers.post(job)
        _workers.post(done.set)
        assert done.wait(5)
        wait_for(lambda: len(attempts) == _workers.MOST_ATTEMPTS)


def test_a_caller_learns_of_the_end_of_a_job_though_telling_it_found_no_memory() -> None:
    told: list[int] = []

    def tell() -> None:
        told.append(1)
        if len(told) == 1:
            raise MemoryError

    job = Job(lambda: "result", tell)
    with _workers.held():
        _workers.post(job)
        wait_for(lambda: len(told) == 2)
    assert job.take() == "result"


def test_exit_waits_for_threads_that_are_being_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython frees the state of a thread that has not run yet, which then crashes the process."""
    let_go, exiting = threading.Event(), threading.Event()
    seen: list[int] = []

    def late(function: Callable[..., object], arguments: tuple[object, ...]) -> int:
        def run() -> None:
            let_go.wait(5)
            seen.append(len(_workers._the_pool().begun))
            function(*arguments)

        return _thread.start_new_thread(run, ())

    def leave() -> None:
        exiting.set()
        _workers._let_starts_finish()
        seen.append(len(_workers._the_pool().begun))

    monkeypatch.setattr(_workers, "_exiting", [])
    with monkeypatch.context() as patch:
        patch.setattr(_workers, "start_new_thread", late)
        holder = Holder()
        _workers.hold(holder)
    main = threading.Thread(target=leave)
    main.start()
    assert exiting.wait(5)
    let_go.set()
    main.join(5)
    assert seen == [1, 0]
    _workers.release(holder)


def test_exit_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_workers, "_exiting", [])
    monkeypatch.setattr(_workers, "EXIT_PATIENCE", 0.01)
    pool = _workers._the_pool()
    pool.begun.append(True)
    _workers._let_starts_finish()
    assert pool.begun.pop()


def test_at_exit_the_threads_that_are_there_make_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    made: list[int] = []
    with _workers.held():
        wait_for(lambda: _workers._the_pool().idle)
        before = set(workers())
        monkeypatch.setattr(_workers, "_exiting", [True])
        for number in range(5):
            _workers.post(Job(partial(made.append, number)))
        _workers.post(over.set)
        assert over.wait(5)
        assert set(workers()) <= before
        monkeypatch.undo()
    assert made == [0, 1, 2, 3, 4]


def test_a_job_runs_once_however_often_it_is_posted() -> None:
    done: list[int] = []
    over = threading.Event()
    job = Job(lambda: done.append(1), over.set)
    with _workers.held():
        for _ in range(5):
            _workers.post(job)
        assert over.wait(5)
        last = threading.Event()
        _workers.post(last.set)
        assert last.wait(5)
    assert done == [1]


def test_a_job_given_up_before_it_began_is_not_done_but_followed_up() -> None:
    done: list[str] = []
    over = threading.Event()
    job = Job(lambda: done.append("call"), skippable=True)
    with _workers.held():
        job.give_up(lambda: done.append("undo"), over.set)
        assert over.wait(5)
    assert done == ["undo"]


def test_a_job_given_up_after_its_end_is_followed_up() -> None:
    over = threading.Event()
    job = Job(int)
    job()
    with _workers.held():
        job.give_up(over.set)
        assert over.wait(5)


def test_a_child_after_fork_has_threads_of_its_own() -> None:
    with _workers.held():
        anyio.run(run_on_worker, int)
        wait_for(lambda: _workers._the_pool().idle)
        readable, writable = os.pipe()
        pid = _fork()
        if pid == 0:
            status = 1
            try:
                done = threading.Event()
                _workers.hold(done)
                _workers.post(done.set)
                if done.wait(5) and _workers._the_pool().holders == {weakref.ref(done)}:
                    _workers.release(done)
                    os.write(writable, b"done")
                    status = 0
            finally:
                os._exit(status)
        os.close(writable)
        try:
            assert os.read(readable, 16) == b"done"
        finally:
            os.close(readable)
            assert os.waitpid(pid, 0)[1] == 0


def _fork() -> int:
    import warnings  # noqa: PLC0415  # Python warns of a fork while threads run; that is what is tried here

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
