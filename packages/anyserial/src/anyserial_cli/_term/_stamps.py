"""Timestamps at the beginnings of lines."""

import time

__all__ = ("STAMPS", "Stamper")

STAMPS = {
    "off": "no timestamps",
    "time": "time of day",
    "date": "date and time",
    "start": "seconds since the session began",
    "delta": "seconds since the line before",
}


class Stamper:
    """Puts a timestamp before each line; the time is that of the line's first character."""

    def __init__(self, choice: str, began: float, wall: float) -> None:
        """Stamp as *choice*, a key of `STAMPS`.

        Args:
            choice: The form.
            began: The monotonic time of the session's beginning, in seconds.
            wall: The time of day at that moment, in seconds since the epoch.
        """
        self.choice = choice
        self._began = began
        self._wall = wall
        self._before = began
        self._at_start = True

    def feed(self, text: str, now: float) -> str:
        """Return *text*, which arrived at the monotonic time *now*, with a timestamp before each line."""
        if self.choice == "off" or not text:
            if text:
                self._at_start = text.endswith("\n")
            return text
        pieces: list[str] = []
        for line in _lines(text):
            if self._at_start:
                pieces.append(self._stamp(now))
            pieces.append(line)
            self._at_start = line.endswith("\n")
        return "".join(pieces)

    def _stamp(self, now: float) -> str:
        before, self._before = self._before, now
        match self.choice:
            case "start":
                return f"[{now - self._began:10.3f}] "
            case "delta":
                return f"[+{now - before:9.3f}] "
            case _:
                wall = self._wall + now - self._began
                form = "%H:%M:%S" if self.choice == "time" else "%Y-%m-%d %H:%M:%S"
                return f"[{time.strftime(form, time.localtime(wall))}.{int(wall % 1 * 1000):03d}] "


def _lines(text: str) -> list[str]:
    return [line + "\n" for line in text.split("\n")[:-1]] + ([rest] if (rest := text.rpartition("\n")[2]) else [])
