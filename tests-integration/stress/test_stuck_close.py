import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyserial import SerialClosedError, SerialConfig, open_serial_port

if TYPE_CHECKING:
    from collections.abc import Callable

PROBE = Path(__file__).parent / "probes" / "stuck_closes.py"
GRACE = 0.05  # seconds beyond close_timeout that closing may take
STALL = 0.01  # seconds that the event loop may be away


async def watch(gaps: "list[float]") -> None:
    before = time.monotonic()
    while True:
        await anyio.sleep(0.001)
        now = time.monotonic()
        gaps.append(now - before - 0.001)
        before = now


@pytest.mark.anyio
@pytest.mark.parametrize("close_timeout", [0.0, 0.2])
@pytest.mark.parametrize("close_stuck", [False, True], ids=["output stuck", "output and close stuck"])
async def test_closing_with_output_stuck_is_bounded(
    far: Any,
    slow_backend: "Callable[[], Any]",
    lag: "Callable[[], float]",
    close_timeout: float,
    close_stuck: bool,
) -> None:
    backend = slow_backend()
    gaps: list[float] = []
    took = float("inf")
    port = await open_serial_port(far.path, SerialConfig(close_timeout=close_timeout), backend=backend)
    backend.unsent = 100
    if close_stuck:
        backend.gate.clear()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(watch, gaps)
            await anyio.wait_all_tasks_blocked()
            before = time.monotonic()
            await port.aclose()
            took = time.monotonic() - before
            group.cancel_scope.cancel()
        with pytest.raises(SerialClosedError):
            await port.receive()
        await port.aclose()
    slack = lag()
    assert close_timeout <= took <= close_timeout + GRACE + slack, f"{took:.3f} s, lag {slack:.3f} s"
    assert max(gaps, default=0.0) <= STALL + slack, f"the loop stood still for {max(gaps):.3f} s, lag {slack:.3f} s"


@pytest.mark.anyio
async def test_several_may_close_a_stuck_port(far: Any, slow_backend: "Callable[[], Any]") -> None:
    backend = slow_backend()
    port = await open_serial_port(far.path, SerialConfig(close_timeout=0.05), backend=backend)
    backend.unsent = 1
    backend.gate.clear()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(port.aclose)
    assert backend.calls.close == 1


@pytest.mark.anyio
async def test_a_cancelled_aclose_does_not_wait_for_stuck_output(
    far: Any, slow_backend: "Callable[[], Any]", lag: "Callable[[], float]"
) -> None:
    backend = slow_backend()
    port = await open_serial_port(far.path, SerialConfig(close_timeout=30), backend=backend)
    backend.unsent = 1
    backend.gate.clear()
    with anyio.fail_after(10):
        before = time.monotonic()
        with anyio.move_on_after(0.05) as scope:
            await port.aclose()
        took = time.monotonic() - before
    assert scope.cancelled_caught
    assert took <= 0.05 + GRACE + lag()
    assert not port.is_open


@pytest.mark.parametrize("runtime", ["asyncio", "uvloop", "trio"])
def test_stuck_closes_starve_nobody_and_do_not_hold_up_the_exit(runtime: str) -> None:
    # The closes never return: a process that waited for one would run into the timeout.
    done = subprocess.run(
        [sys.executable, str(PROBE), runtime], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "all closed, 40 application threads ran\n"
