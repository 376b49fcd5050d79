"""Waiting until something happens on a simulated line, or is due."""

from typing import TYPE_CHECKING, Self

from anyserial._spi import signal

if TYPE_CHECKING:
    from anyserial._spi import Signal

    from anyserial_testing._line import Line

__all__ = ("Changed",)


class Changed:
    """Wakes one call when something has happened on the line, or is due."""

    def __init__(self, line: "Line") -> None:
        self._line = line
        self._signal: Signal = signal()

    def __enter__(self) -> Self:
        self._line.listeners.add(self._signal.notify)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._line.listeners.discard(self._signal.notify)

    async def wait_until(self, when: float | None) -> None:
        """Wait for a change, until *when* (in the line's time) at the latest."""
        import anyio  # noqa: PLC0415  # slow to import, and only needed in an event loop

        with anyio.move_on_after(None if when is None else max(0.0, when - self._line.now)):
            await self._signal.wait(external=True)
        self.__exit__()
        self._signal = signal()  # each wakes once
        self.__enter__()
