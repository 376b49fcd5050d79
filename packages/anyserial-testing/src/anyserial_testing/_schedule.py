"""Which fault of a schedule is due: counts operations and bytes, and draws from the seed. No I/O.

A draw depends on the seed, the fault and the number of the operation or byte alone, never on an earlier
draw. So the same exchange meets the same faults, however its bytes are split over reads.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from anyserial_testing._fault import DAMAGE, Direction, Fault

__all__ = ("Due", "Fired", "Schedule", "clock_in_use")

_MOST_FIRED: Final = 1000


@dataclass(frozen=True, slots=True)
class Fired:
    """One fault that happened.

    Attributes:
        kind: What happened: the kind of a scheduled fault.
        on: The direction, ``"read"`` or ``"write"``.
        operation: The number of the operation, 1 for the first.
        byte: How many bytes had moved before; for damage, the number of the damaged byte, 0 for the first.
        seconds: How long after the port was opened, by the clock in use.
    """

    kind: str
    on: Direction
    operation: int
    byte: int
    seconds: float

    def __str__(self) -> str:
        """Return it in a few words."""
        return f"{self.kind} {self.on} at byte {self.byte}, operation {self.operation}, {self.seconds:.3f} s"


class Due(NamedTuple):
    """What one operation meets: the most bytes it may move, and the fault that it ends with, if any."""

    limit: int
    fault: Fault | None


def clock_in_use() -> float:
    """Return the time of the running event loop, or `time.monotonic` where none runs; seconds."""
    # Neither module is imported here: the one whose event loop runs is there.
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    with suppress(RuntimeError):
        if asyncio is not None:
            return float(asyncio.get_running_loop().time())
    with suppress(RuntimeError):
        if trio is not None:
            return float(trio.current_time())
    return time.monotonic()


class Schedule:
    """The faults of one plan while a port runs, and what has happened so far.

    Args:
        faults: The faults, in their order: of several that are due at once, the first happens first.
        seed: What draws depend on.
        now: Returns the time in seconds.
    """

    def __init__(self, faults: Sequence[Fault], seed: int, now: Callable[[], float] = clock_in_use) -> None:
        self._faults = tuple(faults)
        self._seed = seed
        self._now = now
        self._origin: float | None = None
        self._operations: dict[str, int] = {"read": 0, "write": 0}
        self._moved: dict[str, int] = {"read": 0, "write": 0}
        self._left: list[int | None] = [fault.times for fault in self._faults]
        self.fired: list[Fired] = []
        self.causes: list[Fault | None] = []  # what each was scheduled as; None for a counter's

    @property
    def is_empty(self) -> bool:
        """Whether there is no fault at all."""
        return not self._faults

    def begin(self) -> None:
        """Note the time from which `Fault.after` counts, if it does not count yet: the port is read or written."""
        if self._origin is None:
            self._origin = self._now()

    def before(self, on: Direction, count: int) -> Due:
        """Count an operation that could move *count* bytes, and return what it meets."""
        self.begin()
        self._operations[on] += 1
        limit, moved = count, self._moved[on]
        for index, fault in enumerate(self._faults):
            if fault.on != on or fault.is_damage or self._left[index] == 0:
                continue
            if fault.at_byte is not None and fault.at_byte > moved:
                limit = min(limit, fault.at_byte - moved)
            elif self._is_due(index, moved, self._operations[on]):
                self._happens(index, moved)
                if fault.kind not in {"short_read", "short_write"}:
                    return Due(limit, fault)
                limit = min(limit, fault.size)
        return Due(limit, None)

    def moved(self, on: Direction, count: int) -> None:
        """Count *count* bytes that the operation has moved."""
        self._moved[on] += count

    def passed(self, on: Direction, count: int) -> None:
        """Count an operation and the bytes that it has moved."""
        self._operations[on] += 1
        self._moved[on] += count

    def damage(self) -> Fault | None:
        """Count one received byte, and return what damages it, if anything does."""
        byte = self._moved["read"]
        self._moved["read"] += 1
        for index, fault in enumerate(self._faults):
            if fault.is_damage and self._left[index] != 0 and self._is_due(index, byte, byte):
                self._happens(index, byte)
                return fault
        return None

    def note(self, kind: str, on: Direction) -> None:
        """Note a fault that a counter of the plan gave: an operation, or the damage of the last counted byte."""
        if kind in DAMAGE:
            self._note(kind, on, self._moved[on] - 1, None)
            return
        self._operations[on] += 1
        self._note(kind, on, self._moved[on], None)

    def _is_due(self, index: int, byte: int, draw: int) -> bool:
        fault = self._faults[index]
        on = str(fault.on)
        if fault.at_byte is not None:
            return byte >= fault.at_byte
        if fault.at_operation is not None:
            return self._operations[on] >= fault.at_operation
        if fault.after is not None:
            return self._seconds() >= fault.after
        assert fault.probability is not None  # noqa: S101  # Fault checks it
        return random.Random(f"{self._seed}:{index}:{draw}").random() < fault.probability  # noqa: S311  # no secret

    def _happens(self, index: int, byte: int) -> None:
        fault, left = self._faults[index], self._left[index]
        if left is not None:
            self._left[index] = left - 1
        assert fault.on is not None  # noqa: S101  # Fault sets it
        self._note(fault.kind, fault.on, byte, fault)

    def _note(self, kind: str, on: Direction, byte: int, cause: Fault | None) -> None:
        if len(self.fired) < _MOST_FIRED:
            self.fired.append(Fired(kind, on, self._operations[on], byte, self._seconds()))
            self.causes.append(cause)

    def _seconds(self) -> float:
        self.begin()
        return self._now() - (self._origin or 0.0)
