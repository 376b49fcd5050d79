"""What shall go wrong on a mock port: the plan, and nothing that carries it out."""

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, override

from anyserial._spi import check_flag, check_integer
from anyserial.exceptions import ConfigurationError

__all__ = ("FaultPlan",)

_COUNTERS = frozenset({"eagain_reads", "eagain_writes", "eintr_reads", "eintr_writes", "parity_errors"})
_FLAGS = frozenset({"disconnected", "raise_eio_on_read"})
_NAMES = _COUNTERS | _FLAGS | {"short_write_max", "_lock", "_listener"}


class _Live:
    """What a plan needs to be live, apart from the faults: a copy has its own."""

    __slots__ = ("__weakref__", "_listener", "_lock")

    _lock: threading.Lock
    _listener: weakref.WeakMethod[Callable[[], None]] | None


@dataclass(slots=True)
class FaultPlan(_Live):
    """What shall go wrong on one mock port. Live: change it at any time, from any thread.

    Counters run down by one with each fault given; flags stay as they are set. Every
    value is checked when it is set.

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
            open both sides anew: a port that was open does not come back.
        raise_eio_on_read: Every read fails with EIO and without a hang-up, as a failed
            USB transfer does: a SerialError, after which the port is still usable. A
            receive that waits already meets it when bytes come.
        parity_errors: The next that many bytes received are damaged: their lowest bit
            is inverted, and `SerialConfig.line_errors` of the receiving port decides
            what becomes of them.

    Raises:
        ConfigurationError: A value is not valid, or there is no such fault.
    """

    eagain_reads: int = 0
    eagain_writes: int = 0
    eintr_reads: int = 0
    eintr_writes: int = 0
    short_write_max: int | None = None
    disconnected: bool = False
    raise_eio_on_read: bool = False
    parity_errors: int = 0

    def __post_init__(self) -> None:
        """Begin a plan that no port follows yet."""
        self._lock = threading.Lock()
        self._listener = None

    @override
    def __reduce__(self) -> Any:
        """Copy and pickle the faults only."""
        return FaultPlan, tuple(getattr(self, item.name) for item in fields(self))

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        _check(name, value)
        object.__setattr__(self, name, value)
        if name == "disconnected" and value:
            # A fresh plan has no listener yet: its faults are set before.
            reference = getattr(self, "_listener", None)
            listener = reference and reference()
            if listener is not None:
                listener()

    def take(self, counter: str) -> bool:
        """Run a counter down by one, for the backend that gives the fault.

        Returns:
            Whether there was one left.
        """
        with self._lock:
            left: int = getattr(self, counter)
            if left:
                object.__setattr__(self, counter, left - 1)
            return left > 0

    def on_disconnect(self, listener: Callable[[], None]) -> None:
        """Have a method called, in the setting thread, whenever `disconnected` is set to True.

        Its object is held weakly, so that a port somebody forgot is still found at once.
        """
        self._listener = weakref.WeakMethod(listener)


def _check(name: str, value: object) -> None:
    try:
        if name in _COUNTERS:
            check_integer(name, value, 0)
        elif name in _FLAGS:
            check_flag(name, value)
        elif name == "short_write_max" and value is not None:
            check_integer(name, value, 1, also=", or None")
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(str(exc)) from None
    if name not in _NAMES:
        known = ", ".join(item.name for item in fields(FaultPlan))
        raise ConfigurationError(f"FaultPlan has no fault {name!r}; its faults are {known}")
