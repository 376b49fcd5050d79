"""A hint for callers who gave `open` a timeout and expect it to limit their receives, as pySerial's does.

The hint is given where such a caller would otherwise only see a program that hangs: a receive
without a timeout has waited for as long as `open` was given, and no receive had a timeout of its own so
far. It is given once for each port. It never ends the receive, because waiting without limit may be meant:
where warnings are errors, a log record says it instead.
"""

import warnings
from pathlib import PurePath
from typing import TYPE_CHECKING, override

from anyserial._spi import printable

from anyserial_sync._bell import Bell

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial_sync._turnstile import Turnstile

    type Wait = Callable[[float | None], object]

__all__ = ("MisreadTimeout",)

_HERE = str(PurePath(__file__).parent)


class MisreadTimeout:
    """Watches the receives of one port until one has a timeout, or the hint is given.

    Args:
        turnstile: The direction in which they wait.
        path: The port's path.
        seconds: The timeout that `open` was given.
    """

    __slots__ = ("_path", "_seconds", "_turnstile")

    def __init__(self, turnstile: "Turnstile", path: str, seconds: float) -> None:
        self._turnstile = turnstile
        self._path = path
        self._seconds = seconds
        turnstile.misread = self

    def around(self, wait: "Wait") -> "Wait":
        """Return what waits like *wait*, which takes milliseconds, and gives the hint."""

        def watched(milliseconds: float | None = None) -> object:
            if milliseconds is None:
                if ready := wait(self._seconds * 1000):
                    return ready
                self.tell()
            self.end()
            self._turnstile.wait = wait
            return wait(milliseconds)

        return watched

    def bell(self) -> Bell:
        """Return a bell for one receive, whose wait gives the hint."""
        return _TellingBell(self)

    def end(self) -> None:
        """Stop watching."""
        self._turnstile.misread = None

    def tell(self) -> None:
        """Give the hint."""
        text = (
            f"{printable(self._path)}: a receive without a timeout waits without limit."
            f" The timeout={self._seconds:g} given to open limits the opening only: open with"
            f" default_timeout={self._seconds:g} to limit every call, or with default_timeout=math.inf if they may wait"
        )
        try:
            warnings.warn(text, RuntimeWarning, skip_file_prefixes=(_HERE,))
        except RuntimeWarning:
            from logging import getLogger  # noqa: PLC0415  # slow to import, and seldom needed

            getLogger("anyserial").warning(text)


class _TellingBell(Bell):
    __slots__ = ("_misread",)

    def __init__(self, misread: MisreadTimeout) -> None:
        super().__init__()
        self._misread = misread

    @override
    def wait(self, seconds: float | None) -> bool:
        if seconds is None:
            misread = self._misread
            if super().wait(misread._seconds):  # noqa: SLF001  # the class above
                return True
            misread.tell()
            misread.end()
        return super().wait(seconds)
