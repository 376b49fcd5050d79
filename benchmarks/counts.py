"""What can be counted: user-space instructions (cachegrind) and system calls (strace).

A count is that of many repetitions of a task, after a few that are not counted, divided by
their number: starting the interpreter, importing and the first use are not in it. Under valgrind a program
runs some thirty times slower, so that an answer that comes at once would always be there
before the library looks for it. The far end of a round trip therefore waits for 5 ms
before it answers, and what is counted is the way that waits, as on a real line, for every
library alike.

cachegrind counts the same instructions as callgrind, to some 0.2 %, in two thirds of the time.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from benchmarks.contenders import Contender, interpreter
from benchmarks.programs import environment, far_end, run_client

__all__ = (
    "BUFFERED",
    "BUFFERED_BURST",
    "CANCELLATION",
    "FRAMED",
    "FRAMED_BURST",
    "IMPORTS",
    "OPENING",
    "PROTOCOL",
    "ROUND_TRIP",
    "ROUND_TRIP_RFC2217",
    "ROUND_TRIP_TCP",
    "has",
    "import_instructions",
    "instructions",
    "system_calls",
)


class Task(NamedTuple):
    """A task in clients.py, what is at the far end of its port, and how often it is done uncounted and counted."""

    name: str
    far: str
    delay: float
    first: int
    counted: int


ROUND_TRIP = Task("round_trips", "echo", 0.005, 200, 500)
PROTOCOL = Task("protocol_round_trips", "echo", 0.005, 200, 500)
ROUND_TRIP_RFC2217 = Task("round_trips", "rfc2217", 0.005, 100, 200)
ROUND_TRIP_TCP = Task("round_trips", "tcp", 0.005, 100, 200)
FRAMED = Task("framed_lines", "echo", 0.005, 100, 200)
BUFFERED = Task("buffered_lines", "echo", 0.005, 100, 200)
FRAMED_BURST = Task("framed_bursts", "echo", 0.005, 20, 50)
BUFFERED_BURST = Task("buffered_bursts", "echo", 0.005, 20, 50)
OPENING = Task("cycles", "silent", 0.0, 20, 100)
CANCELLATION = Task("cancellations", "silent", 0.0, 20, 100)

INSTRUCTIONS = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
SYSTEM_CALLS = ("strace", "-f", "-c")

IMPORTS: dict[str, tuple[Contender, str]] = {
    "anyserial": (Contender("anyserial", "asyncio"), "from anyserial import open_serial_port"),
    "anyserial 0.2.0": (Contender("anyserial", "asyncio", published=True), "from anyserial import open_serial_port"),
    "anyserial.sync": (Contender("anyserial", "blocking"), "from anyserial.sync import SerialPort"),
    "serialx": (Contender("serialx", "asyncio"), "from serialx import open_serial_connection"),
    "pyserial-asyncio-fast": (
        Contender("serialx", "asyncio"),
        "from serial_asyncio_fast import open_serial_connection",
    ),
    "aioserial": (Contender("serialx", "asyncio"), "from aioserial import AioSerial"),
    "pyserial": (Contender("serialx", "asyncio"), "from serial import Serial"),
    "only anyio.abc.ByteStream": (Contender("anyserial", "asyncio"), "from anyio.abc import ByteStream"),
    "only asyncio": (Contender("anyserial", "asyncio"), "import asyncio"),
}


def has(tool: str) -> bool:
    """Return whether *tool* is installed."""
    return shutil.which(tool) is not None


def side_by_side[K, T](calls: dict[K, Callable[[], T]]) -> dict[K, T]:
    """Make calls two at a time: counts do not depend on what else the machine does."""
    with ThreadPoolExecutor(2) as pool:
        futures = {key: pool.submit(call) for key, call in calls.items()}
        return {key: future.result() for key, future in futures.items()}


def _counted(report: str) -> list[int]:
    """Return cachegrind's count, or, of a program with marks, its count at each mark and at the end."""
    found = re.findall(r"I\s+refs:\s*([\d,]+)", report)
    if not found:
        raise RuntimeError(f"cachegrind counted nothing:\n{report[-2000:]}")
    return [int(count.replace(",", "")) for count in found]


def instructions(task: Task, contenders: Iterable[Contender]) -> dict[Contender, int]:
    """Return the instructions of doing *task* once, for each contender."""
    with environment() as env:
        return side_by_side({contender: partial(_instructions, task, contender, env) for contender in contenders})


def _instructions(task: Task, contender: Contender, env: dict[str, str]) -> int:
    with far_end(task.far, delay=task.delay) as (path,):
        run_client(contender, task.name, path, 2, env=env)  # writes the byte code
        count = f"{task.first}+{task.counted}"
        _, report = run_client(contender, task.name, path, count, env=env, prefix=INSTRUCTIONS)
    begin, end, _ = _counted(report)
    return round((end - begin) / task.counted)


def system_calls(task: Task, contenders: Iterable[Contender]) -> dict[Contender, dict[str, float]]:
    """Return the system calls of doing *task* once, by name, for each contender."""
    with environment() as env:
        return side_by_side({contender: partial(_system_calls, task, contender, env) for contender in contenders})


def _system_calls(task: Task, contender: Contender, env: dict[str, str]) -> dict[str, float]:
    with far_end(task.far, delay=task.delay) as (path,):
        run_client(contender, task.name, path, 2, env=env)
        few, many = (
            _table(run_client(contender, task.name, path, count, env=env, prefix=SYSTEM_CALLS)[1])
            for count in (task.first, task.first + task.counted)
        )
    rest = {name: (calls - few.get(name, 0)) / task.counted for name, calls in many.items()}
    return {name: round(calls, 2) for name, calls in sorted(rest.items()) if calls >= 0.05}  # noqa: PLR2004  # a stray one


def _table(report: str) -> dict[str, int]:
    """Read strace's summary: % time, seconds, usecs/call, calls, errors if any, name."""
    rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", report, re.MULTILINE)
    return {name: int(calls) for calls, name in rows if name != "total"}


def import_instructions(names: Iterable[str]) -> dict[str, int]:
    """Return what a fresh interpreter that imports and ends costs more than one that only ends."""
    chosen = {name: IMPORTS[name] for name in names}
    programs = {(interpreter(contender), statement) for contender, statement in chosen.values()}
    programs |= {(python, "pass") for python, _ in programs}
    with environment() as env:
        counts = side_by_side({program: partial(_program_instructions, *program, env) for program in programs})
    return {
        name: counts[interpreter(contender), statement] - counts[interpreter(contender), "pass"]
        for name, (contender, statement) in chosen.items()
    }


def _program_instructions(interpreter_: str, statement: str, env: dict[str, str]) -> int:
    python = [interpreter_, "-c", statement]
    subprocess.run(python, env=env, check=True)
    done = subprocess.run([*INSTRUCTIONS, *python], env=env, capture_output=True, text=True, check=True)
    return _counted(done.stderr)[0]
