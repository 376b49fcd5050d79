"""The user's terminal: its modes, its size, its last row.

Whatever happens, `restore` puts the modes back; it is safe to call at any time and more than once.
"""

import os
import termios
import tty
import unicodedata
from contextlib import suppress

__all__ = ("RESET", "RESET_ORIGIN", "UserTerminal")

SMALLEST = 5  # rows; below that the status line is left out
# What the device may have changed, as it is in every terminal at first: the scroll region, attributes, character
# sets, cursor, tab stops, and the modes that `_escapes` lets through.
RESET = (
    "\x1b7\x1b[r\x1b8\x1b[0m\x1b(B\x1b)B\x0f\x1b[?25h\x1b[0 q\x1b[?7h\x1b[?5l\x1b[4l\x1b[20l\x1b[?1l\x1b>"
    "\x1b[?2004l\x1b[?5W"
)
# The origin mode by itself: ending it moves the cursor to the first row, so it moves on to the last one.
RESET_ORIGIN = "\x1b[?6l\x1b[999;1H"


class UserTerminal:
    """The terminal at one descriptor."""

    def __init__(self, fd: int) -> None:
        """Remember how the terminal at *fd* is set.

        Raises:
            termios.error: It is none.
        """
        self._fd = fd
        self._before = termios.tcgetattr(fd)
        self.is_raw = False
        self.rows, self.columns = self.measure()
        self.region = False

    def measure(self) -> tuple[int, int]:
        """Look at the size again and return rows and columns."""
        size = os.get_terminal_size(self._fd)
        self.rows, self.columns = size.lines or 24, size.columns or 80
        return self.rows, self.columns

    def has_changed(self) -> bool:
        """Return whether the size is another than at the last look."""
        before = self.rows, self.columns
        try:
            size = os.get_terminal_size(self._fd)
        except OSError:
            return False  # the terminal is gone
        return (size.lines or 24, size.columns or 80) != before

    def raw(self) -> None:
        """Pass every key on, and every character as it is."""
        tty.setraw(self._fd, termios.TCSADRAIN)
        self.is_raw = True

    def restore(self) -> None:
        """Put the modes back as they were; never raises."""
        if self.is_raw:
            self.is_raw = False
            # TCSANOW: a stopped terminal must not hold this up.
            with suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(self._fd, termios.TCSANOW, self._before)

    def open_region(self, *, alternate: bool = False) -> str:
        """Return what keeps the last row free; empty if there are too few rows.

        Args:
            alternate: The device has switched to the alternate screen.
        """
        old = self.rows
        self.measure()
        if self.rows < SMALLEST:
            return self.close_region()
        erase = ""
        if self.region and self.rows > old and not alternate:
            # A terminal that grows may fetch rows from its history, and moves the old status line down by as many.
            # The cursor moves with it, and is never in the last row then.
            erase = "\x1b7\x1b[r\x1b8\x1b7\x1b[B\r\x1b[J\x1b8"
        elif self.region:
            erase = f"\x1b7\x1b[r\x1b[{old};1H\x1b[2K\x1b8"
        self.region = True
        # A line feed and one up: the cursor is above the last row, and nothing is overwritten.
        return f"{erase}\n\x1b[A\x1b7\x1b[1;{self.rows - 1}r\x1b8"

    def close_region(self) -> str:
        """Return what gives the last row back."""
        if not self.region:
            return ""
        self.region = False
        return f"\x1b7\x1b[r\x1b[{self.rows};1H\x1b[2K\x1b8"

    def status_row(self, text: str, *, reverse: bool) -> str:
        """Return what writes *text* into the last row and leaves the cursor where it is."""
        text, width = _cut(text, self.columns)
        text += " " * (self.columns - width)
        on, off = ("\x1b[7m", "\x1b[0m") if reverse else ("", "")
        # Without wrapping, or the last column would scroll some terminals.
        return f"\x1b7\x1b[{self.rows};1H\x1b[0m{on}{text}{off}\x1b8"


def _cut(text: str, columns: int) -> tuple[str, int]:
    """Return as much of *text* as fits into so many columns, and how many it takes."""
    width = 0
    for at, char in enumerate(text):
        taken = 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if width + taken > columns:
            return text[:at], width
        width += taken
    return text, width
