"""Every row of the table from an operation and an errno to an exception."""

import errno
import os
from typing import Any, get_args

import pytest
from anyserial._errno import ErrorContext, closed_error, disconnected_error, translate
from anyserial.exceptions import (
    PortBusyError,
    PortNotFoundError,
    PortPermissionError,
    SerialClosedError,
    SerialDisconnectedError,
    SerialError,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
    errno_to_exception,
)

EVERYWHERE = {
    errno.EBADF: SerialClosedError,
    errno.EACCES: PortPermissionError,
    errno.EPERM: PortPermissionError,
    errno.EBUSY: PortBusyError,
}
GONE = {
    errno.ENODEV: SerialDisconnectedError,
    errno.ENXIO: SerialDisconnectedError,
    errno.EPIPE: SerialDisconnectedError,
}
PLAIN = {errno.EIO: SerialError, errno.EINVAL: SerialError, errno.ENOTTY: SerialError, errno.EMFILE: SerialError}
FEATURE = dict.fromkeys(
    (errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP), UnsupportedFeatureError
)
TABLE: dict[str, dict[int, type[SerialError]]] = {
    "open": {
        **PLAIN,
        **EVERYWHERE,
        errno.EPIPE: SerialDisconnectedError,
        errno.ENOENT: PortNotFoundError,
        errno.ENOTDIR: PortNotFoundError,
        errno.ENXIO: PortNotFoundError,
        errno.ENODEV: PortNotFoundError,
        errno.EISDIR: SerialError,
    },
    "lock": {**PLAIN, **EVERYWHERE, **GONE, errno.EAGAIN: PortBusyError, errno.EWOULDBLOCK: PortBusyError},
    "ioctl": {**PLAIN, **EVERYWHERE, **GONE, **FEATURE},
    "io": {**PLAIN, **EVERYWHERE, **GONE, errno.ENOENT: SerialError, errno.EAGAIN: SerialError},
    "configure": {
        **PLAIN,
        **EVERYWHERE,
        **GONE,
        errno.EINVAL: UnsupportedConfigurationError,
        errno.ENOTTY: UnsupportedFeatureError,
    },
}
ROWS = [(context, number, cls) for context, rows in TABLE.items() for number, cls in rows.items()]


def test_every_context_is_in_the_table() -> None:
    assert set(TABLE) == set(get_args(ErrorContext.__value__))


@pytest.mark.parametrize(("context", "number", "cls"), ROWS)
def test_a_row(context: Any, number: int, cls: type[SerialError]) -> None:
    cause = OSError(number, os.strerror(number))
    for error in (
        translate(cause, context=context, path="/dev/x"),
        errno_to_exception(cause, context=context, path="/dev/x"),
    ):
        assert type(error) is cls
        assert error.errno == number
        assert error.filename == "/dev/x"
        assert error.strerror
        assert error.__cause__ is cause


@pytest.mark.parametrize("context", TABLE)
def test_what_hung_up_is_gone_unless_it_was_being_opened(context: Any) -> None:
    error = translate(OSError(errno.EIO, "low"), context=context, path="/dev/x", hung_up=True)
    assert isinstance(error, SerialDisconnectedError) is (context != "open")
    assert error.errno == errno.EIO


@pytest.mark.parametrize("context", TABLE)
def test_an_errno_that_is_not_in_the_table_keeps_its_words(context: Any) -> None:
    error = translate(OSError(errno.ENOSPC, "No space"), context=context, path="/dev/x")
    assert type(error) is SerialError
    assert (error.errno, error.strerror, error.filename) == (errno.ENOSPC, "No space", "/dev/x")


def test_an_error_without_a_number_keeps_its_words() -> None:
    error = translate(OSError("something"), context="io", path="/dev/x")
    assert type(error) is SerialError
    assert str(error) == "'/dev/x': something"


def test_the_error_s_own_path_serves_where_none_is_given() -> None:
    assert translate(OSError(errno.ENOENT, "low", "/dev/y"), context="open").filename == "/dev/y"


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOSPC])
def test_a_detail_is_added(number: int) -> None:
    error = translate(OSError(number, "low"), context="open", path="/dev/x", detail="a link to nowhere")
    assert str(error.strerror).endswith(": a link to nowhere")


def test_a_message_ends_with_what_to_do() -> None:
    """And not with the path, which would be read as a part of the command."""
    error = translate(OSError(errno.EACCES, "low"), context="open", path="/dev/x", detail="sudo usermod -aG dialout me")
    assert str(error) == f"[Errno {errno.EACCES}] '/dev/x': {error.strerror}"
    assert str(error).endswith("sudo usermod -aG dialout me")


def test_a_missing_feature_is_named() -> None:
    for number in FEATURE:
        error = translate(OSError(number, "low"), context="ioctl", path="/dev/x", feature="modem lines")
        assert error.strerror == "the serial driver does not have modem lines"
    error = translate(OSError(errno.EIO, "low"), context="ioctl", path="/dev/x", feature="modem lines")
    assert error.strerror == "low"


def test_a_serial_error_comes_back_as_it_is() -> None:
    error = PortBusyError(errno.EBUSY, "taken")
    assert translate(error, context="io", path="/dev/x", hung_up=True) is error


def test_an_unknown_context_is_named() -> None:
    with pytest.raises(ValueError, match=r"'open', 'lock', 'ioctl', 'io', 'configure'.*'opne'"):
        errno_to_exception(OSError(1, "x"), context="opne")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_the_two_errors_of_the_port_itself() -> None:
    closed = closed_error("/dev/x")
    assert (type(closed), closed.errno, closed.filename) == (SerialClosedError, errno.EBADF, "/dev/x")
    cause = OSError(errno.EIO, "low")
    gone = disconnected_error("/dev/x", cause)
    assert (type(gone), gone.errno, gone.__cause__) == (SerialDisconnectedError, errno.ENODEV, cause)
