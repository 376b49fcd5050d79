"""The quick mode, for CI: anyserial's own instruction counts against the committed ones.

A count depends on the interpreter's build and on the versions of what is installed
with it; figures of another build cannot be compared, and are only shown.
"""

import json
import platform
import sys
import sysconfig
from pathlib import Path
from typing import Any

from benchmarks.contenders import RUNTIMES, Contender, versions
from benchmarks.counts import (
    BUFFERED,
    CANCELLATION,
    FRAMED,
    OPENING,
    PROTOCOL,
    ROUND_TRIP,
    ROUND_TRIP_RFC2217,
    ROUND_TRIP_TCP,
    Task,
    has,
    import_instructions,
    instructions,
)

__all__ = ("run",)

BASELINE = Path(__file__).parent / "baseline.json"
GROWTH = 1.03  # what a count may be of the committed one; counts repeat to about 1 %


def _build() -> dict[str, str]:
    options = (sysconfig.get_config_var("PY_CORE_CFLAGS") or "").split()
    return {
        "machine": platform.machine(),
        "python": " ".join((platform.python_version(), *platform.python_build(), platform.python_compiler())),
        "options": " ".join(option for option in options if not option.startswith("-I")),  # no one's folders
        **versions("anyio", "uvloop", "trio"),
    }


TASKS: dict[str, Task] = {
    "round trip": ROUND_TRIP,
    "open and close": OPENING,
    "cancelled receive": CANCELLATION,
    "line, framed": FRAMED,
    "line, buffered": BUFFERED,
}
PYSERIAL_API = tuple(
    Contender(f"{library}{timeout}", "blocking")
    for timeout in ("", ", timeout=1")
    for library in ("pyserial", "anyserial.pyserial")
)
MOST_FOR_PYSERIAL_API = 20_000  # instructions of a round trip
MOST_OF_TCP = 1.5  # what a round trip over RFC 2217 may be of one over a bare AnyIO TCP stream
STATEMENTS = {"import, asynchronous": "anyserial", "import, blocking": "anyserial.sync"}


def _measure() -> dict[str, int]:
    contenders = [Contender("anyserial", runtime) for runtime in RUNTIMES]
    counts: dict[str, int] = {}
    for name, task in TASKS.items():
        for contender, count in instructions(task, contenders).items():
            counts[f"{name}, {contender.runtime}"] = count
    transports = [Contender("anyserial.asyncio", runtime) for runtime in ("asyncio", "uvloop")]
    for contender, count in instructions(PROTOCOL, transports).items():
        counts[f"round trip, protocol, {contender.runtime}"] = count
    imports = import_instructions(STATEMENTS.values())
    return {**counts, **{name: imports[key] for name, key in STATEMENTS.items()}}


def _pyserial_api() -> bool:
    """Count a round trip through pySerial's API, on pySerial and on anyserial; return whether anyserial's is cheap."""
    counts = list(instructions(ROUND_TRIP, PYSERIAL_API).items())
    cheap = True
    for (_, theirs), (contender, ours) in zip(counts[::2], counts[1::2], strict=True):
        print(f"round trip, {contender.library}: {ours:,}, on pySerial {theirs:,}")
        if ours > min(theirs, MOST_FOR_PYSERIAL_API):
            print(f"it may cost what pySerial takes, and at most {MOST_FOR_PYSERIAL_API:,}", file=sys.stderr)
            cheap = False
    return cheap


def _network() -> bool:
    """Count a round trip over RFC 2217 beside that over a bare AnyIO TCP stream; return whether it is cheap."""
    runtimes = ("asyncio", "uvloop", "trio")
    ours = instructions(ROUND_TRIP_RFC2217, [Contender("anyserial", runtime) for runtime in runtimes])
    bare = instructions(ROUND_TRIP_TCP, [Contender("anyio, TCP", runtime) for runtime in runtimes])
    cheap = True
    for (contender, count), floor in zip(ours.items(), bare.values(), strict=True):
        print(f"round trip, rfc2217, {contender.runtime}: {count:,}, a bare AnyIO TCP stream {floor:,}")
        if count > MOST_OF_TCP * floor:
            print(f"it may cost at most {MOST_OF_TCP} times what the TCP stream takes", file=sys.stderr)
            cheap = False
    return cheap


def run(*, update: bool) -> int:
    """Measure and compare; 1 if a count has grown too far. With *update*, commit the new ones instead."""
    if not has("valgrind"):
        print("!" * 80)
        print("!!! benchmarks --quick: NOTHING WAS CHECKED: valgrind is not installed")
        print("!" * 80, flush=True)
        return 0
    build, counts = _build(), _measure()
    if update:
        BASELINE.write_text(json.dumps({"build": build, "instructions": counts}, indent=4) + "\n")
        print(f"wrote {BASELINE}")
    baseline: dict[str, Any] = json.loads(BASELINE.read_text())
    committed: dict[str, int] = baseline["instructions"]
    same = baseline["build"] == build
    grown: list[str] = []
    print(f"{'instructions':32}{'now':>14}{'committed':>14}{'ratio':>8}")
    for name in sorted({*counts, *committed}):
        now, then = counts.get(name, 0), committed.get(name, 0)
        ratio = now / then if then else float("inf")
        print(f"{name:32}{now:14,}{then:14,}{ratio:8.3f}")
        if ratio > GROWTH:
            grown.append(name)
    costly = [
        runtime for runtime in RUNTIMES if counts[f"line, framed, {runtime}"] > counts[f"line, buffered, {runtime}"]
    ]
    if not _pyserial_api() or not _network():
        return 1
    if costly:
        print(
            f"a line costs more through FramedStream than through receive_until: {', '.join(costly)}", file=sys.stderr
        )
        return 1
    if not same:
        print("!" * 80)
        print("!!! NOTHING WAS COMPARED: the committed counts belong to another build of Python or of")
        print(f"!!! what it uses: {baseline['build']}")
        print(f"!!! here it is {build}; --update would commit these")
        print("!" * 80, flush=True)
        return 0
    if grown:
        print(f"grown by more than {GROWTH - 1:.0%}: {', '.join(grown)}", file=sys.stderr)
        print("make them smaller again, or say why in the commit that runs --quick --update", file=sys.stderr)
        return 1
    return 0
