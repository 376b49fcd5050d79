"""One fault of a schedule: what happens, in which direction, and when. Its text form is here too.

Whether a fault is due is decided in `_schedule`; what a backend does about it is the backend's.
"""

import re
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, override

from anyserial._spi import check_integer, check_positive, check_seconds
from anyserial.exceptions import ConfigurationError

__all__ = ("DAMAGE", "KINDS", "Direction", "Fault", "FaultKind", "number", "parse_fault")

type FaultKind = Literal[
    "eagain",
    "eintr",
    "eio",
    "enodev",
    "short_read",
    "short_write",
    "stall",
    "parity",
    "framing",
    "break",
    "overrun",
    "hangup",
    "replug",
]
"""What goes wrong."""

type Direction = Literal["read", "write"]
"""Which operations a fault concerns."""

# The directions that a kind can have; the first is the default.
_BOTH = ("read", "write")
KINDS: Final[dict[str, tuple[str, ...]]] = {
    "eagain": _BOTH,
    "eintr": _BOTH,
    "eio": _BOTH,
    "enodev": _BOTH,
    "short_read": ("read",),
    "short_write": ("write",),
    "stall": _BOTH,
    "parity": ("read",),
    "framing": ("read",),
    "break": ("read",),
    "overrun": ("read",),
    "hangup": _BOTH,
    "replug": _BOTH,
}
DAMAGE: Final = frozenset({"parity", "framing", "break", "overrun"})
_PAUSES: Final = frozenset({"stall", "replug"})
_REPEATED: Final = frozenset({"eagain", "eintr"})  # the call is made again at once
_SHORT: Final = frozenset({"short_read", "short_write"})
_TRIGGERS: Final = ("at_byte", "at_operation", "after", "probability")
_WORD: Final = re.compile(r"([a-z_]+)=(\S+)")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of `FaultPlan.schedule`: what happens, and the one thing that triggers it.

    Exactly one of *at_byte*, *at_operation*, *after* and *probability* must be given.

    ================ ==================================================================================
    kind             what happens
    ================ ==================================================================================
    ``eagain``       the call finds nothing, or nothing is taken; the port tries again
    ``eintr``        the call is interrupted by a signal, and repeated
    ``eio``          the call fails with EIO and without a hang-up: SerialError, the port stays usable
    ``enodev``       the call fails with ENODEV: SerialDisconnectedError; the device can be opened again
    ``short_read``   the read returns at most *size* bytes
    ``short_write``  the write takes at most *size* bytes
    ``stall``        nothing moves in this direction for *seconds*
    ``parity``       a received byte is damaged (its lowest bit is inverted)
    ``framing``      the same, counted as a framing error (its highest bit is inverted)
    ``break``        a break arrives before a received byte
    ``overrun``      a received byte is lost
    ``hangup``       the device is unplugged and stays away: `FaultPlan.disconnected` is set
    ``replug``       the device is unplugged, and can be opened again after *seconds*
    ================ ==================================================================================

    Attributes:
        kind: What happens.
        on: ``"read"`` or ``"write"``: the direction whose bytes and operations count, and whose call
            fails. None for ``"read"``, or ``"write"`` for a short write.
        at_byte: Happens before byte number *at_byte* of the direction is moved, 0 for the first; for
            damage, that byte is damaged.
        at_operation: Happens in this read that finds bytes, or in this write; 1 for the first.
        after: Happens in the first operation this many seconds after the port was first read or written,
            by the clock of the event loop that the port is used in (`time.monotonic` outside of one).
        probability: Chance in each operation, or for damage of each byte; above 0, at most 1. ``eagain`` and
            ``eintr`` need *times* with 1, because the call would never end.
        times: How often it happens; None for no limit. The default is 1, or no limit with *probability*.
        size: For short reads and writes: the most bytes that are moved, at least 1.
        seconds: For a stall and a replug: how long it lasts.

    Raises:
        ConfigurationError: A value is not valid, or does not go with the kind.
    """

    kind: FaultKind
    on: Direction | None = None
    at_byte: int | None = None
    at_operation: int | None = None
    after: float | None = None
    probability: float | None = None
    times: int | None = None
    size: int = 1
    seconds: float = 1.0

    def __post_init__(self) -> None:
        """Check every value."""
        directions = KINDS.get(self.kind)
        if directions is None:
            raise ConfigurationError(f"kind must be one of {', '.join(KINDS)} (got {self.kind!r})")
        if self.on is None:
            object.__setattr__(self, "on", directions[0])
        elif self.on not in directions:
            raise ConfigurationError(
                f"on must be {' or '.join(map(repr, directions))} for {self.kind} (got {self.on!r})"
            )
        given = [name for name in _TRIGGERS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ConfigurationError(
                f"{self.kind} needs exactly one of {', '.join(_TRIGGERS)} (got {', '.join(given) or 'none'})"
            )
        try:
            self._check_values()
        except (TypeError, ValueError) as exc:
            raise ConfigurationError(str(exc)) from None
        if self.times is None and self.probability is None:
            object.__setattr__(self, "times", 1)

    def _check_values(self) -> None:
        if self.at_byte is not None:
            check_integer("at_byte", self.at_byte, 0)
        if self.at_operation is not None:
            check_integer("at_operation", self.at_operation, 1)
        if self.after is not None:
            check_seconds("after", self.after)
        if self.probability is not None:
            check_seconds("probability", self.probability, zero=False)
            if self.probability > 1:
                raise ValueError(f"probability must be above 0 and at most 1 (got {self.probability!r})")
        if self.kind in _REPEATED and self.probability == 1 and self.times is None:
            raise ValueError(f"{self.kind} with a probability of 1 needs times: a call that always meets it never ends")
        if self.times is not None:
            check_integer("times", self.times, 1, also=", or None")
        check_positive("size", self.size)
        check_seconds("seconds", self.seconds)
        if self.size != 1 and self.kind not in _SHORT:
            raise ValueError(f"size is for short_read and short_write; a fault of kind {self.kind} has none")
        if self.seconds != 1.0 and self.kind not in _PAUSES:
            raise ValueError(f"seconds is for stall and replug; a fault of kind {self.kind} has none")

    @property
    def is_damage(self) -> bool:
        """Whether it happens to a received byte rather than to a call."""
        return self.kind in DAMAGE

    @override
    def __str__(self) -> str:
        """Return the fault as `FaultPlan.parse` reads it."""
        words: list[str] = [self.kind, str(self.on)]
        words += [f"{name}={getattr(self, name)!r}" for name in _TRIGGERS if getattr(self, name) is not None]
        if self.times != (1 if self.probability is None else None):
            words.append(f"times={self.times!r}")
        if self.kind in _SHORT:
            words.append(f"size={self.size!r}")
        if self.kind in _PAUSES:
            words.append(f"seconds={self.seconds!r}")
        return " ".join(words)


def parse_fault(text: str) -> Fault:
    """Return the fault that ``str(fault)`` gave as *text*.

    Raises:
        ConfigurationError: It is not a printed fault.
    """
    kind, *words = text.split()
    arguments: dict[str, Any] = {}
    known = {field.name for field in fields(Fault)} - {"kind", "on"}
    for word in words:
        if word in _BOTH:
            arguments["on"] = word
        elif (match := _WORD.fullmatch(word)) is not None and match[1] in known:
            arguments[match[1]] = number(match[2], match[1])
        else:
            raise ConfigurationError(
                f"a fault is a kind, read or write, and name=value words (got {word!r} in {text!r})"
            )
    return Fault(kind, **arguments)  # type: ignore[arg-type]  # checked there


def number(text: str, name: str) -> int | float | bool | None:
    """Return the value that *text* spells: True, False, None, or a number."""
    words: dict[str, bool | None] = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"{name} must be a number, True, False or None (got {text!r})") from None
