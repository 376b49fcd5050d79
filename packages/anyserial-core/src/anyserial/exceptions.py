"""The exception hierarchy.

Only classes live here; ``_errno`` decides which errno becomes which class.
Every exception is a `SerialError` and an `OSError`: it carries ``errno``,
``strerror`` and ``filename`` (the port's path), and keeps them when pickled.
"""

from typing import TYPE_CHECKING, Any, override

import anyio

if TYPE_CHECKING:
    from anyserial._errno import ErrorContext

__all__ = (
    "ConfigurationError",
    "LineError",
    "PortBusyError",
    "PortNotFoundError",
    "PortPermissionError",
    "SerialCancelledError",
    "SerialClosedError",
    "SerialDisconnectedError",
    "SerialError",
    "UnsupportedAsyncBackendError",
    "UnsupportedConfigurationError",
    "UnsupportedFeatureError",
    "UnsupportedPlatformError",
    "errno_to_exception",
)


class SerialError(OSError):
    """Base of everything anyserial raises about a port.

    Attributes:
        errno: The operating system's error number, or None if no system call failed.
        strerror: What went wrong, in words.
        filename: The port's path, or None.
    """

    @override
    def __str__(self) -> str:
        # The path comes first: some messages end with a command, and what follows would be typed along.
        if self.filename is None or self.strerror is None:
            return super().__str__()
        number = "" if self.errno is None else f"[Errno {self.errno}] "
        return f"{number}{self.filename!r}: {self.strerror}"

    @override
    def __repr__(self) -> str:
        """Return the call that builds an equal error: unlike OSError's, it has the path."""
        if self.filename is None:
            return super().__repr__()
        return f"{type(self).__qualname__}({self.errno!r}, {self.strerror!r}, {self.filename!r})"


class ConfigurationError(SerialError, ValueError):
    """A setting is not a valid value; the message names the field, the value and what is accepted."""


class UnsupportedConfigurationError(SerialError, ValueError):
    """The driver does not support a valid value; the previous settings stay in force."""


class UnsupportedFeatureError(SerialError, NotImplementedError):
    """This platform, driver or backend has no such mechanism."""


class UnsupportedPlatformError(SerialError, NotImplementedError):
    """anyserial has no driver for this operating system."""


class PortNotFoundError(SerialError, FileNotFoundError):
    """There is no port at this path, or no device behind it."""


class PortPermissionError(SerialError, PermissionError):
    """You may not open the port; the message says who may, and what you lack."""


class PortBusyError(SerialError):
    """Another program holds the port exclusively, or the kernel uses it; the message names the holder if it can."""


class SerialClosedError(SerialError, anyio.ClosedResourceError):
    """Your program closed the port, or a forked child uses its parent's port."""


class SerialDisconnectedError(SerialError, anyio.BrokenResourceError):
    """The device was unplugged, or the other side hung up.

    Every method raises this until the port is closed.
    """


class SerialCancelledError(SerialError):
    """A blocking call was interrupted by `cancel_receive` or `cancel_send`; the port stays usable."""


class UnsupportedAsyncBackendError(SerialError, RuntimeError):
    """No event loop is running that AnyIO supports."""


class LineError(SerialError):
    """A byte was damaged on the line: a parity, framing or overrun error. Or a break was received.

    Attributes:
        kind: ``"parity_or_framing"``, ``"break"`` or ``"overrun"``. A tty marks
            parity and framing errors in the same way.
        byte: The damaged byte (0..255) as the UART read it; 0 for a break; None for an overrun.
    """

    kind: str
    byte: int | None

    def __init__(self, *args: Any, kind: str = "parity_or_framing", byte: int | None = None) -> None:
        super().__init__(*args)
        self.kind = kind
        self.byte = byte

    @override
    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, kind={self.kind!r}, byte={self.byte!r})"


def errno_to_exception(exc: OSError, *, context: "ErrorContext", path: str | None = None) -> SerialError:
    """Return the SerialError that *exc* means in *context*.

    Args:
        exc: The error of a system call.
        context: What the caller was doing: ``"open"``, ``"lock"``, ``"ioctl"`` (EINVAL and
            ENOTTY mean an unsupported feature), ``"io"`` or ``"configure"`` (EINVAL
            means a refused value).
        path: The port's path; the filename of *exc* if None.

    Returns:
        The exception, with ``__cause__`` set to *exc*, to be raised by the caller.
        A SerialError comes back as it is.

    Raises:
        ValueError: *context* is not one of these.
    """
    from anyserial._errno import translate  # noqa: PLC0415  # the table is not needed to define the classes

    return translate(exc, context=context, path=path)
