"""The moment at which the kernel hung a tty up, from a process that waits for nothing else.

What the library does about a hang-up is measured from there: pulling the plug takes the kernel
some time before it comes to the tty, and some after it. The same process tells how late the
machine itself was meanwhile. While the machine is idle its clock goes by the host's, so that a
busy host makes every sleep in it longer.
"""

import select
import subprocess
import sys
from pathlib import Path
from typing import Self

__all__ = ("HangUps",)

PROGRAM = Path(__file__).parent.parent / "hardware" / "probes" / "watch_hang_ups.py"
PATIENCE = 10.0  # seconds


class HangUps:
    """The process; a context manager. It watches one tty at a time."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-ISu", PROGRAM], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=PATIENCE)

    def watch(self, path: str = "") -> None:
        """Watch the machine from now on and, if one is named, a tty; it is opened beside whoever has it open."""
        self._say(path)
        while self._line() != "watching":
            pass  # what nobody asked for, of a test before

    def moment(self) -> float:
        """When the tty was hung up, by `time.monotonic`; waits for it."""
        return float(self._line())

    def late(self) -> float:
        """The most seconds that the machine was late with anything since `watch`, which this ends."""
        self._say("?")
        word, _, seconds = self._line().partition(" ")
        if word != "late":
            raise RuntimeError(f"a moment was not asked for: {word}")
        return float(seconds)

    def _say(self, what: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(what.encode() + b"\n")

    def _line(self) -> str:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            raise TimeoutError(f"the kernel hung nothing up within {PATIENCE:g} s")
        return self._process.stdout.readline().decode().strip()
