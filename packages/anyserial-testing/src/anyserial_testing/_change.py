"""Waiting until something happens on a simulated line, or is due."""

from typing import TYPE_CHECKING, Final, Self

from anyserial._spi import signal

if TYPE_CHECKING:
    from anyserial._spi import Signal

    from anyserial_testing._line import Line

__all__ = ("Changed",)

_LEAST: Final = 1e-9  # seconds; a wait that is too short for a float to show would leave a virtual clock where it is


class Changed:
    """Wakes one call when something has happened on the line, or is due.

    Another thread may change the line at any moment. So a change is noted *first*, and wakes the call *second*; the
    call enters its signal *first*, and looks for a noted change *second*.
    """

    def __init__(self, line: "Line") -> None:
        self._line = line
        self._signal: Signal | None = None  # of the call that waits
        self._has_changed = False

    def __enter__(self) -> Self:
        self._line.listeners.add(self._note)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._line.listeners.discard(self._note)

    def forget(self) -> None:
        """Forget what has happened until now: the call is about to look at the line itself."""
        self._has_changed = False

    async def wait_until(self, when: float | None) -> None:
        """Wait for a change since `forget`, until *when* (in the line's time) at the latest; lets other tasks run."""
        import anyio.lowlevel  # noqa: PLC0415  # slow to import, and only needed in an event loop

        awaited = self._signal = signal()
        try:
            if self._has_changed:
                await anyio.lowlevel.checkpoint()
                return
            with anyio.move_on_after(None if when is None else max(_LEAST, when - self._line.now)):
                await awaited.wait(external=True)
        finally:
            self._signal = None

    def _note(self) -> None:
        self._has_changed = True
        if (awaited := self._signal) is not None:
            awaited.notify()
