"""One table: what was being done, and the errno that came back, to the exception it means.

Every backend raises through it, so that the same failure is the same exception
whatever the platform and the call. `brief` is what a caller sees of such an exception. No policy beyond the
table belongs here.
"""

import errno
from typing import TYPE_CHECKING, Literal

from anyserial import exceptions as exc

if TYPE_CHECKING:
    import anyio

__all__ = ("ErrorContext", "brief", "busy_error", "closed_error", "disconnected_error", "translate")

type ErrorContext = Literal["open", "lock", "ioctl", "io", "configure"]

type _Row = tuple[type[exc.SerialError], str]

_DISCONNECTED: _Row = (exc.SerialDisconnectedError, "the serial device is gone (unplugged or hung up)")
_CLOSED: _Row = (exc.SerialClosedError, "the serial port is closed")
_BUSY: _Row = (exc.PortBusyError, "the serial port is in use")
_PERMISSION: _Row = (exc.PortPermissionError, "no permission to use the serial port")
_NO_FEATURE: _Row = (exc.UnsupportedFeatureError, "the serial driver does not have this feature")
_NO_DEVICE: _Row = (exc.PortNotFoundError, "the device node exists, but there is no device behind it")

_COMMON: dict[int, _Row] = {
    errno.ENODEV: _DISCONNECTED,
    errno.ENXIO: _DISCONNECTED,
    errno.EPIPE: _DISCONNECTED,
    errno.EBADF: _CLOSED,
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EBUSY: _BUSY,
}

_TABLE: dict[str, dict[int, _Row]] = {
    "open": {
        **_COMMON,
        errno.ENOENT: (exc.PortNotFoundError, "there is no serial port at this path"),
        errno.ENOTDIR: (exc.PortNotFoundError, "there is no serial port at this path"),
        errno.ENXIO: _NO_DEVICE,
        errno.ENODEV: _NO_DEVICE,
        errno.ENOTTY: (exc.SerialError, "this is not a serial port (not a tty)"),
        errno.EISDIR: (exc.SerialError, "this is not a serial port (a directory)"),
        errno.EINVAL: (exc.SerialError, "this is not a serial port (not a tty)"),  # what /dev/random answers
        errno.EIO: (exc.SerialError, "the tty has no working serial device behind it"),
    },
    "lock": {
        **_COMMON,
        errno.EAGAIN: _BUSY,
        errno.EWOULDBLOCK: _BUSY,
    },
    "ioctl": {
        **_COMMON,
        errno.EINVAL: _NO_FEATURE,
        errno.ENOTTY: _NO_FEATURE,
        errno.ENOSYS: _NO_FEATURE,
        errno.ENOTSUP: _NO_FEATURE,
        errno.EOPNOTSUPP: _NO_FEATURE,
    },
    "io": _COMMON,
    "configure": {
        **_COMMON,
        errno.EINVAL: (exc.UnsupportedConfigurationError, "the serial driver refuses the settings"),
        errno.ENOTTY: _NO_FEATURE,
    },
}


def translate(
    error: OSError,
    *,
    context: ErrorContext,
    path: str | None = None,
    hung_up: bool = False,
    detail: str | None = None,
    feature: str | None = None,
) -> exc.SerialError:
    """Return the SerialError that *error* means, with ``__cause__`` set to *error*.

    Args:
        error: The system call's error; a SerialError comes back as it is.
        context: What was being done.
        path: The port's path; the error's own filename if None.
        hung_up: Whether POLLHUP or POLLERR was seen beside the error. It alone makes
            EIO a disconnect: usb-serial reports a failed control transfer as EIO too
            (drivers/usb/serial, ``usb_translate_errors``).
        detail: What else is known, added to the message.
        feature: What was asked for, with its article ("modem lines", "a break"), where the driver may lack it.

    Raises:
        ValueError: *context* is not a known one.
    """
    if isinstance(error, exc.SerialError):
        return error
    try:
        table = _TABLE[context]
    except KeyError:
        raise ValueError(f"context must be one of {', '.join(map(repr, _TABLE))} (got {context!r})") from None
    row = _DISCONNECTED if hung_up and context != "open" else table.get(error.errno or 0)
    filename = path if path is not None else error.filename
    if row is None:
        translated = exc.SerialError(error.errno, _with_detail(error.strerror or str(error), detail), filename)
    else:
        cls, message = row
        if row is _NO_FEATURE and feature is not None:
            message = f"the serial driver does not have {feature}"
        translated = cls(error.errno, _with_detail(message, detail), filename)
    translated.__cause__ = error
    return translated


def busy_error(doing: str, path: str, where: str = "") -> "anyio.BusyResourceError":
    """Return the error of a call that finds another call at work, as AnyIO's streams raise it.

    Args:
        doing: What the other call does, up to the path: "receiving from".
        path: The port's path.
        where: What follows the path.
    """
    import anyio  # noqa: PLC0415  # loaded already by a program that has a port

    from anyserial._printable import printable  # noqa: PLC0415  # for messages only

    return anyio.BusyResourceError(f"{doing} {printable(path)}{where}")


def closed_error(path: str | None) -> exc.SerialClosedError:
    """Return the error of a call on a port that was closed on this side."""
    return exc.SerialClosedError(errno.EBADF, _CLOSED[1], path)


def disconnected_error(path: str | None, cause: BaseException | None = None) -> exc.SerialDisconnectedError:
    """Return the error of a call on a port whose device is gone."""
    error = exc.SerialDisconnectedError(errno.ENODEV, _DISCONNECTED[1], path)
    error.__cause__ = cause
    return error


def brief[E: BaseException](error: E) -> E:
    """Return the error of an open or an operation for its caller: without inner frames and redundant causes.

    A cause that is a plain OSError is redundant if it has the same errno, or if the error repeats its words, as it
    does for a host name that cannot be resolved: the number, the words and the path are the error's own. An error that
    is not a SerialError comes back as it is, since it may be a defect.
    """
    if isinstance(error, exc.SerialError):
        cause = error.__cause__
        if isinstance(cause, OSError) and not isinstance(cause, exc.SerialError):
            words = cause.strerror
            if cause.errno == error.errno or (words and words in str(error.strerror)):
                error.__cause__ = None  # which leaves __suppress_context__ set
        error.__traceback__ = None
    return error


def _with_detail(message: str, detail: str | None) -> str:
    return f"{message}: {detail}" if detail else message
