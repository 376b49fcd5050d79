"""What a command prints: numbered steps, code, aligned rows, errors in one line.

Colour only on a terminal, and never with NO_COLOR (https://no-color.org). What is said stands with the
commands.
"""

import errno
import os
import shutil
import textwrap
from typing import TextIO, cast

__all__ = ("Screen", "describe")

INDENT = "    "
LABEL_WIDTH = 12
WIDEST = 100  # columns; longer lines are hard to read
WIDTH_WITHOUT_TERMINAL = 80

BOLD, DIM, RED, GREEN = "1", "2", "1;31", "32"


class Screen:
    """Prints the steps of a command to one stream, each line as soon as it is known."""

    def __init__(self, stream: TextIO) -> None:
        """Take *stream*, a terminal or not."""
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._coloured = self._is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        columns = shutil.get_terminal_size().columns if self._is_terminal else WIDTH_WITHOUT_TERMINAL
        self._width = max(min(columns, WIDEST), 40)

    def heading(self, title: str, text: str) -> None:
        """Print a title and a paragraph below it."""
        self._print(self._paint(BOLD, title))
        self._print(textwrap.fill(_shown(text), self._width))

    def step(self, number: int, title: str) -> None:
        """Begin a step."""
        self._print("")
        self._print(self._paint(BOLD, f"{number:>2}  {title}"))

    def code(self, text: str) -> None:
        """Print what a program would write, as it stands: it is there to be copied."""
        for line in text.splitlines():
            prompt = "..." if line.startswith(" ") else ">>>"
            self._print(self._paint(DIM, f"{INDENT}{prompt} {_shown(line)}"))

    def row(self, label: str, value: str) -> None:
        """Print a value beside its label, wrapped below itself."""
        first = f"{INDENT}{label:<{LABEL_WIDTH}}  "
        self._print(
            textwrap.fill(
                _shown(value),
                self._width,
                initial_indent=first,
                subsequent_indent=" " * len(first),
                break_on_hyphens=False,
                break_long_words=False,
            )
        )

    def done(self, seconds: float) -> None:
        """End a step that went well."""
        self._print(f"{INDENT}{self._paint(GREEN, 'ok')}  {seconds * 1e3:.1f} ms")

    def failed(self) -> None:
        """End a step that did not; the reason goes to standard error."""
        self._print(f"{INDENT}{self._paint(RED, 'FAILED')}")

    def closing(self, text: str) -> None:
        """Print the last line."""
        self._print("")
        self._print(textwrap.fill(text, self._width))

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
