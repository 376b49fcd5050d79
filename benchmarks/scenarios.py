"""The scenarios of a full run, each giving rows that report and plots know how to show."""

from collections.abc import Callable
from typing import Any

from benchmarks import counts, timings
from benchmarks.contenders import CONTENDERS

__all__ = ("SCENARIOS",)

type Rows = list[dict[str, Any]]


def round_trip(progress: Callable[[str], None]) -> Rows:
    """Instructions and system calls of one round trip; a row per contender."""
    progress("round trip: instructions")
    instructions = counts.round_trip_instructions(CONTENDERS) if counts.has("valgrind") else {}
    progress("round trip: system calls")
    calls = counts.round_trip_system_calls(CONTENDERS) if counts.has("strace") else {}
    return [
        {
            "library": contender.label,
            "runtime": contender.runtime,
            "instructions": instructions.get(contender),
            "system_calls": calls.get(contender),
        }
        for contender in CONTENDERS
    ]


def imports(progress: Callable[[str], None]) -> Rows:
    """Instructions of an import; a row per library."""
    progress("import: instructions")
    if not counts.has("valgrind"):
        return []
    found = counts.import_instructions(counts.IMPORTS)
    return [
        {"library": name, "statement": counts.IMPORTS[name][1], "instructions": found[name]} for name in counts.IMPORTS
    ]


SCENARIOS: dict[str, Callable[[Callable[[str], None]], Rows]] = {
    "round-trip": round_trip,
    "fan-out": timings.fan_out,
    "lockstep": timings.lockstep,
    "bulk": timings.bulk,
    "cancellation": timings.cancellation,
    "opening": timings.opening,
    "import": imports,
    "memory": timings.memory,
}
