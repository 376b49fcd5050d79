"""A virtual instrument behind a real pty, for the demo: it serves its end in a task of its own.

It answers lines of text, as many bench instruments do. What a port under test needs (pacing, faults,
scripts) is anyserial-testing's business, not this module's.
"""

import os
import termios
import tty
from types import TracebackType
from typing import Self

import anyio

__all__ = ("MODEL", "Instrument")

MODEL = "ANYSERIAL,VIRTUAL-1"
PAUSE_IN_LINE = 0.03  # seconds between the two halves of the answer to MEAS?

_RATES = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()}


class Instrument:
    """One pty: the port opens `path`, this answers at the other end while `serve` runs.

    ===========  ==========================================================
    ``*IDN?``    who it is, and its serial number
    ``MEAS?``    a reading, sent in two pieces
    ``BAUD?``    the rate that the tty is set to
    ``SLEEP``    no answer at all
    ===========  ==========================================================
    """

    def __init__(self, serial_number: str) -> None:
        """Make the pty; use it with ``with``, which closes it."""
        self.serial_number = serial_number
        # The near end is kept too: without it the far end would see a hang-up before the port opens.
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        os.set_blocking(self._far, False)
        self.path = os.ttyname(self._near)

    def __enter__(self) -> Self:
        """Do nothing: it is there since it was made."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close both ends of the pty; `serve` must not run any more."""
        os.close(self._far)
        os.close(self._near)

    async def serve(self) -> None:
        """Answer every line that comes, until cancelled."""
        line = b""
        while True:
            await anyio.wait_readable(self._far)
            line += os.read(self._far, 4096)
            *commands, line = line.split(b"\n")
            for command in commands:
                await self._answer(command.decode("ascii", "replace").strip())

    async def _answer(self, command: str) -> None:
        match command:
            case "*IDN?":
                await self._write(f"{MODEL},{self.serial_number}\n")
            case "MEAS?":
                await self._write("+1.20345")
                await anyio.sleep(PAUSE_IN_LINE)
                await self._write("E+00 V\n")
            case "BAUD?":
                await self._write(f"{_RATES.get(termios.tcgetattr(self._near)[4], 'another rate')}\n")
            case "SLEEP":
                pass
            case _:
                await self._write(f"ERROR unknown command {command!r}\n")

    async def _write(self, text: str) -> None:
        rest = text.encode()
        while rest:
            try:
                rest = rest[os.write(self._far, rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._far)
