"""What goes wrong on a simulated port: the plan, and nothing that carries it out."""

import threading
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Self, override

from anyserial._spi import check_flag, check_integer, refusal
from anyserial.exceptions import ConfigurationError

from anyserial_testing._fault import DAMAGE, KINDS, Direction, Fault, number, parse_fault
from anyserial_testing._schedule import Due, Fired, Schedule, clock_in_use

__all__ = ("FaultPlan",)

_COUNTERS = frozenset({"eagain_reads", "eagain_writes", "eintr_reads", "eintr_writes", "parity_errors"})
_FLAGS = frozenset({"disconnected", "raise_eio_on_read"})
_SCHEDULED = frozenset({"schedule", "seed"})
_LIVE = frozenset({"_lock", "_listener", "_given", "_running", "_supported", "_returns"})
_NAMES = _COUNTERS | _FLAGS | _SCHEDULED | _LIVE | {"short_write_max"}
_COUNTED_KINDS: dict[str, tuple[str, Direction]] = {
    "eagain_reads": ("eagain", "read"),
    "eagain_writes": ("eagain", "write"),
    "eintr_reads": ("eintr", "read"),
    "eintr_writes": ("eintr", "write"),
    "parity_errors": ("parity", "read"),
}


class _Live:
    """What a plan needs to be live, apart from the faults: a copy has its own."""

    __slots__ = ("__weakref__", "_given", "_listener", "_lock", "_returns", "_running", "_supported")

    _lock: threading.Lock
    _listener: weakref.WeakMethod[Callable[[], None]] | None
    _given: dict[str, int]  # values as the plan was given them, where they have changed since
    _running: Schedule
    _supported: tuple[str, frozenset[str]] | None
    _returns: float | None


