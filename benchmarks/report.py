"""The tables of docs/performance.md: each stands between two marks, and a new run replaces what stands there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.contenders import RUNTIMES

__all__ = ("write",)

type Row = dict[str, Any]
type Rows = list[Row]

FLOORS = ("floor: ", "bare ", "only ")  # the names of what is not a library begin with one of these
CLOSE = 1.02  # what two counts may differ by and still be called equal


def write(results: dict[str, Any], page: Path) -> None:
    """Replace the measured sections of *page* by those of *results*; the rest stays as it is."""
    text = page.read_text()
    for scenario, result in results.items():
        begin, end = f"<!-- measured: {scenario} -->\n", "<!-- end of measured -->"
        head, mark, tail = text.partition(begin)
        if not mark or end not in tail:
            raise ValueError(f"{page} must have the lines {begin.strip()!r} and, after it, {end!r}")
        generated = [*TABLES[scenario](result["rows"]), "", _origin(result)]
        text = head + mark + "\n" + "\n".join(generated) + "\n\n" + end + tail.partition(end)[2]
    page.write_text(text)


def _origin(result: dict[str, Any]) -> str:
    machine, versions = result["machine"], result["versions"]
    load = f"load average {result['load']}; " if "load" in result else ""
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"*{result['date']}; {machine['cpu']}; {machine['system']}; {machine['python']}; {load}{libraries}.*"


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    line = " | ".join
    return [
        f"| {line(header)} |",
        f"|{'|'.join(['---', *['---:'] * (len(header) - 1)])}|",
        *(f"| {line(row)} |" for row in rows),
    ]


def _grid(rows: Rows, cell: Callable[[Row], str]) -> list[str]:
    """A line for each library, a column for each runtime."""
    libraries = list(dict.fromkeys(row["library"] for row in rows))
    cells = {(row["library"], row["runtime"]): cell(row) for row in rows}
    runtimes = [runtime for runtime in RUNTIMES if any(row["runtime"] == runtime for row in rows)]
    return _table(
        ["", *runtimes],
        [[_strong(library), *(cells.get((library, runtime), "") for runtime in runtimes)] for library in libraries],
    )


def _strong(library: str) -> str:
    return f"**{library}**" if library in ("anyserial", "anyserial.sync") else library


def _verdict(rows: Rows, name: str, shown: Callable[[float], str], *, less_is_better: bool = True) -> list[str]:
    """Say where a peer is better, or that none is."""
    mine = {row["runtime"]: row[name] for row in rows if row["library"] == "anyserial"}
    better: list[str] = []
    for row in rows:
        own, other = mine.get(row["runtime"]), row[name]
        if row["library"] == "anyserial" or row["library"].startswith(FLOORS) or own is None or other is None:
            continue
        if (other * CLOSE < own) if less_is_better else (other > own * CLOSE):
            where = f" on {row['runtime']}" if row["runtime"] else ""
            better.append(f"{row['library']}{where} ({shown(other)} against {shown(own)})")
    if better:
        return ["", f"**A peer is better here:** {', '.join(better)}."]
    return ["", "No peer is better here on the same runtime."]


def _thousands(count: float | None) -> str:
    return "" if count is None else f"{count / 1000:,.1f} k"


def _microseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:,.0f} µs"


def _calls(calls: dict[str, float] | None) -> str:
    return f"{sum(calls.values()):.1f}" if calls else ""


def _round_trip(rows: Rows) -> list[str]:
    calls = [row for row in rows if row["system_calls"]]
    return [
        "![Instructions of a round trip](benchmarks/round-trip.png)",
        "",
        "User-space instructions of one round trip:",
        "",
        *_grid(rows, lambda row: _thousands(row["instructions"])),
        *_verdict(rows, "instructions", _thousands),
        "",
        "System calls of one round trip:",
        "",
        *_grid(calls, lambda row: _calls(row["system_calls"])),
        "",
        "Which they are:",
        "",
        *_table(
            ["", "runtime", "calls"],
            [
                [
                    _strong(row["library"]),
                    row["runtime"],
                    ", ".join(f"{name} {count:g}" for name, count in row["system_calls"].items()),
                ]
                for row in calls
            ],
        ),
    ]


def _fan_out(rows: Rows) -> list[str]:
    return ["![Cost of a round trip per port](benchmarks/fan-out.png)", "", *_many_ports(rows)]


def _many_ports(rows: Rows) -> list[str]:
    ports = list(dict.fromkeys(row["ports"] for row in rows))
    contenders = list(dict.fromkeys((row["library"], row["runtime"]) for row in rows))
    found = {(row["library"], row["runtime"], row["ports"]): row for row in rows}

    def cell(contender: tuple[str, str], count: int, seconds: str, ratio: str) -> str:
        row = found.get((*contender, count))
        if row is None:
            return "cannot"
        times = "" if row[ratio] is None else f" ({row[ratio]:.1f}x)"
        return f"{row[seconds] / count * 1e6:.0f} µs{times}"

    def table(seconds: str, ratio: str) -> list[str]:
        return _table(
            ["", *(f"{count} ports" if count > 1 else "1 port" for count in ports)],
            [
                [
                    f"{_strong(contender[0])}, {contender[1]}",
                    *(cell(contender, count, seconds, ratio) for count in ports),
                ]
                for contender in contenders
            ],
        )

    most = [row for row in rows if row["ports"] == ports[-1]]
    return [
        "Wall time of a round trip, divided by the number of ports; how many times as fast as pyserial in threads:",
        "",
        *table("seconds", "times_as_fast"),
        *_verdict(most, "seconds", lambda seconds: f"{seconds / ports[-1] * 1e6:.0f} µs at {ports[-1]} ports"),
        "",
        "CPU time of the library's process alone, in the same tests:",
        "",
        *table("cpu_seconds", "cpu_times_as_fast"),
        *_verdict(most, "cpu_seconds", lambda seconds: f"{seconds / ports[-1] * 1e6:.0f} µs at {ports[-1]} ports"),
    ]


def _bulk(rows: Rows) -> list[str]:
    return [
        "![Throughput and CPU time of bulk reception](benchmarks/bulk.png)",
        "",
        *_table(
            ["", "runtime", "MB/s", "throughput, of the floor", "CPU time, of the floor"],
            [
                [
                    _strong(row["library"]),
                    row["runtime"],
                    f"{row['megabytes_per_second']:.0f}",
                    f"{row['throughput']:.2f}",
                    f"{row['cpu']:.2f}",
                ]
                for row in rows
            ],
        ),
        *_verdict(rows, "throughput", lambda ratio: f"{ratio:.2f} of the floor", less_is_better=False),
    ]


def _cancellation(rows: Rows) -> list[str]:
    def shown(seconds: float) -> str:
        return f"{seconds * 1e3:.2f} ms"

    return [
        *_table(
            ["", "runtime", "late, median", "late, 95th percentile", "cancelled in", "instructions", "system calls"],
            [
                [
                    _strong(row["library"]),
                    row["runtime"],
                    shown(row["median"]),
                    shown(row["p95"]),
                    _microseconds(row["cancelled"]),
                    _thousands(row["instructions"]),
                    _calls(row["system_calls"]),
                ]
                for row in rows
            ],
        ),
        "",
        "Late:",
        *_verdict(rows, "median", shown),
        "",
        "Cancelled in:",
        *_verdict(rows, "cancelled", _microseconds),
        "",
        "Instructions:",
        *_verdict(rows, "instructions", _thousands),
    ]


def _opening(rows: Rows) -> list[str]:
    return [
        *_table(
            ["", "runtime", "open and close", "of pyserial's time", "instructions", "system calls"],
            [
                [
                    _strong(row["library"]),
                    row["runtime"],
                    _microseconds(row["seconds"]),
                    f"{row['times_pyserial']:.1f}",
                    _thousands(row["instructions"]),
                    _calls(row["system_calls"]),
                ]
                for row in rows
            ],
        ),
        *_verdict(rows, "seconds", _microseconds),
    ]


def _import(rows: Rows) -> list[str]:
    return [
        "![Instructions of an import](benchmarks/import.png)",
        "",
        *_table(
            ["", "statement", "instructions"],
            [[_strong(row["library"]), f"`{row['statement']}`", f"{row['instructions'] / 1e6:,.0f} M"] for row in rows],
        ),
        *_verdict([{**row, "runtime": ""} for row in rows], "instructions", lambda count: f"{count / 1e6:,.0f} M"),
    ]


def _memory(rows: Rows) -> list[str]:
    return [
        "![Memory of an open port](benchmarks/memory.png)",
        "",
        *_table(
            ["", "runtime", "allocated", "resident", "descriptors", "threads"],
            [
                [
                    _strong(row["library"]),
                    row["runtime"],
                    f"{row['allocated'] / 1024:.1f} KiB",
                    f"{row['resident'] / 1024:.1f} KiB",
                    f"{row['descriptors']:.0f}",
                    f"{row['threads']:.0f}",
                ]
                for row in rows
            ],
        ),
        *_verdict(rows, "allocated", lambda size: f"{size / 1024:.1f} KiB"),
    ]


TABLES: dict[str, Callable[[Rows], list[str]]] = {
    "round-trip": _round_trip,
    "fan-out": _fan_out,
    "lockstep": _many_ports,
    "bulk": _bulk,
    "cancellation": _cancellation,
    "opening": _opening,
    "import": _import,
    "memory": _memory,
}
