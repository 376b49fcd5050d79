"""What a waiter sees of its event loop means what AnyIO and trio mean by it.

A waiter looks at private parts of AnyIO and trio, because their public calls cost a tenth
of a round trip. So these tests ask for the meaning, of a waiter as a port has it, and the
gate runs them on the oldest and the newest supported AnyIO, trio and uvloop
(`tools/check shortcuts`). They end with the private parts gone, or there with another
meaning: then the public calls must serve.
"""
# ruff: noqa: ASYNC100  # a scope is looked at, not waited in

import asyncio
import math
import os
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio
from anyserial import _readiness, open_serial_port
from anyserial._readiness import trio as trio_readiness
from backends import Far, PtyBackend
from event_loops import KINDS

CANCELLED = -math.inf


class Idle:
    """A `Watch` that takes no notice."""

    def on_idle(self) -> None:
        pass

    def on_release(self) -> None:
        pass


@pytest.fixture
def readable() -> Iterator[int]:
    """A descriptor that is never readable."""
    ends = os.pipe()
    os.set_blocking(ends[0], False)
    yield ends[0]
    for end in ends:
        os.close(end)


@asynccontextmanager
async def waiting(readable: int) -> AsyncGenerator[Any]:
    """Give a waiter of the running event loop."""
    waiter: Any = _readiness.waiter(readable, Idle())
    try:
        yield waiter
    finally:
        waiter.wake()


async def one_turn() -> None:
    """Let the event loop notice what is due, whatever has cancelled the task."""
    with anyio.CancelScope(shield=True):
        await anyio.lowlevel.checkpoint()


type Seen = Callable[[], None]
type Situation = Callable[[Seen], Awaitable[None]]


async def no_scope(look: Seen) -> None:
    look()


async def own_scope(look: Seen) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        look()


async def outer_scope(look: Seen) -> None:
    with anyio.CancelScope() as outer, anyio.CancelScope(), anyio.CancelScope():
        outer.cancel()
        look()


async def scope_of_the_task_group(look: Seen) -> None:
    async def child() -> None:
        group.cancel_scope.cancel()
        look()

    async with anyio.create_task_group() as group:
        group.start_soon(child)


async def scope_entered_in_another_task(look: Seen) -> None:
    async def child() -> None:
        scope.cancel()
        with anyio.CancelScope():
            look()

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(child)


async def scope_cancelled_by_another_task(look: Seen) -> None:
    async def child(scope: anyio.CancelScope) -> None:
        scope.cancel()

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(child, scope)
            await one_turn()
            await one_turn()
            look()


async def cancelled_inside_a_shield(look: Seen) -> None:
    with anyio.CancelScope(shield=True) as scope:
        scope.cancel()
        look()


async def deadline_already_passed(look: Seen) -> None:
    with anyio.CancelScope(deadline=anyio.current_time() - 1):
        await one_turn()
        look()


async def deadline_passes(look: Seen) -> None:
    with anyio.move_on_after(0.001) as scope:
        while not scope.cancel_called:
            await one_turn()
        look()


async def scopes_not_cancelled(look: Seen) -> None:
    with anyio.CancelScope(), anyio.move_on_after(600):
        look()


async def scope_of_a_sibling(look: Seen) -> None:
    async def sibling() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            cancelled.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        cancelled = anyio.Event()
        group.start_soon(sibling)
        await cancelled.wait()
        look()


async def scope_inside_that_ended(look: Seen) -> None:
    with anyio.CancelScope(), anyio.CancelScope() as inner:
        inner.cancel()
        await anyio.sleep_forever()
    look()


async def behind_a_shield(look: Seen) -> None:
    with anyio.CancelScope() as outer, anyio.CancelScope(shield=True), anyio.CancelScope():
        outer.cancel()
        look()


SEEN: tuple[Situation, ...] = (
    own_scope,
    outer_scope,
    scope_of_the_task_group,
    scope_entered_in_another_task,
    scope_cancelled_by_another_task,
    cancelled_inside_a_shield,
    deadline_already_passed,
    deadline_passes,
)
NOT_SEEN: tuple[Situation, ...] = (
    no_scope,
    scopes_not_cancelled,
    scope_of_a_sibling,
    scope_inside_that_ended,
    behind_a_shield,
)


def named(situation: Situation) -> str:
    return getattr(situation, "__name__", "")


