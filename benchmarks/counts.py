"""What can be counted: user-space instructions (callgrind) and system calls (strace).

A round trip is what 700 exchanges cost more than 200, divided by 500: starting the
interpreter, importing and opening cancel out. Under valgrind a program runs some
fifty times slower, so that an answer that comes at once would always be there before
the library looks for it. The far end therefore waits for 5 ms before it answers, and
what is counted is the way that waits, as on a real line, for every library alike.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.contenders import Contender, interpreter
from benchmarks.programs import environment, far_end, run_client

__all__ = ("IMPORTS", "has", "import_instructions", "round_trip_instructions", "round_trip_system_calls")

FEW, MANY = 200, 700
DELAY = 0.005
CALLGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")

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


def _collected(report: str) -> int:
    found = re.search(r"Collected\s*:\s*(\d+)", report)
    if found is None:
        raise RuntimeError(f"callgrind counted nothing:\n{report[-2000:]}")
    return int(found[1])


def round_trip_instructions(contenders: Iterable[Contender]) -> dict[Contender, int]:
    """Return the instructions of one round trip for each contender."""
    with environment() as env:
        return side_by_side({contender: partial(_round_trip_instructions, contender, env) for contender in contenders})


def _round_trip_instructions(contender: Contender, env: dict[str, str]) -> int:
    with far_end("echo", delay=DELAY) as (path,):
        run_client(contender, "round_trips", path, 2, env=env)  # writes the byte code
        few, many = (
            _collected(run_client(contender, "round_trips", path, count, env=env, prefix=CALLGRIND)[1])
            for count in (FEW, MANY)
        )
    return round((many - few) / (MANY - FEW))


def round_trip_system_calls(contenders: Iterable[Contender]) -> dict[Contender, dict[str, float]]:
    """Return the system calls of one round trip for each contender, by name."""
    with environment() as env:
        return side_by_side({contender: partial(_round_trip_system_calls, contender, env) for contender in contenders})


def _round_trip_system_calls(contender: Contender, env: dict[str, str]) -> dict[str, float]:
    with far_end("echo", delay=DELAY) as (path,):
        run_client(contender, "round_trips", path, 2, env=env)
        few, many = (
            _table(run_client(contender, "round_trips", path, count, env=env, prefix=("strace", "-f", "-c"))[1])
            for count in (FEW, MANY)
        )
    rest = {name: (calls - few.get(name, 0)) / (MANY - FEW) for name, calls in many.items()}
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
    done = subprocess.run([*CALLGRIND, *python], env=env, capture_output=True, text=True, check=True)
    return _collected(done.stderr)
