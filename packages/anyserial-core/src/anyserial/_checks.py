"""The checks of arguments and of settings, and the one form of their messages.

A refusal reads "NAME must be WHAT IS ACCEPTED (got VALUE)". A value of a wrong type is a TypeError,
any other wrong value is a ValueError; for a setting, `_value` makes a ConfigurationError of both.
"""

from typing import Any

__all__ = (
    "as_bytes",
    "as_writable",
    "check_bytes",
    "check_config",
    "check_flag",
    "check_integer",
    "check_positive",
    "check_seconds",
    "check_timeout",
    "limited",
    "refusal",
)

_LONGEST_SHOWN = 1000  # characters of a value in a message
_INFINITY = float("inf")
_FOREVER = 100 * 366 * 86400.0  # a hundred years; the locks and timers of Python overflow at 292


def refusal(name: str, accepted: str, value: object, hint: str = "") -> str:
    """Return the message that refuses a value.

    Args:
        name: The argument or the field.
        accepted: What it must be, as it follows "must be".
        value: What was given.
        hint: What to write instead, if that is known.
    """
    try:
        shown = repr(value)
    except ValueError:
        shown = "an integer of very many digits"  # Python converts 4300 at most
    if len(shown) > _LONGEST_SHOWN:
        shown = f"{shown[:_LONGEST_SHOWN]}..."
    return f"{name} must be {accepted} (got {shown}){hint and '; '}{hint}"


def as_bytes(value: Any, name: str = "data") -> bytes | memoryview:
    """Return what any buffer holds, byte by byte; without a copy if it is contiguous.

    Raises:
        TypeError: *value* is not a buffer.
    """
    try:
        view = memoryview(value)
    except TypeError:
        hint = "encode text first" if isinstance(value, str) else ""
        raise TypeError(refusal(name, "bytes or another buffer", value, hint)) from None
    # An empty view of items longer than a byte cannot be cast.
    return view.cast("B") if view.nbytes and view.c_contiguous else view.tobytes()


def as_writable(value: Any, name: str = "buffer") -> memoryview:
    """Return a view of the bytes of a buffer that can be written to.

    Raises:
        TypeError: *value* is not a writable, contiguous buffer.
        ValueError: It is empty.
    """
    accepted = "a writable, contiguous buffer of at least one byte"
    try:
        view = memoryview(value)
    except TypeError:
        raise TypeError(refusal(name, accepted, value)) from None
    if view.readonly or not view.c_contiguous:
        raise TypeError(refusal(name, accepted, value))
    if not view.nbytes:
        raise ValueError(refusal(name, accepted, value))
    return view.cast("B")


def check_bytes(name: str, value: object) -> None:
    """Raise TypeError unless *value* is bytes or a bytearray, ValueError if it is empty."""
    accepted = "bytes, at least one"
    if not isinstance(value, (bytes, bytearray)):
        raise TypeError(refusal(name, accepted, value))
    if not value:
        raise ValueError(refusal(name, accepted, value))


def check_config(value: object, *, fields: str = "SerialConfig({})") -> None:
    """Raise TypeError unless *value* is a SerialConfig.

    Args:
        value: What was given.
        fields: What to write instead of a rate, which is pySerial's second argument; ``{}`` is the field.
    """
    from anyserial.config import SerialConfig  # noqa: PLC0415  # whose fields are checked by this module

    if not isinstance(value, SerialConfig):
        is_rate = isinstance(value, int) and not isinstance(value, bool)
        hint = f"write {fields.format(f'baudrate={value}')}" if is_rate else ""
        raise TypeError(refusal("config", "a SerialConfig", value, hint))


def check_flag(name: str, value: object) -> bool:
    """Return *value*; raise TypeError unless it is True or False."""
    if not isinstance(value, bool):
        raise TypeError(refusal(name, "True or False", value))
    return value


def check_integer(name: str, value: object, low: int, high: int | None = None, *, also: str = "") -> int:
    """Return *value*; raise TypeError unless it is an integer, ValueError unless it is within the bounds.

    Args:
        name: The argument or the field.
        value: What was given.
        low: The least value accepted.
        high: The greatest value accepted; None for no limit.
        also: What else the caller accepts, for the message: ", or None".
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if low <= value and (high is None or value <= high):
            return int(value)
        error: type[Exception] = ValueError
    else:
        error = TypeError
    accepted = f"an integer, {low} or more" if high is None else f"an integer from {low} to {high}"
    raise error(refusal(name, accepted + also, value))


def check_positive(name: str, value: object) -> None:
    """Raise TypeError unless *value* is an integer, ValueError unless it is at least 1."""
    check_integer(name, value, 1)


def check_seconds(name: str, value: object, *, zero: bool = True, high: float = _INFINITY) -> float:
    """Return a duration as a float; raise TypeError unless it is a number, ValueError unless it is within the bounds.

    Args:
        name: The argument or the field.
        value: What was given; infinity is refused, and so is an integer that no float can hold.
        zero: Whether 0 is accepted.
        high: The greatest value accepted; infinity for any that is finite.
    """
    error: type[Exception] = TypeError
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = _INFINITY
        if 0 <= seconds <= high and seconds < _INFINITY and (zero or seconds):
            return seconds
        error = ValueError
    if high < _INFINITY:
        accepted = f"a number of seconds from 0 to {high}"
    else:
        accepted = f"a finite number of seconds{', 0 or more' if zero else ' above 0'}"
    raise error(refusal(name, accepted, value))


def check_timeout(timeout: object, name: str = "timeout") -> None:
    """Check a timeout: a number of seconds, or None to wait without limit.

    Infinity is accepted, and so is an integer that no float can hold: both wait without limit.
    `limited` tells such a timeout from one that ends.

    Raises:
        TypeError: *timeout* is neither None nor a number.
        ValueError: *timeout* is negative or not a number (NaN).
    """
    if timeout is None:
        return
    error: type[Exception] = TypeError
    if isinstance(timeout, (int, float)) and not isinstance(timeout, bool):
        if timeout >= 0:
            return
        error = ValueError
    raise error(refusal(name, "a number of seconds, 0 or more, or None to wait without limit", timeout))


def limited(seconds: float | None) -> float | None:
    """Return a checked timeout as a float that any clock can take, or None if it is without limit.

    None, infinity and whatever exceeds a hundred years are without limit. So no caller meets an
    OverflowError: a float cannot hold 10**400, and locks and timers cannot take 1e10.
    """
    return None if seconds is None or seconds > _FOREVER else float(seconds)
