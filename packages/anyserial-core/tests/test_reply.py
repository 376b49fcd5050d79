"""A worker's reply: taken at once by a thread that stands still briefly, or waited for in the event loop."""

import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

import anyio
import anyio.lowlevel
import pytest
import trio
from anyserial import _async_opening, _readiness, open_serial_port
from anyserial._readiness import Reply
from backends import Far, PtyBackend

pytestmark = pytest.mark.anyio


def on_a_thread(call: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=call)
    thread.start()
    return thread


async def test_a_reply_that_is_there_is_taken() -> None:
    reply = Reply()
    reply.notify()
    assert reply.comes_at_once()


async def test_a_reply_that_comes_soon_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_readiness, "BRIEFLY", 5.0)
    reply = Reply()
    thread = on_a_thread(reply.notify)
    assert reply.comes_at_once()
    thread.join()


async def test_the_thread_stands_still_for_less_than_a_millisecond() -> None:
    reply = Reply()
    took: list[float] = []
    for _ in range(50):
        begun = time.perf_counter()
        assert not reply.comes_at_once()
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.001


async def test_a_thread_does_not_stand_still_while_another_worker_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_readiness, "BRIEFLY", 60.0)
    _readiness.awaited.add(test_a_late_reply_wakes_the_task)
    try:
        reply = Reply()
        assert not reply.comes_at_once()
        reply.notify()
        assert reply.comes_at_once()
    finally:
        _readiness.awaited.discard(test_a_late_reply_wakes_the_task)


async def test_a_late_reply_wakes_the_task() -> None:
    reply = Reply()
    assert not reply.comes_at_once()
    signal = reply.expect()
    thread = on_a_thread(reply.notify)
    with anyio.fail_after(5):
        await signal.wait()
    thread.join()


async def test_a_reply_between_the_two_waits_is_not_lost() -> None:
    reply = Reply()
    assert not reply.comes_at_once()
    reply.notify()
    with anyio.fail_after(5):
        await reply.expect().wait()


async def test_a_wait_with_a_limit_ends_and_can_be_repeated() -> None:
    reply = Reply()
    with anyio.fail_after(5):
        await reply.expect().wait_at_most(0.001)
        signal = reply.expect()
        thread = on_a_thread(reply.notify)
        await signal.wait_at_most(60)
    thread.join()


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> PtyBackend:
    backend = PtyBackend()
    part = ModuleType("anyserial_posix")
    part.create_backend = lambda: backend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "anyserial_posix", part)
    monkeypatch.setitem(sys.modules, "anyserial_discovery", None)
    return backend


@pytest.mark.usefixtures("driver")
async def test_a_quick_driver_s_open_and_close_do_without_the_event_loop(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_serial_port(far.path):  # the first one imports
        pass

    def refuse() -> NoReturn:
        raise AssertionError("the event loop was asked to wake the task")

    monkeypatch.setattr(_readiness, "BRIEFLY", 5.0)
    monkeypatch.setattr(_readiness, "signal", refuse)
    port = await open_serial_port(far.path)
    await port.aclose()


@pytest.mark.usefixtures("driver")
async def test_other_tasks_run_beside_quick_opens_and_closes(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_readiness, "BRIEFLY", 5.0)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        for _ in range(10):
            port = await open_serial_port(far.path)
            await port.aclose()
        assert turns >= 10
        group.cancel_scope.cancel()


async def test_a_driver_that_takes_longer_does_not_hold_up_the_loop(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_async_opening, "_first_time", [])
    go = threading.Event()
    backend = PtyBackend()
    backend.hooks = {"open": lambda: go.wait(20), "close": lambda: go.wait(20)}
    ports: list[Any] = []

    async def open_port() -> None:
        ports.append(await open_serial_port(far.path, backend=backend))

    async def close_port() -> None:
        await ports[0].aclose()

    for call in (open_port, close_port):
        go.clear()
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(call)
                for _ in range(10):
                    await anyio.lowlevel.checkpoint()
                go.set()


@pytest.mark.parametrize("asked", ["in a task", "in a callback"])
async def test_the_event_loop_is_the_one_that_anyio_finds(asked: str) -> None:
    found: list[tuple[object, object]] = []
    done = anyio.Event()

    def ask() -> None:
        answers: list[object] = []
        for question in (_readiness.native_token, lambda: anyio.lowlevel.current_token().native_token):
            try:
                answers.append(question())
            except RuntimeError:
                answers.append(RuntimeError)
        found.append((answers[0], answers[1]))
        done.set()

    if asked == "in a task":
        ask()
    elif isinstance(token := _readiness.native_token(), trio.lowlevel.TrioToken):
        token.run_sync_soon(ask)
    else:
        token.call_soon(ask)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    with anyio.fail_after(5):
        await done.wait()
    assert found[0][0] is found[0][1]
