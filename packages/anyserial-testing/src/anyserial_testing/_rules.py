"""What a simulated device does when: the rules that answer requests, and what it sends periodically.

Nothing here receives or sends; see `_device` and `_line`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyserial._spi import check_positive, check_seconds, refusal
from anyserial.exceptions import ConfigurationError

if TYPE_CHECKING:
    from anyserial_testing._device import SimulatedDevice
    from anyserial_testing._line import Line

__all__ = ("Pattern", "Period", "Reply", "Request", "Rule")

type Reply = bytes | Sequence[bytes] | Callable[["Request"], bytes | None] | None
"""What a rule answers."""

type Pattern = bytes | re.Pattern[bytes] | Callable[[bytes], object] | None
"""What a rule matches."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One request that a simulated device received.

    Attributes:
        data: The bytes, with the delimiter.
        seconds: When its last byte arrived, in seconds since the device was first attached to a port.
        device: The device that received it.
        match: What the pattern matched, if the rule has a regular expression.
    """

    data: bytes
    seconds: float
    device: "SimulatedDevice"
    match: re.Match[bytes] | None = None


class Rule:
    """One rule: which requests it is for, and what is answered.

    Raises:
        ConfigurationError: An argument is not valid.
    """

    def __init__(self, pattern: Pattern, reply: Reply, delay: float, times: int | None) -> None:
        try:
            check_seconds("delay", delay)
            if times is not None:
                check_positive("times", times)
            _check(pattern, reply)
        except (TypeError, ValueError) as exc:
            raise ConfigurationError(str(exc)) from None
        self.pattern, self.reply, self.delay, self.left = pattern, reply, delay, times
        self._used = 0

    def matches(self, data: bytes) -> tuple[bool, re.Match[bytes] | None]:
        """Return whether the rule is for this request, and what a regular expression matched."""
        if self.left == 0:
            return False, None
        if isinstance(self.pattern, re.Pattern):
            match = self.pattern.fullmatch(data)
            return match is not None, match
        if callable(self.pattern):
            return bool(self.pattern(data)), None
        return self.pattern is None or self.pattern == data, None

    def answer(self, request: Request) -> bytes | None:
        """Count the use, and return the reply to *request*."""
        self._used += 1
        if self.left is not None:
            self.left -= 1
        if callable(self.reply):
            return self.reply(request)
        if self.reply is None or isinstance(self.reply, bytes):
            return self.reply
        return self.reply[min(self._used, len(self.reply)) - 1]


def _check(pattern: object, reply: object) -> None:
    if not (pattern is None or isinstance(pattern, (bytes, re.Pattern)) or callable(pattern)):
        raise TypeError(refusal("pattern", "bytes, a compiled pattern of bytes, a function, or None", pattern))
    if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):  # pyright: ignore[reportUnknownMemberType]
        raise TypeError(refusal("pattern", "a pattern of bytes, re.compile(rb'...')", pattern.pattern))
    if reply is None or isinstance(reply, bytes) or callable(reply):
        return
    accepted = "bytes, a sequence of bytes that is not empty, a function, or None"
    if not isinstance(reply, (list, tuple)) or not reply or not all(isinstance(item, bytes) for item in reply):  # pyright: ignore[reportUnknownVariableType]
        raise TypeError(refusal("reply", accepted, reply))  # pyright: ignore[reportUnknownArgumentType]


class Period:
    """One periodic output."""

    def __init__(self, line: "Line", output: Callable[[], bytes | None], seconds: float, times: int | None) -> None:
        self._line, self._output, self._seconds, self._left = line, output, seconds, times
        self._round = 0

    def begin(self) -> None:
        """Send from now on, the first time after the period."""
        self._round += 1
        self._plan(self._round, self._line.now + self._seconds)

    def pause(self) -> None:
        """Send no more until `begin`."""
        self._round += 1

    def stop(self) -> None:
        """Never send again."""
        self._left = 0

    def _plan(self, turn: int, when: float) -> None:
        self._line.at(when, lambda: self._fire(turn, when))

    def _fire(self, turn: int, when: float) -> None:
        if turn != self._round or self._left == 0:
            return
        if self._left is not None:
            self._left -= 1
        data = self._output()
        if data:
            self._line.device_sends(data)
        self._plan(turn, when + self._seconds)
