"""Checking a timeout and turning it into a deadline.

Nothing here waits.
"""

import errno
import math
from time import monotonic

__all__ = ("LONGEST_WAIT", "check_timeout", "deadline_of", "limited", "milliseconds_of", "remaining", "timed_out")

LONGEST_WAIT = (2**31 - 1) / 1000
"""Seconds: poll(2) takes milliseconds as an int. Longer waits are split."""


def check_timeout(timeout: object) -> None:
    """Check an argument ``timeout``.

    Raises:
        TypeError: It is neither None nor a number.
        ValueError: It is negative or not a number (NaN).
    """
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None (got {timeout!r})")
    if not timeout >= 0:
        raise ValueError(f"timeout must be 0 or more seconds, or None to wait without limit (got {timeout!r})")


def limited(timeout: float | None) -> float | None:
    """Check *timeout* and return it in seconds; None if it is None, infinite or too large for a float."""
    check_timeout(timeout)
    if timeout is None:
        return None
    try:
        seconds = float(timeout)
    except OverflowError:
        return None
    return None if seconds == math.inf else seconds


def milliseconds_of(timeout: float | None) -> float | None:
    """Check *timeout* and return it in milliseconds for poll(2), at most `LONGEST_WAIT`; None if there is no limit."""
    seconds = limited(timeout)
    return None if seconds is None else min(seconds, LONGEST_WAIT) * 1000


def deadline_of(timeout: float | None) -> float | None:
    """Check *timeout* and return when it is over, by `time.monotonic`; None if there is no limit."""
    seconds = limited(timeout)
    return None if seconds is None else monotonic() + seconds


def remaining(deadline: float | None) -> float | None:
    """Return the seconds until *deadline*, at least 0; None if there is no deadline."""
    return None if deadline is None else max(deadline - monotonic(), 0.0)


def timed_out(what: str, path: str) -> TimeoutError:
    """Return the error of a call whose time is over."""
    return TimeoutError(errno.ETIMEDOUT, f"{what} before the timeout", path)
