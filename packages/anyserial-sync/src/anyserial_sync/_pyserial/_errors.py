"""pySerial's exceptions, as subclasses of anyserial's, and the way from one to the other.

Everything that anyserial raises about a port reaches a pySerial program as an exception that is both: a
`SerialException`, as the program expects, and the class of anyserial's that says what happened. So
``except serial.SerialException`` and ``except anyserial.SerialDisconnectedError`` both catch an unplug.
Errno, message and path are kept.
"""

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


def as_serial_exception(exc: OSError, doing: str = "") -> SerialException:
    """Return what *exc* is to a pySerial program; raise it ``from`` *exc*.

    Args:
        exc: What anyserial or the system raised.
        doing: Words before the message, such as ``could not open port``.

    Returns:
        A `SerialException` with the errno of *exc*, which is also of the class of anyserial's that *exc* has.
    """
    if isinstance(exc, SerialException):
        return exc
    twin = next((twin for own, twin in _TWINS if isinstance(exc, own)), SerialException)
    message = exc.strerror or str(exc)
    if doing:
        message = f"{doing}: {message}"
    if exc.errno is None and exc.filename is None:
        return twin(message)
    return twin(exc.errno, message, *((exc.filename,) if exc.filename is not None else ()))


def as_value_error(exc: OSError, doing: str) -> ValueError:
    """Return the ValueError that pySerial raises for a setting that the driver refuses; raise it ``from`` *exc*.

    It is a `SerialException` as well.
    """
    return UnsupportedConfigurationException(exc.errno, f"{doing}: {exc.strerror or exc}", exc.filename)


translate_errors_with(as_serial_exception)  # in `anyserial.asyncio`, whose programs catch SerialException as well
