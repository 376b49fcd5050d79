"""The system's errors, raised as anyserial's.

Which of them say nothing about a device is for `_host` to know.
"""

from collections.abc import Generator
from contextlib import contextmanager

from anyserial._spi import translate
from anyserial.exceptions import SerialError

__all__ = ("translated",)


@contextmanager
def translated() -> Generator[None]:
    """Raise an OSError of the block as a SerialError, with errno and path kept."""
    try:
        yield
    except SerialError:
        raise
    except OSError as exc:
        # The table of errors speaks of one port.
        raise translate(exc, context="io", detail="the system's ports cannot be listed") from exc
