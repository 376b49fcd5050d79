"""The asyncio event loop of a `VirtualClock`. Loaded only where asyncio runs on one.

The rule by which the clock jumps is in `_virtual_clock`.
"""

import asyncio
import selectors
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final, override

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

    from anyserial_testing._virtual_clock import VirtualClock

__all__ = ("VirtualEventLoop",)

_LOOK_AGAIN: Final = 0.05  # seconds of real time; a thread that ends wakes the selector before


class VirtualEventLoop(asyncio.SelectorEventLoop):
    """An event loop that moves its clock instead of sleeping."""

    def __init__(self, clock: "VirtualClock") -> None:
        self._virtual = clock  # first: the base class asks for the time
        super().__init__(_VirtualSelector(clock))

    @override
    def time(self) -> float:
        return self._virtual.now

    @override
    def run_in_executor(  # type: ignore[override]  # typeshed has a TypeVarTuple, which this only hands on
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self._virtual.count_call(1)
        future.add_done_callback(lambda _: self._virtual.count_call(-1))
        return future

    @override
    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        self._virtual.count_call(1)  # its threads end in real time
        try:
            await super().shutdown_default_executor(timeout)
        finally:
            self._virtual.count_call(-1)


class _VirtualSelector(selectors.BaseSelector):
    """A selector that looks at its descriptors, and jumps instead of waiting for them."""

    def __init__(self, clock: "VirtualClock") -> None:
        self._clock = clock
        self._real = selectors.DefaultSelector()

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return self._real.select(None)  # no timer is set: only a descriptor or a thread can bring news
        if timeout <= 0:
            return self._real.select(0)
        # Asked first: an executor's thread that ends has woken the selector by the time it does not count any more.
        must_wait = self._clock.must_wait
        ready = self._real.select(self._clock.patience)
        if ready:
            return ready
        if must_wait:
            return self._real.select(min(timeout, _LOOK_AGAIN))
        self._clock.jump(timeout)
        return []

    @override
    def register(self, fileobj: "FileDescriptorLike", events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    @override
    def unregister(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    @override
    def modify(self, fileobj: "FileDescriptorLike", events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    @override
    def close(self) -> None:
        self._real.close()

    @override
    def get_map(self) -> Mapping["FileDescriptorLike", selectors.SelectorKey]:
        return self._real.get_map()
