"""The parts of a full run, each giving rows that report and plots know how to show."""

from collections.abc import Callable
from typing import Any

from benchmarks import clocks, counts
from benchmarks.ways import WAYS

__all__ = ("PARTS",)

type Rows = list[dict[str, Any]]


def round_trip(progress: Callable[[str], None]) -> Rows:
    """Instructions and system calls of one round trip; a row per way."""
    progress("round trip: instructions")
    instructions = counts.round_trip_instructions(WAYS) if counts.has("valgrind") else {}
    progress("round trip: system calls")
    calls = counts.round_trip_system_calls(WAYS) if counts.has("strace") else {}
    return [
        {
            "library": way.label,
            "runtime": way.runtime,
            "instructions": instructions.get(way),
            "system_calls": calls.get(way),
        }
        for way in WAYS
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


PARTS: dict[str, Callable[[Callable[[str], None]], Rows]] = {
    "round-trip": round_trip,
    "fan-out": clocks.fan_out,
    "in-step": clocks.in_step,
    "bulk": clocks.bulk,
    "cancellation": clocks.cancellation,
    "opening": clocks.opening,
    "import": imports,
    "memory": clocks.memory,
}
