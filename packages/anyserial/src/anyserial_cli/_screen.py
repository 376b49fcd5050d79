"""What a command prints: numbered steps with their code and results, errors in one line.

Colour only on a terminal, and never with NO_COLOR (https://no-color.org). What is said stands with the
commands.
"""

import errno
import os
import textwrap
from typing import TextIO, cast

__all__ = ("Screen", "describe")

WIDTH = 79  # columns: the whole output of a command fits a terminal of 80 by 24
COLUMN = 20  # where code and results begin
TIME_WIDTH = 10
RESULT_WIDTH = WIDTH - COLUMN - TIME_WIDTH
LABEL_WIDTH = 11

BOLD, DIM, RED, GREEN = "1", "2", "1;31", "32"


class Screen:
    """Prints the steps of a command to one stream, each line as soon as it is known.

    A step has a title at the left, and beside it what a program would write, and what came of it.
    """

    def __init__(self, stream: TextIO) -> None:
        """Take *stream*, a terminal or not."""
        self._stream = stream
        is_terminal = stream.isatty()
        self._coloured = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def heading(self, text: str) -> None:
        """Print the first line."""
        for line in textwrap.wrap(_shown(text), WIDTH):
            self._print(self._paint(BOLD, line))

    def item(self, label: str, text: str) -> None:
        """Print one line of a list."""
        self._print(f"{label:<{LABEL_WIDTH}}{_shown(text)}")

    def step(self, number: int, title: str, code: str) -> None:
        """Begin a step: its title, and the lines of its code, which are there to be copied."""
        label = f"{number:>2}  {title:<{COLUMN - 4}}"
        for line in code.splitlines():
            prompt = "..." if line.startswith(" ") else ">>>"
            self._print(self._paint(BOLD, label) + self._paint(DIM, f"{prompt} {_shown(line)}"))
            label = " " * COLUMN

    def done(self, result: str, seconds: float) -> None:
        """End a step that went well: what came of it, and how long it took."""
        lines = textwrap.wrap(_shown(result), RESULT_WIDTH, break_on_hyphens=False)
        for line in lines[:-1]:
            self._print(" " * COLUMN + line)
        time = f"{seconds * 1e3:.1f} ms"
        self._print(" " * COLUMN + lines[-1].ljust(RESULT_WIDTH) + self._paint(GREEN, f"{time:>{TIME_WIDTH}}"))

    def failed(self) -> None:
        """End a step that did not; the reason goes to standard error."""
        self._print(" " * COLUMN + self._paint(RED, "FAILED"))

    def closing(self, text: str) -> None:
        """Print the last line."""
        self._print(text)

    def _paint(self, style: str, text: str) -> str:
        return f"\033[{style}m{text}\033[0m" if self._coloured else text

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


def _shown(text: str) -> str:
    from anyserial._spi import printable  # noqa: PLC0415  # core is looked at before it is imported

    return printable(text)


def describe(exc: BaseException) -> str:
    """Return an error as one line for people: which port, what went wrong, and the errno's name.

    The path comes first, as in the errors themselves: some messages end with a command to type.
    """
    return _shown(_described(exc))


def _described(exc: BaseException) -> str:
    if isinstance(exc, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", exc)
        return "; ".join(dict.fromkeys(map(_described, group.exceptions)))
    if isinstance(exc, OSError) and exc.strerror:
        path = f"{exc.filename}: " if exc.filename else ""
        code = errno.errorcode.get(exc.errno or 0)
        return f"{path}{f'[{code}] ' if code else ''}{exc.strerror}"
    return str(exc) or type(exc).__name__
