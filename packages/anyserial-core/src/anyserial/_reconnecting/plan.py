"""When to try to open a device again, and when to give up: a table, without I/O.

Theory of operation. A device that is expected to come back is in one of six states. The runner of a face
tells what happened; `TABLE` gives the next state and what to do now. The states differ in what ends their
wait:

- ABSENT has no timer. Any sign of change ends it, because the device may have come.
- SETTLING, FAILING and RESTING have a timer. Only an arrival (a port that came, or that you may open now)
  ends their wait early. Other changes do not, because an attempt to open a device may itself cause them, and
  then nothing would bound the attempts.

The pauses grow, and shrink back when a port stays open for `STEADY` seconds. A device that opens and fails at
once is therefore not opened in a busy loop.

How the device is found, opened and waited for is not known here.
"""

import errno
from typing import TYPE_CHECKING, Final

from anyserial.exceptions import (
    ConfigurationError,
    PortBusyError,
    PortNotFoundError,
    PortPermissionError,
    SerialError,
    UnsupportedAsyncBackendError,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
    UnsupportedPlatformError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyserial.discovery import PortEvent

__all__ = (
    "ABSENT",
    "DUE",
    "FAILING",
    "FIRST_PAUSE",
    "LONGEST_PAUSE",
    "LONGEST_SETTLING",
    "RECONNECT_HINT",
    "RESTING",
    "SETTLING",
    "SHORTEST_SETTLING",
    "STEADY",
    "TABLE",
    "UP",
    "Plan",
)

RECONNECT_HINT = "to wait for the device to come back, catch SerialDisconnectedError inside the loop over reconnect()"

# Seconds
FIRST_PAUSE = 0.1  # before the second attempt in a row
LONGEST_PAUSE = 5.0
STEADY = 5.0  # after this long, an open port counts as a success
SHORTEST_SETTLING = 0.02  # between two attempts right after a plug-in
LONGEST_SETTLING = 0.25

# States
DUE: Final = "due"  # an attempt is to be made now
ABSENT: Final = "absent"  # there is no such device
SETTLING: Final = "settling"  # it is there, but busy or not permitted: so soon after a plug-in, that may pass
FAILING: Final = "failing"  # it is there, and does not open
UP: Final = "up"  # the caller has the open port
RESTING: Final = "resting"  # the last round was short

# Actions
_TRY, _WATCH, _SETTLE, _PAUSE, _RAISE, _HAND_OVER, _STAY = "try", "watch", "settle", "pause", "raise", "give", "stay"

_ATTEMPTS = {
    "opened": (UP, _HAND_OVER),
    "not found": (ABSENT, _WATCH),
    "not yet": (SETTLING, _SETTLE),
    "failed": (FAILING, _PAUSE),
    "wrong": (DUE, _RAISE),
}
_TIMED = {
    "arrived": (DUE, _TRY),
    "time over": (DUE, _TRY),
}

TABLE: dict[str, dict[str, tuple[str, str]]] = {
    # state: what happened -> the next state, and what to do
    DUE: _ATTEMPTS,
    ABSENT: {"arrived": (DUE, _TRY), "changed": (DUE, _TRY), "failed": (FAILING, _PAUSE)},
    SETTLING: {**_TIMED, "changed": (SETTLING, _STAY), "failed": (SETTLING, _STAY)},
    FAILING: {**_TIMED, "changed": (FAILING, _STAY), "failed": (FAILING, _PAUSE)},
    RESTING: {**_TIMED, "changed": (RESTING, _STAY), "failed": (FAILING, _PAUSE)},
    UP: {"over": (RESTING, _PAUSE)},
}

_WRONG = (
    ConfigurationError,
    UnsupportedAsyncBackendError,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
    UnsupportedPlatformError,
)


def kind_of(error: BaseException) -> str:
    """Return which event of `TABLE` a failed attempt is."""
    match error:
        case PortNotFoundError():
            return "not found"
        case PortBusyError() | PortPermissionError():
            return "not yet"
        case SerialError() if not isinstance(error, _WRONG) and error.errno != errno.ENOTTY:
            return "failed"
        case _:
            return "wrong"  # trying again does not help


def _why(error: BaseException) -> str:
    """Return the reason without the path, which each line begins with."""
    return str((isinstance(error, SerialError) and error.strerror) or error)


class Plan:
    """What to do next about one device.

    Args:
        settle: Seconds that a device may be busy or not permitted after it came, >= 0.
        report: Is called with a line of text about each change.

    Attributes:
        state: One of the states above.
    """

    __slots__ = ("_due", "_gives_up", "_opened_at", "_pause", "_reason", "_report", "_settle", "_settling", "state")

    def __init__(self, settle: float, report: "Callable[[str], object]") -> None:
        self._settle = settle
        self._report = report
        self.state = DUE
        self._due = 0.0
        self._gives_up: float | None = None
        self._settling = 0.0
        self._pause = 0.0
        self._opened_at = 0.0
        self._reason = ""

    def patience(self, now: float) -> float | None:
        """Return how long to wait for a change before the next attempt.

        Args:
            now: The time, in seconds of any clock that does not go back.

        Returns:
            Seconds; 0 when the attempt is to be made now, None to wait without limit.
        """
        if self.state == ABSENT:
            return None
        if self.state != DUE and self._due <= now:
            self._move("time over")
        return 0.0 if self.state == DUE else self._due - now

    def heard(self, events: "Sequence[PortEvent]") -> None:
        """Note that something changed.

        Args:
            events: The ports that came and went; empty if only something was seen to change, or if a watch
                begins that does not know what changed before.
        """
        if self.state != DUE:
            self._move("arrived" if any(event.kind == "added" for event in events) else "changed")

    def opened(self, now: float) -> None:
        """Note that the caller gets an open port."""
        self._move("opened")
        self._reason = ""
        self._gives_up = None
        self._opened_at = now
        self._report("open")

    def over(self, now: float, *, gone: bool) -> None:
        """Note that the caller has finished with the open port.

        Args:
            now: The time.
            gone: Whether the device is gone.
        """
        up = now - self._opened_at
        if up >= STEADY:
            self._pause = 0.0
        self._move("over")
        self._back_off(now)
        rest = f"; next attempt in {self._due - now:g} s" if self._due > now else ""
        self._report(f"{'disconnected' if gone else 'closed'} after {up:.3g} s{rest}")

    def failed(self, error: BaseException, now: float) -> None:
        """Note that an attempt failed.

        Raises:
            BaseException: *error*, if it is not to be tried again.
        """
        action = self._move(kind_of(error))
        if action != _SETTLE:
            self._gives_up = None
        match action:
            case "watch":
                # Each sign of change is followed by an attempt. What it finds is reported if it is news.
                before, self._reason = self._reason, _why(error)
                if self._reason != before:
                    self._report(f"not there, waiting for it ({self._reason})")
            case "settle":
                self._settle_down(error, now)
            case "pause":
                self._pause = self._pause or FIRST_PAUSE
                self._back_off(now)
                self._report(f"cannot be opened, next attempt in {self._due - now:.3g} s ({_why(error)})")
            case _:
                raise error

    def lost_sight(self, error: BaseException, now: float) -> None:
        """Note that the system could not be watched, for want of descriptors or memory: look again after a pause."""
        if self._move("failed") == _PAUSE and self._due <= now:
            self._pause = self._pause or FIRST_PAUSE
            self._back_off(now)
            self._report(f"cannot be watched, next attempt in {self._due - now:.3g} s ({_why(error)})")

    def _settle_down(self, error: BaseException, now: float) -> None:
        if self._gives_up is None:
            self._gives_up = now + self._settle
            self._settling = SHORTEST_SETTLING
            self._report(f"not ready yet, trying for {self._settle:g} s ({_why(error)})")
        if now >= self._gives_up:
            self.state, self._gives_up = DUE, None  # a caller that goes on all the same gets a new try
            raise error
        self._due = min(now + self._settling, self._gives_up)
        self._settling = min(self._settling * 2, LONGEST_SETTLING)

    def _back_off(self, now: float) -> None:
        self._due = now + self._pause
        self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)

    def _move(self, event: str) -> str:
        self.state, action = TABLE[self.state][event]
        return action
