"""Checking a timeout and turning it into a deadline.

Nothing here waits.
"""

import errno
from time import monotonic

from anyserial._spi import check_timeout, limited

__all__ = ("LONGEST_WAIT", "deadline_of", "milliseconds_of", "remaining", "timed_out")

LONGEST_WAIT = (2**31 - 1) / 1000
"""Seconds: poll(2) takes milliseconds as an int. Longer waits are split."""


def milliseconds_of(timeout: float | None) -> float | None:
    """Check *timeout* and return it as poll(2) takes it, at most `LONGEST_WAIT`; None without limit."""
    check_timeout(timeout)
    seconds = limited(timeout)
    return None if seconds is None else min(seconds, LONGEST_WAIT) * 1000


def deadline_of(timeout: float | None) -> float | None:
    """Check *timeout* and return when it is over, by `time.monotonic`; None for never."""
    check_timeout(timeout)
    seconds = limited(timeout)
    return None if seconds is None else monotonic() + seconds


def remaining(deadline: float | None) -> float | None:
    """Return the seconds until *deadline*, at least 0; None if there is none."""
    return None if deadline is None else max(deadline - monotonic(), 0.0)


def timed_out(what: str, path: str) -> TimeoutError:
    """Return the error of a call whose time is over."""
    return TimeoutError(errno.ETIMEDOUT, f"{what} before the timeout", path)
