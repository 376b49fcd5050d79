"""Calls on threads: results, errors, cancellation, reuse, and a fork."""

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import NoReturn

import anyio
import anyio.lowlevel
import pytest
from anyserial import _offload
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


async def test_the_result_comes_from_another_thread() -> None:
    name, daemon = await _offload.run(lambda: (threading.current_thread().name, threading.current_thread().daemon))
    assert name == "anyserial-worker"
    assert daemon


@pytest.mark.parametrize("error", [ValueError("one"), OSError(5, "two"), KeyboardInterrupt("three")])
async def test_an_error_comes_through_and_is_not_kept(error: BaseException) -> None:
    def fail() -> NoReturn:
        raise error

    with pytest.raises(type(error)) as caught:
        await _offload.run(fail)
    assert caught.value is error


async def test_nothing_of_a_call_is_kept_by_an_idle_thread() -> None:
    class Result:
        pass

    with _offload.held():
        result = await _offload.run(Result)
        reference = weakref.ref(result)
        del result
        gc.collect()
        assert reference() is None


async def test_threads_are_reused_while_held() -> None:
    with _offload.held():
        first = await _offload.run(threading.get_ident)
        await until(lambda: _offload._the_pool().idle == 1)
        for _ in range(5):
            assert await _offload.run(threading.get_ident) == first
            await until(lambda: _offload._the_pool().idle == 1)
        assert len(workers()) == 1
    await until(no_workers)


async def test_calls_run_side_by_side() -> None:
    barrier = threading.Barrier(5)

    async def meet() -> None:
        await _offload.run(lambda: barrier.wait(5))

    with _offload.held(), anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(meet)


async def test_threads_go_after_the_last_holder() -> None:
    _offload.hold()
    _offload.hold()
    await _offload.run(int)
    await until(lambda: _offload._the_pool().idle == 1)
    _offload.release()
    assert workers()
    _offload.release()
    await until(no_workers)


async def test_an_idle_thread_goes_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_offload, "IDLE_SECONDS", 0.01)
    with _offload.held():
        await _offload.run(int)
        await until(no_workers)
        assert await _offload.run(lambda: 5) == 5


async def test_more_releases_than_holds_do_no_harm() -> None:
    _offload.release()
    with _offload.held():
        assert _offload._the_pool().holders == 1
    assert _offload._the_pool().holders == 0


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
                await _offload.run(work, abandoned=clean_up)

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
        await _offload.run(work, abandoned=seen.append)
    go.set()
    await until(lambda: seen)
    assert seen == [None]


async def test_a_call_without_a_clean_up_can_be_cancelled() -> None:
    go = threading.Event()
    with anyio.move_on_after(0.01) as scope:
        await _offload.run(lambda: go.wait(10))
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
        came.append(await _offload.run(work, abandoned=seen.append))

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
        await _offload.run(lambda: go.wait(10))
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
            await _offload.run(work, abandoned=seen.append)

    anyio.run(main, backend=anyio_backend[0], backend_options=anyio_backend[1])
    go.set()
    wait_for(lambda: seen)
    assert seen == [5]


def test_when_no_thread_can_be_started_the_job_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> NoReturn:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done: list[int] = []
    _offload.submit(lambda: done.append(threading.get_ident()))
    assert done == [threading.get_ident()]


def test_a_job_that_another_thread_took_meanwhile_is_not_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = _offload._Pool()
    done: list[int] = []

    def refuse(_thread: threading.Thread) -> NoReturn:
        pool.jobs.popleft()()
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    pool.put(lambda: done.append(1))
    assert done == [1]


def test_a_child_after_fork_has_threads_of_its_own() -> None:
    with _offload.held():
        anyio.run(_offload.run, int)
        wait_for(lambda: _offload._the_pool().idle == 1)
        readable, writable = os.pipe()
        pid = _fork()
        if pid == 0:
            status = 1
            try:
                done = threading.Event()
                _offload.submit(done.set)
                if done.wait(5) and _offload._the_pool().holders == 0:
                    _offload.release()
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
