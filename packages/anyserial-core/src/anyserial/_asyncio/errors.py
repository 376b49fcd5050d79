"""The errors of a transport, as a program written for pySerial expects them.

Such a program catches ``serial.SerialException``. When ``anyserial.pyserial`` is loaded, it hands over here what
makes one of each `SerialError`; it stays an instance of anyserial's own class. Core does not know that module.
"""

import errno
import os
from typing import TYPE_CHECKING

from anyserial.exceptions import PortBusyError, SerialError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("as_expected", "translate_errors_with")

_translators: "list[Callable[[OSError], OSError]]" = []


def translate_errors_with(translate: "Callable[[OSError], OSError]") -> None:
    """Hand every SerialError of a transport to *translate* from now on, and raise what it returns."""
    _translators[:] = [translate]


def as_expected[E: BaseException](error: E) -> E | OSError:
    """Return *error*, or what the program expects in its place. A ValueError stays as it is, in pySerial too."""
    if not _translators or not isinstance(error, SerialError) or isinstance(error, ValueError):
        return error
    expected = _translators[0](error)
    if expected is not error:
        # As pySerial's own errors have it, and some programs look there: what the system said.
        expected.__cause__ = error.__cause__
        expected.__context__ = error.__context__
        if isinstance(error, PortBusyError) and error.__context__ is None:
            expected.__context__ = BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
    return expected
