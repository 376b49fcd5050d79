"""A port where something runs short: patience with a driver, or the stack."""

import gc
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyserial import SerialConfig, SerialPort, open_serial_port
from backends import Far, OwnBackend, PtyBackend, until

pytestmark = pytest.mark.anyio


async def test_a_backend_slow_to_close_takes_no_longer_than_close_timeout() -> None:
    own = OwnBackend()
    own.hooks["aclose"] = lambda: anyio.sleep(3)
    port = await open_serial_port("own", SerialConfig(close_timeout=0.1), backend=own)
    start = time.monotonic()
    await port.aclose()
    assert time.monotonic() - start < 1
    assert not port.is_open


async def test_a_stuck_break_does_not_hold_the_close(far: Far, backend: PtyBackend) -> None:
    go = threading.Event()
    backend.hooks["set_break"] = lambda: go.wait(10)
    port = await open_serial_port(far.path, SerialConfig(close_timeout=0.1), backend=backend)
    with anyio.move_on_after(0.05):
        await port.send_break(0)
    start = time.monotonic()
    await port.aclose()
    assert time.monotonic() - start < 1
    assert backend.is_open  # the driver has it until the call returns
    go.set()
    await until(lambda: not backend.is_open)
    assert backend.breaks[-1] is False


@pytest.mark.parametrize("where", ["output queue", "before the close", "after the close"])
async def test_a_close_that_finds_no_memory_is_tried_again(far: Far, backend: PtyBackend, where: str) -> None:
    port = await open_serial_port(far.path, backend=backend)
    failures = [MemoryError(), MemoryError()]
    close = backend.close

    def close_with_little_memory() -> None:
        if where == "after the close":
            close()
        if failures:
            raise failures.pop()
        close()

    def output_waiting() -> int:
        if failures:
            raise failures.pop()
        return 0

    if where == "output queue":
        backend.output_waiting = output_waiting  # type: ignore[method-assign]
    else:
        backend.close = close_with_little_memory  # type: ignore[method-assign]
    with anyio.fail_after(5):
        await port.aclose()
    await until(lambda: not backend.is_open)
    assert port._lifecycle.closing.finished


DEPTH_CALLS: dict[str, Callable[[SerialPort], Awaitable[object]]] = {
    "configure": lambda port: port.configure(port.config),
    "drain": lambda port: port.drain(),
    "aclose": lambda port: port.aclose(),
}


async def _deep(depth: int, call: Callable[[], Awaitable[object]]) -> None:
    if depth:
        await _deep(depth - 1, call)
    else:
        await call()


@pytest.mark.parametrize("name", DEPTH_CALLS)
async def test_a_call_at_the_end_of_the_stack_leaves_nothing_behind(name: str) -> None:
    """The recursion limit is met at every depth of the call."""
    # A collection down there would finalize what other tests left, and those finalizers would fail.
    gc.collect()
    for left in range(1, 60, 2):
        far, backend = Far(), PtyBackend()
        port = await open_serial_port(far.path, backend=backend)
        limit = sys.getrecursionlimit()
        depth = 0
        frame: Any = sys._getframe()
        while frame is not None:
            depth, frame = depth + 1, frame.f_back
        gc.disable()
        sys.setrecursionlimit(depth + left + 50)
        try:
            await _deep(50, lambda port=port: DEPTH_CALLS[name](port))  # type: ignore[misc]
        except RecursionError:
            pass
        finally:
            sys.setrecursionlimit(limit)
            gc.enable()
        with anyio.fail_after(5):
            await port.aclose()
        await until(lambda backend=backend: not backend.is_open)  # type: ignore[misc]
        assert not port._lifecycle.calls
        assert not port._lifecycle.turns
        far.hang_up()
