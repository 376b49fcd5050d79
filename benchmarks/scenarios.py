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
    instructions = counts.instructions(counts.ROUND_TRIP, CONTENDERS) if counts.has("valgrind") else {}
    progress("round trip: system calls")
    calls = counts.system_calls(counts.ROUND_TRIP, CONTENDERS) if counts.has("strace") else {}
    return [
        {
            "library": contender.label,
            "runtime": contender.runtime,
            "instructions": instructions.get(contender),
            "system_calls": calls.get(contender),
        }
        for contender in CONTENDERS
    ]


def opening(progress: Callable[[str], None]) -> Rows:
    """Time, instructions and system calls of opening and closing; a row per contender."""
    return _with_counts(counts.OPENING, timings.opening(progress), progress)


def cancellation(progress: Callable[[str], None]) -> Rows:
    """Time, instructions and system calls of ending a receive that waits; a row per contender."""
    return _with_counts(counts.CANCELLATION, timings.cancellation(progress), progress)


def _with_counts(task: counts.Task, rows: Rows, progress: Callable[[str], None]) -> Rows:
    """Add to each row what *task* costs its contender."""
    by_name = {(contender.label, contender.runtime): contender for contender in CONTENDERS}
    # The threads that aioserial leaves behind would be counted, too.
    contenders = [by_name[row["library"], row["runtime"]] for row in rows if row["library"] != "aioserial"]
    progress(f"{task.name}: instructions")
    instructions = counts.instructions(task, contenders) if counts.has("valgrind") else {}
    progress(f"{task.name}: system calls")
    calls = counts.system_calls(task, contenders) if counts.has("strace") else {}
    return [
        {**row, "instructions": instructions.get(contender), "system_calls": calls.get(contender)}
        for row in rows
        for contender in (by_name[row["library"], row["runtime"]],)
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
    "cancellation": cancellation,
    "opening": opening,
    "import": imports,
    "memory": timings.memory,
}
