"""Checks of arguments that the type checkers cannot make for everybody.

For arguments of calls; settings have their own in `config`, which raise ConfigurationError.
"""

import math
from typing import Any

from anyserial.config import SerialConfig

__all__ = ("as_bytes", "check_config", "check_flag", "check_positive", "check_seconds")


def as_bytes(value: Any) -> bytes | memoryview:
    """Return what any buffer holds, byte by byte; without a copy if it is contiguous.

    Raises:
        TypeError: *value* is no buffer.
    """
    try:
        view = memoryview(value)
    except TypeError:
        hint = "; encode text first" if isinstance(value, str) else ""
        raise TypeError(f"only bytes and other buffers can be sent (got {value!r}){hint}") from None
    # An empty view of items longer than a byte cannot be cast.
    return view.cast("B") if view.nbytes and view.c_contiguous else view.tobytes()


def check_flag(name: str, value: object) -> None:
    """Raise TypeError unless *value* is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False (got {value!r})")


def check_positive(name: str, value: object) -> None:
    """Raise TypeError unless *value* is an integer, ValueError unless it is at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer (got {value!r})")
    if value < 1:
        raise ValueError(f"{name} must be at least 1 (got {value!r})")


def check_seconds(name: str, value: object, *, zero: bool = True) -> None:
    """Raise TypeError unless *value* is a number, ValueError unless it is finite and >= 0, or > 0 without *zero*."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds (got {value!r})")
    if not 0 <= value < math.inf or (value == 0 and not zero):
        accepted = "0 or more" if zero else "above 0"
        raise ValueError(f"{name} must be a finite number of seconds, {accepted} (got {value!r})")


def check_config(value: object) -> None:
    """Raise TypeError unless *value* is a SerialConfig."""
    if not isinstance(value, SerialConfig):
        raise TypeError(f"config must be a SerialConfig (got {value!r})")