async def looked_at(situation: Situation, readable: int) -> list[bool]:
    """Return what a waiter sees in a situation, once AnyIO's public call was seen to agree."""
    seen: list[bool] = []
    async with waiting(readable) as waiter:

        def look() -> None:
            public = anyio.current_effective_deadline() == CANCELLED
            seen.append(waiter.deadline() == CANCELLED)
            assert seen[-1] == public

        await situation(look)
    return seen


@pytest.mark.anyio
@pytest.mark.parametrize("situation", SEEN, ids=named)
async def test_a_cancelled_task_is_seen_as_cancelled(situation: Situation, readable: int) -> None:
    assert await looked_at(situation, readable) == [True]


@pytest.mark.anyio
@pytest.mark.parametrize("situation", NOT_SEEN, ids=named)
async def test_a_task_that_is_not_cancelled_is_not_seen_as_cancelled(situation: Situation, readable: int) -> None:
    assert await looked_at(situation, readable) == [False]


ASYNCIO_KINDS = [kind for kind in KINDS if kind != "trio"]


@pytest.mark.parametrize("kind", ASYNCIO_KINDS)
def test_a_cancellation_of_asyncios_own_is_no_scopes(kind: str, readable: int) -> None:
    """Asyncio raises it by itself at the next wait; only a scope's must be asked for."""

    async def cancel_itself(look: Seen) -> None:
        task = asyncio.current_task()
        assert task is not None
        with anyio.CancelScope():
            task.cancel()
            look()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(0)
            look()
        task.uncancel()

    assert anyio.run(looked_at, cancel_itself, readable, **KINDS[kind]) == [False, False]


@pytest.mark.parametrize("kind", ASYNCIO_KINDS)
def test_a_task_that_asyncio_started_has_no_scopes(kind: str, readable: int) -> None:
    async def start(look: Seen) -> None:
        async def child() -> None:
            look()

        with anyio.CancelScope() as scope:
            task = asyncio.create_task(child())
            scope.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.shield(task)

    assert anyio.run(looked_at, start, readable, **KINDS[kind]) == [False]


@pytest.mark.parametrize("kind", ASYNCIO_KINDS)
def test_a_callback_is_no_cancelled_task(kind: str, readable: int) -> None:
    async def main() -> float:
        async with waiting(readable) as waiter:
            deadline = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(lambda: deadline.set_result(waiter.deadline()))
            return await deadline  # type: ignore[no-any-return]

    assert anyio.run(main, **KINDS[kind]) == math.inf


def elsewhere(waiter: Any) -> object:
    """Return what a waiter takes for the caller's event loop; None if it says that there is none."""
    try:
        return waiter.running()
    except RuntimeError:
        return None


