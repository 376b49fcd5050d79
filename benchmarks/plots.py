"""The plots of docs/performance.md, drawn from the results."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.contenders import PUBLISHED, RUNTIMES

__all__ = ("write",)

type Rows = list[dict[str, Any]]

# anyserial stands out; a bare loop is grey; the others keep their colours everywhere.
COLOURS = {
    "anyserial": "#0b6e99",
    f"anyserial {PUBLISHED}": "#8fc3d9",
    "serialx": "#d9822b",
    "pyserial-asyncio-fast": "#7a9e3f",
    "aioserial": "#a0522d",
    "pyserial": "#8e5aa8",
}
FLOOR = "#b8bcc2"
INK, FAINT = "#23282f", "#e3e6ea"
STYLES = {"asyncio": "-", "uvloop": "--", "trio": ":", "blocking": "-."}


def _pyplot() -> Any:
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    pyplot.rcParams.update(
        {
            "font.size": 10.5,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 12,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "figure.dpi": 130,
            "savefig.facecolor": "white",
        }
    )
    return pyplot


def write(results: dict[str, Any], folder: Path) -> None:
    """Draw what there are results for."""
    pyplot = _pyplot()
    folder.mkdir(parents=True, exist_ok=True)
    for scenario, draw in PLOTS.items():
        if results.get(scenario, {}).get("rows"):
            figure = draw(pyplot, results[scenario]["rows"])
            figure.savefig(folder / f"{scenario}.png", bbox_inches="tight")
            pyplot.close(figure)


def _colour(library: str) -> str:
    return COLOURS.get(library, FLOOR)


def _bars(axes: Any, labels: list[str], values: list[float], colours: list[str], shown: Callable[[float], str]) -> None:
    """Horizontal bars, the first on top, each with its value at its end."""
    positions = range(len(values))
    axes.barh(positions, values, color=colours, height=0.72)
    axes.set_yticks(positions, labels)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    most = max(values, default=0.0)
    axes.set_xlim(0, most * 1.16)
    for position, value in zip(positions, values, strict=True):
        axes.text(value + most * 0.012, position, shown(value), va="center", fontsize=9.5)
    for label in axes.get_yticklabels():
        if label.get_text().split(",")[0] in ("anyserial", "anyserial.sync"):
            label.set_fontweight("bold")


def _round_trip(pyplot: Any, rows: Rows) -> Any:
    rows = [row for row in rows if row["instructions"]]
    groups = [[row for row in rows if row["runtime"] == runtime] for runtime in RUNTIMES]
    heights = [len(group) for group in groups]
    figure, all_axes = pyplot.subplots(
        len(groups), 1, figsize=(8.4, 0.36 * sum(heights) + 2.6), height_ratios=heights, layout="constrained"
    )
    for axes, runtime, group in zip(all_axes, RUNTIMES, groups, strict=True):
        ordered = sorted(group, key=lambda row: row["instructions"])
        axes.set_title(runtime)
        _bars(
            axes,
            [row["library"] for row in ordered],
            [row["instructions"] / 1000 for row in ordered],
            [_colour(row["library"]) for row in ordered],
            lambda value: f"{value:,.1f} k" if value < 100 else f"{value:,.0f} k",  # noqa: PLR2004  # three digits
        )
    figure.suptitle(
        "User-space instructions of one 16-byte round trip (fewer is better; a scale for each runtime)",
        fontsize=10.5,
        x=0.01,
        ha="left",
    )
    return figure


def _fan_out(pyplot: Any, rows: Rows) -> Any:
    figure, all_axes = pyplot.subplots(1, 2, figsize=(11.5, 4.6), layout="constrained")
    ports = sorted({row["ports"] for row in rows})
    kinds = (("seconds", "wall time, both ends"), ("cpu_seconds", "CPU time of the library's process"))
    for axes, (name, title) in zip(all_axes, kinds, strict=True):
        for library, runtime in dict.fromkeys((row["library"], row["runtime"]) for row in rows):
            line = [row for row in rows if (row["library"], row["runtime"]) == (library, runtime)]
            kind = "a thread per port" if runtime == "blocking" else runtime
            axes.plot(
                [row["ports"] for row in line],
                [row[name] / row["ports"] * 1e6 for row in line],
                STYLES[runtime],
                color=_colour(library),
                marker="o",
                markersize=4.5,
                linewidth=2.4 if library == "anyserial" else 1.6,
                label=f"{library}, {kind}",
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(ports, [str(count) for count in ports])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_xlabel("ports, all at once")
        axes.set_title(title)
        axes.grid(axis="y", color=FAINT)
    all_axes[0].set_ylabel("µs per round trip and port (less is better)")
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=9, loc="outside lower center", ncols=4)
    return figure


def _bulk(pyplot: Any, rows: Rows) -> Any:
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 0.36 * len(rows) + 1.1), layout="constrained")
    labels = [f"{row['library']}, {row['runtime']}" for row in rows]
    colours = [_colour(row["library"]) for row in rows]
    left.set_title("Throughput, of a bare loop's\n(more is better)")
    _bars(left, labels, [row["throughput"] for row in rows], colours, lambda value: f"{value:.2f}")
    right.set_title("CPU time, of a bare loop's\n(less is better)")
    _bars(right, labels, [row["cpu"] for row in rows], colours, lambda value: f"{value:.2f}")
    right.set_yticks([])
    return figure


def _import(pyplot: Any, rows: Rows) -> Any:
    rows = sorted(rows, key=lambda row: row["instructions"])
    figure, axes = pyplot.subplots(figsize=(8.4, 0.36 * len(rows) + 0.9), layout="constrained")
    axes.set_title("Instructions of an import, beyond a bare interpreter (fewer is better)")
    _bars(
        axes,
        [row["library"] for row in rows],
        [row["instructions"] / 1e6 for row in rows],
        [COLOURS["anyserial"] if row["library"] == "anyserial.sync" else _colour(row["library"]) for row in rows],
        lambda value: f"{value:,.0f} M",
    )
    return figure


def _memory(pyplot: Any, rows: Rows) -> Any:
    rows = sorted(rows, key=lambda row: row["allocated"])
    figure, axes = pyplot.subplots(figsize=(8.4, 0.36 * len(rows) + 0.9), layout="constrained")
    axes.set_title("Memory allocated for one more open port (less is better)")
    _bars(
        axes,
        [f"{row['library']}, {row['runtime']}" for row in rows],
        [row["allocated"] / 1024 for row in rows],
        [_colour(row["library"]) for row in rows],
        lambda value: f"{value:.1f} KiB",
    )
    return figure


PLOTS: dict[str, Callable[[Any, Rows], Any]] = {
    "round-trip": _round_trip,
    "fan-out": _fan_out,
    "bulk": _bulk,
    "import": _import,
    "memory": _memory,
}
