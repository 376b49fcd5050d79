"""The hierarchy, what each exception carries, and that it survives pickling."""

import errno
import inspect
import pickle
from typing import Any

import anyio
import pytest
from anyserial import exceptions
from anyserial.exceptions import (
    ConfigurationError,
    LineError,
    PortBusyError,
    PortNotFoundError,
    PortPermissionError,
    SerialCancelledError,
    SerialClosedError,
    SerialDisconnectedError,
    SerialError,
    UnsupportedAsyncBackendError,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
    UnsupportedPlatformError,
)

HIERARCHY: dict[type[SerialError], tuple[type[Exception], ...]] = {
    SerialError: (OSError,),
    ConfigurationError: (SerialError, ValueError),
    UnsupportedConfigurationError: (SerialError, ValueError),
    UnsupportedFeatureError: (SerialError, NotImplementedError),
    UnsupportedPlatformError: (SerialError, NotImplementedError),
    PortNotFoundError: (SerialError, FileNotFoundError),
    PortPermissionError: (SerialError, PermissionError),
    PortBusyError: (SerialError,),
    SerialClosedError: (SerialError, anyio.ClosedResourceError),
    SerialDisconnectedError: (SerialError, anyio.BrokenResourceError),
    SerialCancelledError: (SerialError,),
    UnsupportedAsyncBackendError: (SerialError, RuntimeError),
    LineError: (SerialError,),
}
CLASSES = list(HIERARCHY)


def test_every_class_is_in_the_table() -> None:
    found = {cls for _, cls in inspect.getmembers(exceptions, inspect.isclass) if cls.__module__ == exceptions.__name__}
    assert found == set(HIERARCHY)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_bases(cls: type[SerialError]) -> None:
    assert cls.__bases__ == HIERARCHY[cls]


def _again(exc: SerialError) -> Any:
    return pickle.loads(pickle.dumps(exc))  # noqa: S301


@pytest.mark.parametrize("cls", CLASSES)
def test_errno_strerror_and_path_survive_pickling(cls: type[SerialError]) -> None:
    error = cls(errno.EIO, "it went wrong", "/dev/ttyX")
    for exc in (error, _again(error)):
        assert type(exc) is cls
        assert (exc.errno, exc.strerror, exc.filename) == (errno.EIO, "it went wrong", "/dev/ttyX")
        assert str(exc) == f"[Errno {errno.EIO}] '/dev/ttyX': it went wrong"
        assert repr(exc).startswith(f"{cls.__name__}({errno.EIO}, 'it went wrong', '/dev/ttyX'")


@pytest.mark.parametrize("cls", CLASSES)
def test_without_an_errno(cls: type[SerialError]) -> None:
    error = cls(None, "it went wrong", "/dev/ttyX")
    for exc in (error, _again(error)):
        assert (exc.errno, exc.filename) == (None, "/dev/ttyX")
        assert str(exc) == "'/dev/ttyX': it went wrong"


@pytest.mark.parametrize("cls", CLASSES)
def test_with_a_message_alone(cls: type[SerialError]) -> None:
    error = cls("it went wrong")
    for exc in (error, _again(error)):
        assert (exc.errno, exc.filename, str(exc)) == (None, None, "it went wrong")
        assert repr(exc).startswith(f"{cls.__name__}('it went wrong'")


@pytest.mark.parametrize(("kind", "byte"), [("parity_or_framing", 0x41), ("break", 0), ("overrun", None)])
def test_a_line_error_says_what_happened(kind: str, byte: int | None) -> None:
    error = LineError(None, "the line damaged a byte", "/dev/ttyX", kind=kind, byte=byte)
    for exc in (error, _again(error)):
        assert (exc.kind, exc.byte, exc.filename) == (kind, byte, "/dev/ttyX")
        shown = f"LineError(None, 'the line damaged a byte', '/dev/ttyX', kind={kind!r}, byte={byte!r})"
        assert repr(exc) == shown
        assert repr(eval(shown)) == shown  # noqa: S307  # it evaluates back


def test_the_cause_is_kept_when_raised_again() -> None:
    cause = OSError(errno.EIO, "low")
    with pytest.raises(SerialError) as caught:
        raise exceptions.errno_to_exception(cause, context="io", path="/dev/x")
    assert caught.value.__cause__ is cause
