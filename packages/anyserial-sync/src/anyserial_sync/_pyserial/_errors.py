"""pySerial's exceptions, as subclasses of anyserial's, and the way from one to the other.

Everything that anyserial raises about a port reaches a pySerial program as an exception that is both: a
`SerialException`, as the program expects, and the class of anyserial's that says what happened. So
``except serial.SerialException`` and ``except anyserial.SerialDisconnectedError`` both catch an unplug.
Errno, message and path are kept, in the form that pySerial gives them: programs compare both.
"""

import errno
import os
from typing import TYPE_CHECKING, override

from anyserial._spi import translate_errors_with
from anyserial.exceptions import (
    LineError,
    PortBusyError,
    PortNotFoundError,
    PortPermissionError,
    SerialCancelledError,
    SerialClosedError,
    SerialDisconnectedError,
    SerialError,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
    UnsupportedPlatformError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("PortNotOpenError", "SerialException", "SerialTimeoutException", "as_serial_exception", "as_value_error")


class SerialException(SerialError):  # noqa: N818  # pySerial's name
    """A port failed: it cannot be opened, the device is gone, or the system refused a call."""

    @override
    def __str__(self) -> str:
        # Programs print this, and some look into it: number and message, as pySerial has it.
        return str(OSError(*self.args)) if self.filename is None else str(OSError(self.errno, self.strerror))


class SerialTimeoutException(SerialException):
    """A write was not finished within ``write_timeout``."""


class PortNotOpenError(SerialException):
    """A method needs an open port, and this one is not open."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(args or ("Attempting to use a port that is not open",)))


class PortBusyException(SerialException, PortBusyError):  # noqa: N818  # as its kin
    """See its bases."""


class PortNotFoundException(SerialException, PortNotFoundError):  # noqa: N818  # as its kin
    """See its bases."""


class PortPermissionException(SerialException, PortPermissionError):  # noqa: N818  # as its kin
    """See its bases."""


class PortClosedException(PortNotOpenError, SerialClosedError):  # noqa: N818  # as its kin
    """See its bases."""


class DisconnectedException(SerialException, SerialDisconnectedError):  # noqa: N818  # as its kin
    """See its bases."""


class CancelledException(SerialException, SerialCancelledError):  # noqa: N818  # as its kin
    """See its bases."""


class LineException(SerialException, LineError):  # noqa: N818  # as its kin
    """See its bases."""


class UnsupportedFeatureException(SerialException, UnsupportedFeatureError):  # noqa: N818  # as its kin
    """See its bases."""


class UnsupportedConfigurationException(SerialException, UnsupportedConfigurationError):  # noqa: N818  # as its kin
    """See its bases."""


class UnsupportedPlatformException(SerialException, UnsupportedPlatformError):  # noqa: N818  # as its kin
    """See its bases."""


_READING = "read failed"
_OPENING_FAILS = (PortBusyError, PortNotFoundError, PortPermissionError)
_TWINS: "Sequence[tuple[type[SerialError], type[SerialException]]]" = (
    (PortBusyError, PortBusyException),
    (PortNotFoundError, PortNotFoundException),
    (PortPermissionError, PortPermissionException),
    (SerialClosedError, PortClosedException),
    (SerialDisconnectedError, DisconnectedException),
    (SerialCancelledError, CancelledException),
    (LineError, LineException),
    (UnsupportedFeatureError, UnsupportedFeatureException),
    (UnsupportedConfigurationError, UnsupportedConfigurationException),
    (UnsupportedPlatformError, UnsupportedPlatformException),
)


def as_serial_exception(exc: OSError, doing: str = "", *, exclusive: bool = False) -> SerialException:
    """Return what *exc* is to a pySerial program; raise it ``from`` *exc*.

    Args:
        exc: What anyserial or the system raised.
        doing: Words before the message, such as ``read failed``.
        exclusive: Whether the port was to be opened exclusively.

    Returns:
        A `SerialException` of the class of anyserial's that *exc* has, with pySerial's errno and words.
    """
    if isinstance(exc, SerialException):
        return exc
    twin = next((twin for own, twin in _TWINS if isinstance(exc, own)), SerialException)
    number = exc.errno
    if isinstance(exc, SerialDisconnectedError):
        number = errno.EIO  # what the kernel answers; anyserial's ENODEV is its own
    elif isinstance(exc, PortBusyError) and exclusive:
        number = errno.EAGAIN  # flock's, which is pySerial's only lock
    message = _message(exc, doing, number)
    if number is None and exc.filename is None:
        return twin(message)
    return twin(number, message, *((exc.filename,) if exc.filename is not None else ()))


def _message(exc: OSError, doing: str, number: int | None) -> str:
    """Return pySerial's words, with anyserial's behind them.

    Programs look for the system's own text in a message, and for some of pySerial's.
    """
    own = exc.strerror or str(exc)
    system = None if number is None else f"[Errno {number}] {os.strerror(number)}"
    if isinstance(exc, _OPENING_FAILS):
        doing = f"could not open port {exc.filename}"
        if number == errno.EAGAIN:
            doing = f"Could not exclusively lock port {exc.filename}"
        elif system is not None:
            system = f"{system}: {exc.filename!r}"
    elif isinstance(exc, SerialDisconnectedError) and doing in {_READING, ""}:
        own = f"device reports readiness to read but returned no data; {own}"
    if system is not None:
        own = system if own in system else f"{system}; {own}"
    return f"{doing}: {own}" if doing else own


def as_value_error(exc: OSError, doing: str) -> ValueError:
    """Return the ValueError that pySerial raises for a setting that the driver refuses; raise it ``from`` *exc*.

    It is a `SerialException` as well.
    """
    message = f"{doing}: {exc.strerror or exc}"
    if exc.errno is None:
        return UnsupportedConfigurationException(message)
    return UnsupportedConfigurationException(exc.errno, message, exc.filename)


translate_errors_with(as_serial_exception)  # in `anyserial.asyncio`, whose programs catch SerialException as well
