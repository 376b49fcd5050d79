"""The log: everything that is received, in a file, at once."""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyserial_cli._term._view import View

__all__ = ("Log",)


class Log:
    """One log file. Every piece is written to it with one system call, before it is shown.

    The log is complete even where the screen drops what it cannot keep up with.
    """

    def __init__(
        self, path: str, *, append: bool, view: "View | None", rotate: int | None = None, keep: int = 5
    ) -> None:
        """Open the file.

        Args:
            path: Where.
            append: Keep what the file holds; otherwise begin it again.
            view: Writes the text that this view makes, without escape sequences; None for the bytes as
                they come.
            rotate: Bytes after which the file becomes ``PATH.1``, what was ``PATH.1`` becomes ``PATH.2``, and
                a new file is begun; None for never. A file may be longer by one piece.
            keep: How many of the old files are kept, >= 1.

        Raises:
            OSError: The file cannot be written.
        """
        self.path = path
        self._view = view
        self._file = Path(path).expanduser()
        self._rotate = rotate
        self._keep = keep
        self._fd = self._open(os.O_APPEND if append else os.O_TRUNC)
        self._size = os.fstat(self._fd).st_size

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

    def abandon(self) -> None:
        """Close the file after `feed` failed; what the view holds back is lost with what did not fit."""
        with suppress(OSError):
            os.close(self._fd)

    def _open(self, mode: int) -> int:
        return os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | mode, 0o666)

    def _begin_another(self) -> None:
        for number in range(self._keep - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._file.replace(self._numbered(1))
        before, self._fd = self._fd, self._open(os.O_TRUNC)
        os.close(before)
        self._size = 0

    def _numbered(self, number: int) -> Path:
        return self._file.with_name(f"{self._file.name}.{number}")

    @staticmethod
    def _text(text: str) -> bytes:
        return text.replace("\r\n", "\n").encode("utf-8", "backslashreplace")

    def _write(self, data: bytes) -> None:
        if self._rotate is not None and self._size >= self._rotate and data:
            self._begin_another()
        self._size += len(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
