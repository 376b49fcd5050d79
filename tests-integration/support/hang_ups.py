"""The moment at which the kernel hung a tty up, from a process that waits for nothing else.

What the library does about a hang-up is measured from there. Pulling the plug takes the kernel
some time before it comes to the tty, and some after it.
"""

import select
import subprocess
import sys
from pathlib import Path
from typing import Self

__all__ = ("HangUps",)

PROGRAM = Path(__file__).parent.parent / "hardware" / "probes" / "watch_hang_ups.py"


class HangUps:
    """The process; a context manager. It watches one tty at a time."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-ISu", PROGRAM], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def watch(self, path: str) -> None:
        """Have *path* watched from now on; opens it beside whoever has it open."""
        assert self._process.stdin is not None
        self._process.stdin.write(path.encode() + b"\n")
        while (line := self._line(10)) != "watching":
            float(line)  # what nobody asked for, of a test before

    def moment(self, timeout: float = 10) -> float:
        """When the tty was hung up, by `time.monotonic`; waits for it."""
        return float(self._line(timeout))

    def _line(self, timeout: float) -> str:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], timeout)[0]:
            raise TimeoutError(f"the kernel hung nothing up within {timeout} s")
        return self._process.stdout.readline().decode().strip()
