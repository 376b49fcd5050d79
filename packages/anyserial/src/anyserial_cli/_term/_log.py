"""The log: everything that is received, in a file, at once."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyserial_cli._term._view import View

__all__ = ("Log",)


class Log:
    """One log file. Every piece is written to it with one system call, before it is shown.

    The log is complete even where the screen drops what it cannot keep up with.
    """

    def __init__(self, path: str, *, append: bool, view: "View | None") -> None:
        """Open the file.

        Args:
            path: Where.
            append: Keep what the file holds; otherwise begin it again.
            view: Writes the text that this view makes, without escape sequences; None for the bytes as
                they come.

        Raises:
            OSError: The file cannot be written.
        """
        self.path = path
        self._view = view
        mode = os.O_APPEND if append else os.O_TRUNC
        self._fd = os.open(Path(path).expanduser(), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | mode, 0o666)

    def feed(self, data: bytes, now: float) -> None:
        """Write what was received at the monotonic time *now*.

        Raises:
            OSError: The disk is full, say.
        """
        if self._view is not None:
            data = self._text(self._view.feed(data, now))
        self._write(data)

    def close(self, now: float) -> None:
        """Write what the view held back, and close the file.

        Raises:
            OSError: The disk is full, say.
        """
        try:
            if self._view is not None:
                self._write(self._text(self._view.flush(now)))
        finally:
            os.close(self._fd)

    @staticmethod
    def _text(text: str) -> bytes:
        return text.replace("\r\n", "\n").encode("utf-8", "backslashreplace")

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
