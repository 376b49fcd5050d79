"""Starting what is measured, and what stands at the far end of its ports."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.contenders import Contender, interpreter

__all__ = ("client", "environment", "far_end", "run_client")

HERE = Path(__file__).parent
TIMEOUT = 900.0  # seconds that one client may take: valgrind slows some of them fiftyfold


@contextmanager
def environment() -> Generator[dict[str, str]]:
    """Give an environment in which runs repeat: fixed hashes, and byte code that is written once and then found."""
    with tempfile.TemporaryDirectory(prefix="anyserial-benchmarks-") as folder:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"
        }
        yield {**kept, "PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": folder, "PYTHONWARNINGS": "ignore"}


@contextmanager
def far_end(mode: str, ports: int = 1, *, delay: float = 0.0) -> Generator[list[str]]:
    """Run far_end.py and give the paths to open."""
    command = [sys.executable, str(HERE / "far_end.py"), mode, str(ports), str(delay)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None  # noqa: S101  # for the type checkers: both were asked for
        assert process.stdout is not None  # noqa: S101
        try:
            paths: list[str] = json.loads(process.stdout.readline())
            yield paths
        finally:
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()  # in the middle of a burst that nobody reads any more


def client(contender: Contender, task: str, *arguments: object) -> list[str]:
    """Return the command that does *task* for that contender."""
    return [
        interpreter(contender),
        str(HERE / "clients.py"),
        contender.library,
        contender.runtime,
        task,
        *map(str, arguments),
    ]


def run_client(
    contender: Contender, task: str, *arguments: object, env: dict[str, str], prefix: Sequence[str] = ()
) -> Any:
    """Run a client and return its result and what it, or the tool before it, wrote to stderr."""
    command = [*prefix, *client(contender, task, *arguments)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:300]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout), done.stderr