@pytest.mark.parametrize("own", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_an_event_loop_is_told_from_every_other(own: str, other: str, readable: int) -> None:
    asked: list[object] = []

    def ask(waiter: Any) -> None:
        asked.append(elsewhere(waiter))

    def ask_in_a_loop(waiter: Any) -> None:
        async def main() -> None:
            ask(waiter)

        anyio.run(main, **KINDS[other])

    async def main() -> Any:
        async with waiting(readable) as waiter:
            assert waiter.running() is waiter.home
            for target in (ask, ask_in_a_loop):
                thread = threading.Thread(target=target, args=(waiter,))
                thread.start()
                thread.join()
            assert waiter.running() is waiter.home
            return waiter

    waiter = anyio.run(main, **KINDS[own])
    ask(waiter)
    ask_in_a_loop(waiter)
    assert len(asked) == 4
    assert [loop for loop in asked if loop is waiter.home] == []


async def serves(far: Far, readable: int) -> None:
    """Look at every situation, and use a port."""
    async with waiting(readable) as waiter:
        assert waiter.running() is waiter.home
    for situation in SEEN:
        assert await looked_at(situation, readable) == [True], named(situation)
    for situation in NOT_SEEN:
        assert await looked_at(situation, readable) == [False], named(situation)
    async with await open_serial_port(far.path, backend=PtyBackend()) as port:
        far.write(b"late")
        with anyio.CancelScope() as scope:
            scope.cancel()
            await port.receive()
        assert scope.cancelled_caught
        assert await port.receive() == b"late"
        await port.send(b"out")
        assert far.read(3) == b"out"


def anyio_without_states() -> ModuleType:
    return ModuleType("hidden")


def anyio_with(states: object, state: object) -> Callable[[], ModuleType]:
    def make() -> ModuleType:
        module = ModuleType("changed")
        vars(module).update(_task_states=states, TaskState=state)
        return module

    return make


class State:
    """A state of a task, as AnyIO has it."""

    __slots__ = ("__weakref__", "cancel_scope", "parent_id")


class OtherState:
    """A state of a task that has no scope."""

    __slots__ = ("__weakref__", "scopes")


class Table:
    """A table of tasks of another type."""

    def __getitem__(self, key: object) -> object:
        raise KeyError(key)


# A table that AnyIO does not fill any more, because what it holds is now elsewhere.
CHANGED_ANYIO = (
    pytest.param(anyio_without_states, id="gone"),
    pytest.param(anyio_with(None, State), id="none"),
    pytest.param(anyio_with(Table(), State), id="another type"),
    pytest.param(anyio_with({}, State), id="a dictionary"),
    pytest.param(anyio_with(weakref.WeakKeyDictionary[object, object](), OtherState), id="other states"),
    pytest.param(anyio_with(weakref.WeakKeyDictionary[object, object](), State), id="other content"),
)


@pytest.mark.parametrize("change", CHANGED_ANYIO)
@pytest.mark.parametrize("kind", ASYNCIO_KINDS[:2])
def test_an_anyio_without_its_table_of_tasks_is_asked_publicly(
    kind: str, change: Callable[[], ModuleType], far: Far, readable: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        private = anyio.lowlevel.current_token().backend_class.__module__
        monkeypatch.setitem(sys.modules, private, change())
        await serves(far, readable)

    anyio.run(main, **KINDS[kind])


def trio_with(context: object) -> Callable[[], ModuleType]:
    def make() -> ModuleType:
        module = ModuleType("changed")
        if context is not None:
            vars(module).update(GLOBAL_RUN_CONTEXT=context)
        return module

    return make


def context_with(status: object) -> SimpleNamespace:
    """What trio calls GLOBAL_RUN_CONTEXT, with a task of that status and a runner that waits as trio does."""

    async def wait_readable(fd: int) -> None:
        await trio.lowlevel.wait_readable(fd)

    manager = SimpleNamespace(wait_readable=wait_readable)
    return SimpleNamespace(runner=SimpleNamespace(io_manager=manager), task=SimpleNamespace(_cancel_status=status))


CHANGED_TRIO = (
    pytest.param(trio_with(None), id="gone"),
    pytest.param(trio_with(SimpleNamespace()), id="another type"),
    pytest.param(trio_with(context_with(SimpleNamespace())), id="another status"),
    pytest.param(trio_with(context_with(SimpleNamespace(effectively_cancelled=False))), id="content"),
    pytest.param(trio_with(context_with(SimpleNamespace(effectively_cancelled=bool))), id="method"),
)


@pytest.mark.parametrize("change", CHANGED_TRIO)
def test_a_trio_without_its_insides_is_asked_publicly(
    change: Callable[[], ModuleType], far: Far, readable: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.setitem(sys.modules, "trio._core._run", change())
        await serves(far, readable)

    anyio.run(main, backend="trio")


@pytest.mark.anyio
@pytest.mark.parametrize("waited", [False, True], ids=["first receive", "after a wait"])
async def test_a_receive_in_a_cancelled_scope_loses_no_bytes(waited: bool, far: Far, anyio_backend: Any) -> None:
    """The bytes stay for the next receive. After a wait on uvloop this receive returns them, as any call may that
    is over before it is cancelled: the registration is in place, and uvloop reads before it runs the callback in
    which AnyIO delivers the cancellation. The next call is cancelled then. To ask for the cancellation
    before each wait would cost every receive.
    """
    comes_first = waited and anyio_backend == ("asyncio", {"use_uvloop": True})
    received = b""
    async with await open_serial_port(far.path, backend=PtyBackend()) as port:
        if waited:
            with anyio.move_on_after(0.005):
                await port.receive()
        far.write(b"late")
        with anyio.CancelScope() as scope:
            scope.cancel()
            received = await port.receive()
            await anyio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        assert received == (b"late" if comes_first else b"")
        if not comes_first:
            assert await port.receive() == b"late"


@pytest.mark.anyio
async def test_the_shortcuts_are_taken_where_they_are(readable: int, anyio_backend: Any) -> None:
    """With every version that the gate tries: a shortcut that is never taken would be noticed by no other test."""
    async with waiting(readable) as waiter:
        portable = "loop_factory" in (anyio_backend[1] or {})
        public = (
            anyio.current_effective_deadline,
            trio_readiness._deadline,
            anyio.lowlevel.current_token().backend_class.current_effective_deadline,
        )
        assert (waiter.deadline in public) == portable
