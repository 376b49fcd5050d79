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
ROUNDS = 20  # at most: a busy machine can only add to a figure, and one good round shows what the library takes


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
    new_far: "Callable[[], Any]", slow_backend: "Callable[[], Any]", close_timeout: float, close_stuck: bool
) -> None:
    took: list[float] = []
    stalls: list[float] = []
    for _ in range(ROUNDS):
        backend = slow_backend()
        gaps: list[float] = []
        port = await open_serial_port(new_far().path, SerialConfig(close_timeout=close_timeout), backend=backend)
        backend.unsent = 100
        if close_stuck:
            backend.gate.clear()
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(watch, gaps)
                await anyio.wait_all_tasks_blocked()
                before = time.monotonic()
                await port.aclose()
                took.append(time.monotonic() - before)
                group.cancel_scope.cancel()
            with pytest.raises(SerialClosedError):
                await port.receive()
            await port.aclose()
        stalls.append(max(gaps, default=0.0))
        if took[-1] <= close_timeout + GRACE and stalls[-1] <= STALL:
            break
    assert close_timeout <= min(took) <= close_timeout + GRACE, took
    assert min(stalls) <= STALL, f"the loop stood still for {min(stalls):.3f} s"


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
        while not backend.calls.close:  # none of them has to wait for it
            await anyio.sleep(0.001)
    assert backend.calls.close == 1


@pytest.mark.anyio
async def test_a_cancelled_aclose_does_not_wait_for_stuck_output(
    new_far: "Callable[[], Any]", slow_backend: "Callable[[], Any]"
) -> None:
    took: list[float] = []
    for _ in range(ROUNDS):
        backend = slow_backend()
        port = await open_serial_port(new_far().path, SerialConfig(close_timeout=30), backend=backend)
        backend.unsent = 1
        backend.gate.clear()
        with anyio.fail_after(10):
            before = time.monotonic()
            with anyio.move_on_after(0.05) as scope:
                await port.aclose()
            took.append(time.monotonic() - before)
        assert scope.cancelled_caught
        assert not port.is_open
        if took[-1] <= 0.05 + GRACE:
            break
    assert min(took) <= 0.05 + GRACE, took


@pytest.mark.parametrize("runtime", ["asyncio", "uvloop", "trio"])
def test_stuck_closes_starve_nobody_and_do_not_hold_up_the_exit(runtime: str) -> None:
    # The closes never return: a process that waited for one would run into the timeout.
    done = subprocess.run(
        [sys.executable, "-W", "ignore::RuntimeWarning", str(PROBE), runtime],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "all closed, 40 application threads ran\n"
