"""The errors of a transport, as a program written for pySerial expects them.

Such a program catches ``serial.SerialException``. When ``anyserial.pyserial`` is loaded, it hands over here what
makes one of each `SerialError`; it stays an instance of anyserial's own class. Core does not know that module.
"""

import errno
import os
from typing import Protocol

from anyserial.exceptions import PortBusyError, SerialError

__all__ = ("as_expected", "translate_errors_with")


class Translate(Protocol):
    """What makes an exception of pySerial's of one of anyserial's."""

    def __call__(self, exc: OSError, /, *, exclusive: bool = False) -> OSError:
        """Return the exception; *exclusive* says whether the port was to be opened exclusively."""
        ...


_translators: list[Translate] = []


def translate_errors_with(translate: Translate) -> None:
    """Hand every SerialError of a transport to *translate* from now on, and raise what it returns."""
    _translators[:] = [translate]


def as_expected[E: BaseException](error: E, *, exclusive: bool = False) -> E | OSError:
    """Return *error*, or what the program expects in its place. A ValueError stays as it is, in pySerial too.

    Args:
        error: What was raised.
        exclusive: Whether the port was to be opened exclusively.
    """
    if not _translators or not isinstance(error, SerialError) or isinstance(error, ValueError):
        return error
    expected = _translators[0](error, exclusive=exclusive)
    if expected is not error:
        # As pySerial's own errors have it, and some programs look there: what the system said.
        expected.__cause__ = error.__cause__
        expected.__context__ = error.__context__
        if isinstance(error, PortBusyError) and error.__context__ is None:
            expected.__context__ = BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
    return expected
