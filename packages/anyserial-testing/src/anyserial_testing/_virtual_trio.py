"""trio's clock of a `VirtualClock`. Loaded only where trio runs on one.

The rule by which the clock jumps is in `_virtual_clock`. trio's own `MockClock` jumps without a system call; there is
no public way to make it wait for a thread, so one of its private methods is replaced. A trio without that method gets
`PublicClock`, which uses public names of trio only and takes a millisecond of real time for each jump.
"""

import math
import time
from typing import TYPE_CHECKING, Any, Final, override

import trio
import trio.testing

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial_testing._virtual_clock import VirtualClock

__all__ = ("PublicClock", "trio_options")

_GRACE: Final = 0.0005  # seconds of real time to let a worker thread run before looking again
_LOOK_AGAIN: Final = 0.05  # seconds of real time; a thread that ends wakes trio before
_SOON: Final = 0.001  # seconds; trio tells tasks in `wait_all_tasks_blocked` only if it would otherwise wait
_SHORTCUT: Final = "_autojump"


def trio_options(virtual: "VirtualClock") -> dict[str, Any]:
    """Return the arguments of `trio.run` that put it on this clock."""
    if hasattr(trio.testing.MockClock, _SHORTCUT):
        return {"clock": _mock_clock(virtual)}
    clock = PublicClock(virtual)
    return {"clock": clock, "instruments": [clock]}


def _mock_clock(virtual: "VirtualClock") -> trio.testing.MockClock:
    clock = trio.testing.MockClock(autojump_threshold=virtual.patience)
    jump_now: Callable[[], None] = getattr(clock, _SHORTCUT)

    def autojump() -> None:
        if virtual.must_wait:
            time.sleep(_GRACE)
        # Another thread may have left a call for this one meanwhile.
        elif not trio.lowlevel.current_statistics().run_sync_soon_queue_size:
            jump_now()
            virtual.jump_to(clock.current_time())

    # trio calls this method when every task waits and nothing came within the threshold. The class cannot be
    # subclassed.
    setattr(clock, _SHORTCUT, autojump)
    return clock


class PublicClock(trio.abc.Clock, trio.abc.Instrument):
    """A clock that jumps when trio has asked it twice how long to wait, and no task has run between.

    trio asks only while no task can run. Before the jump it looks for descriptors and calls of other threads, and then
    for tasks that wait until all others do.
    """

    def __init__(self, virtual: "VirtualClock") -> None:
        self._virtual = virtual
        self._looks = 0

    @override
    def start_clock(self) -> None:
        """Do nothing: the time moves by jumps only."""

    @override
    def current_time(self) -> float:
        """Return the virtual time."""
        return self._virtual.now

    @override
    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Begin to look again."""
        self._looks = 0

    @override
    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return how long trio may wait for descriptors; jump if there is nothing else to wait for."""
        left = deadline - self._virtual.now
        if left <= 0 or math.isinf(left):
            return left
        if self._virtual.must_wait:
            self._looks = 0
            return _LOOK_AGAIN
        self._looks += 1
        if self._looks == 1:
            return self._virtual.patience
        if self._looks == 2:  # noqa: PLR2004  # the second look
            return _SOON
        self._looks = 0
        self._virtual.jump_to(deadline)
        return 0.0