@dataclass(slots=True, repr=False)
class FaultPlan(_Live):
    """What goes wrong on one simulated port. Live: change it at any time, from any thread.

    Counters run down by one with each fault given; flags stay as they are set; the schedule says when its
    faults happen. Every value is checked when it is set.

    A plan can be written down and replayed. ``repr(plan)`` is an expression. ``str(plan)`` is one line:
    the plan as it was given, and behind a ``#`` what has happened. `parse` reads that line, and `replay`
    returns a plan that does again exactly what happened.

    Attributes:
        eagain_reads: That many reads find nothing, though bytes are there. The bytes
            stay readable, so the next readiness event finds them.
        eagain_writes: That many writes find the queue full.
        eintr_reads: That many reads are interrupted by a signal; the backend repeats
            them as PEP 475 asks, so no caller may notice.
        eintr_writes: The same for writes.
        short_write_max: Most bytes that one write takes, at least 1; None for no limit.
        disconnected: The device is gone. Every call gives SerialDisconnectedError,
            a parked one wakes, opening gives PortNotFoundError, and the far end is hung
            up as if this side had closed. To plug it in again, set it to False and
            open both sides again: a port that was open does not come back.
        raise_eio_on_read: Every read fails with EIO and without a hang-up, as a failed
            USB transfer does: a SerialError, after which the port is still usable. A
            receive that waits already meets it when bytes come.
        parity_errors: The next that many bytes received are damaged: their lowest bit
            is inverted, and `SerialConfig.line_errors` of the receiving port decides
            what becomes of them.
        schedule: Faults that happen at a byte, at an operation, after a time or by chance: see `Fault`.
            Setting it, or `seed`, begins the counts again.
        seed: What the chances of the schedule depend on, 0 or more. The same seed and the same exchange give
            the same faults, however the bytes are split over reads.

    Raises:
        ConfigurationError: A value is not valid, there is no such fault, or the port that follows the plan
            cannot make it happen.
    """

    eagain_reads: int = 0
    eagain_writes: int = 0
    eintr_reads: int = 0
    eintr_writes: int = 0
    short_write_max: int | None = None
    disconnected: bool = False
    raise_eio_on_read: bool = False
    parity_errors: int = 0
    schedule: tuple[Fault, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        """Begin a plan that no port follows yet."""
        self._lock = threading.Lock()
        self._listener = None
        self._supported = None
        self._returns = None
        self._running = Schedule(self.schedule, self.seed)

    @override
    def __reduce__(self) -> Any:
        """Copy and pickle the faults only."""
        return FaultPlan, tuple(getattr(self, item.name) for item in fields(self))

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        _check(name, value)
        if name == "schedule":
            value = tuple(value)
            self._check_supported(value, None)
        object.__setattr__(self, name, value)
        if name in _COUNTERS:
            # A fresh plan has no record yet: its first counter is set before anything else.
            if name == "eagain_reads" and not hasattr(self, "_given"):
                object.__setattr__(self, "_given", {})
            self._given[name] = value
        elif name in _SCHEDULED and hasattr(self, "_running"):
            object.__setattr__(self, "_running", Schedule(self.schedule, self.seed))
        elif name == "disconnected":
            object.__setattr__(self, "_returns", None)
            self._given.pop("disconnected", None)
            # A fresh plan has no listener yet: its faults are set before.
            reference = getattr(self, "_listener", None)
            listener = reference and reference()
            if value and listener is not None:
                listener()

    @override
    def __repr__(self) -> str:
        """Return an expression that makes an equal plan."""
        shown = [item.name for item in fields(self)]
        if not self.schedule and not self.seed:
            shown = shown[: -len(_SCHEDULED)]
        return f"FaultPlan({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    @override
    def __str__(self) -> str:
        """Return one line for `parse`: the plan as it was given, then ``#`` and what has happened."""
        parts: list[str] = []
        for item in fields(self):
            value = self._given.get(item.name, getattr(self, item.name))
            if item.name != "schedule" and value != item.default:
                parts.append(f"{item.name}={value!r}")
        parts.extend(map(str, self.schedule))
        line = "; ".join(parts) or "no faults"
        fired = self.fired
        return f"{line}  # {', '.join(map(str, fired))}" if fired else line

    @classmethod
    def parse(cls, line: str) -> Self:
        """Return the plan that ``str(plan)`` gave as *line*; what follows a ``#`` is ignored.

        The faults are separated by semicolons: ``seed=7; parity read probability=0.01; stall read at_byte=100
        seconds=2.0``.

        Raises:
            ConfigurationError: It is no such line.
        """
        values: dict[str, Any] = {}
        schedule: list[Fault] = []
        for part in line.partition("#")[0].split(";"):
            words = part.strip()
            name, is_field, value = words.partition("=")
            if not words or words == "no faults":
                continue
            if is_field and name in _NAMES - _LIVE:
                values[name] = number(value, name)
            elif words.split()[0] in KINDS:
                schedule.append(parse_fault(words))
            else:
                raise ConfigurationError(
                    f"a plan has fields ({', '.join(sorted(_NAMES - _LIVE - {'schedule'}))}) and faults"
                    f" ({', '.join(KINDS)}) (got {words!r})"
                )
        return cls(schedule=tuple(schedule), **values)

    @property
    def fired(self) -> tuple[Fired, ...]:
        """What has happened since the schedule was set, in its order; at most the first 1,000 faults."""
        return tuple(self._running.fired)

    def replay(self) -> "FaultPlan":
        """Return a plan that does again what has happened, at the same bytes and operations.

        Damage, and what was planned for a byte, is pinned to the byte; everything else to its operation. So no draw
        and no clock is needed. Flags and `short_write_max` are taken over as they are.
        """
        again: list[Fault] = []
        for at, cause in zip(self._running.fired, self._running.causes, strict=True):
            kind: Any = at.kind
            if at.kind in DAMAGE:
                again.append(Fault(kind, at.on, at_byte=at.byte))
            elif cause is None:
                again.append(Fault(kind, at.on, at_operation=at.operation))
            elif cause.at_byte is not None:  # it also ends the operation before at that byte
                again.append(replace(cause, at_byte=at.byte, times=1))
            else:
                again.append(replace(cause, at_operation=at.operation, after=None, probability=None, times=1))
        gone = self.disconnected and not any(at.kind in {"hangup", "replug"} for at in self.fired)
        return FaultPlan(
            short_write_max=self.short_write_max,
            disconnected=gone,
            raise_eio_on_read=self.raise_eio_on_read,
            schedule=tuple(again),
        )

    # For backends

    def take(self, counter: str) -> bool:
        """Run a counter down by one, for the backend that gives the fault.

        Returns:
            Whether there was one left.
        """
        with self._lock:
            left: int = getattr(self, counter)
            if left:
                object.__setattr__(self, counter, left - 1)
                self._running.note(*_COUNTED_KINDS[counter])
            return left > 0

    def on_disconnect(self, listener: Callable[[], None]) -> None:
        """Have a method called, in the setting thread, whenever `disconnected` is set to True.

        Its object is held weakly, so that a port somebody forgot is still found at once.
        """
        self._listener = weakref.WeakMethod(listener)

    def follow(self, name: str, kinds: Iterable[str]) -> None:
        """Say which scheduled faults the port can make happen; from now on all others are refused.

        Args:
            name: What the port is, for the message: "a pty".
            kinds: The kinds of faults.

        Raises:
            ConfigurationError: The schedule has another one already.
        """
        supported = name, frozenset(kinds)
        self._check_supported(self.schedule, supported)
        self._supported = supported

    def begin(self) -> None:
        """Begin to count the seconds of `Fault.after`, if that was not done yet: a call is tried."""
        if self.schedule:
            self._running.begin()

    def before(self, on: Direction, count: int) -> Due:
        """Count an operation that could move *count* bytes (at least 1), and return what it meets.

        A hang-up or a replug that is due sets `disconnected`.
        """
        with self._lock:
            due = self._running.before(on, count)
        if due.fault is not None and due.fault.kind in {"hangup", "replug"}:
            self.disconnected = True
            self._given["disconnected"] = False  # the printed plan has the fault instead
            if due.fault.kind == "replug":
                self._returns = clock_in_use() + due.fault.seconds
        return due

    @property
    def is_scheduled(self) -> bool:
        """Whether `before` must be asked before each operation; if not, `passed` says what was done."""
        return bool(self.schedule)

    @property
    def can_damage(self) -> bool:
        """Whether `damage` must be asked for each received byte."""
        return self.parity_errors > 0 or any(fault.is_damage for fault in self.schedule)

    def moved(self, on: Direction, count: int) -> None:
        """Count the bytes that an operation has moved; received ones only if `damage` was not asked."""
        self._running.moved(on, count)

    def passed(self, on: Direction, count: int) -> None:
        """Count an operation and the bytes that it has moved, where `before` was not asked."""
        self._running.passed(on, count)

    def damage(self) -> str | None:
        """Count one received byte; return what kind of damage it suffers, or None."""
        with self._lock:
            fault = self._running.damage()
        if fault is None and self.parity_errors and self.take("parity_errors"):
            return "parity"
        return None if fault is None else fault.kind

    def comes_back(self) -> bool:
        """Return whether the device is there when it is opened; the end of a replug plugs it in."""
        if self.disconnected and self._returns is not None and clock_in_use() >= self._returns:
            self.disconnected = False
        return not self.disconnected

    def _check_supported(self, schedule: Iterable[Fault], supported: tuple[str, frozenset[str]] | None) -> None:
        if (supported := supported or getattr(self, "_supported", None)) is None:
            return
        name, kinds = supported
        for fault in schedule:
            if fault.kind not in kinds:
                raise ConfigurationError(
                    f"{name} cannot make a fault of kind {fault.kind!r} happen; it can make {', '.join(sorted(kinds))}."
                    " A simulated device in memory (simulated_port) can make all of them"
                )


def _check(name: str, value: object) -> None:
    try:
        if name in _COUNTERS:
            check_integer(name, value, 0)
        elif name in _FLAGS:
            check_flag(name, value)
        elif name == "short_write_max" and value is not None:
            check_integer(name, value, 1, also=", or None")
        elif name == "seed":
            check_integer(name, value, 0)
        elif name == "schedule":
            _check_schedule(value)
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(str(exc)) from None
    if name not in _NAMES:
        known = ", ".join(item.name for item in fields(FaultPlan))
        raise ConfigurationError(f"FaultPlan has no fault {name!r}; its faults are {known}")


def _check_schedule(value: object) -> None:
    if not isinstance(value, (tuple, list)) or not all(isinstance(item, Fault) for item in value):  # pyright: ignore[reportUnknownVariableType]
        raise TypeError(refusal("schedule", "a tuple of Fault", value))  # pyright: ignore[reportUnknownArgumentType]
