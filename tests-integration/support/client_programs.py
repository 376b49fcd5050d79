"""Starting real programs as a user does, with ``anyserial run``: to their end, beside a test, or in a terminal."""

import os
import select
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

__all__ = ("PROBES", "Terminal", "run_to_its_end", "started_with")

PROBES = Path(__file__).parent.parent / "clients" / "probes"
PATIENCE = 60  # seconds; each takes a second or two


def _command(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "anyserial", "run", *arguments]


def _environment() -> dict[str, str]:
    """Return the environment without what makes errors of these programs' own warnings."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONWARNINGS", "PYTHONDEVMODE"}}


def run_to_its_end(*arguments: str) -> str:
    """Run a program, which must end well, and return what it prints."""
    done = subprocess.run(
        _command(arguments), capture_output=True, text=True, timeout=PATIENCE, check=False, env=_environment()
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def started_with(beginning: str, *arguments: str) -> Generator[None]:
    """Run a program for the length of a block, once it has printed a line that begins so."""
    with subprocess.Popen(
        _command(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment()
    ) as program:
        try:
            assert program.stdout is not None
            shown: list[str] = []
            while not any(line.startswith(beginning) for line in shown[-1:]):
                shown.append(program.stdout.readline())
                assert shown[-1], f"{arguments} ended: {''.join(shown)}"
            yield
        finally:
            program.terminate()


class Terminal:
    """A terminal in which a program runs."""

    def __init__(self, *arguments: str) -> None:
        self.master, slave = os.openpty()
        self._program = subprocess.Popen(
            _command(arguments), stdin=slave, stdout=slave, stderr=slave, env=_environment()
        )
        os.close(slave)
        self._shown = ""

    def waits_for(self, text: str) -> None:
        """Wait until the program shows *text*."""
        deadline = monotonic() + PATIENCE
        while text not in self._shown:
            if not select.select([self.master], [], [], max(0.0, deadline - monotonic()))[0]:
                raise AssertionError(f"no {text!r} in {self._shown!r}")
            self._shown += os.read(self.master, 4096).decode(errors="replace")
        self._shown = self._shown.partition(text)[2]

    def types(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def types_until(self, keys: str, text: str) -> None:
        """Press keys, again and again, until the program shows *text*.

        For programs that do not show when they have begun to look at the keyboard.
        """
        deadline = monotonic() + PATIENCE
        while text not in self._shown:
            assert monotonic() < deadline, f"no {text!r} in {self._shown!r}"
            self.types(keys)
            while text not in self._shown and select.select([self.master], [], [], 0.5)[0]:
                self._shown += os.read(self.master, 4096).decode(errors="replace")

    def close(self) -> int:
        """Wait for the program's end and return its exit status."""
        status = self._program.wait(PATIENCE)
        os.close(self.master)
        return status
