"""What only a clock can tell: fan-out, bulk, cancellation, opening, memory.

Times on a busy machine mean little by themselves. Runs of different ways alternate,
a result is the median of several, and what counts is the ratio to a peer that ran
beside it.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.programs import environment, far_end, run_client
from benchmarks.ways import Way

__all__ = ("bulk", "cancellation", "fan_out", "in_step", "memory", "opening")

FAN_OUT = (1, 4, 16, 64, 256, 1024)
IN_STEP = (16, 256, 1024)
TRIPS = 4096  # round trips of one fan-out run, over all ports
REPETITIONS = 5
BULK = 32 * 1024 * 1024
CYCLES = 100
GIVE_UPS = 50
PORTS = 1024
FEW_PORTS = 256

THREADS = Way("pyserial", "blocking")
ASYNC_WAYS = (
    Way("anyserial", "uvloop"),
    Way("anyserial", "asyncio"),
    Way("anyserial", "trio"),
    Way("serialx", "uvloop"),
    Way("serialx", "asyncio"),
    Way("pyserial-asyncio-fast", "asyncio"),
)
OLD = Way("anyserial", "asyncio", published=True)
AIOSERIAL = Way("aioserial", "asyncio")
SYNC = Way("anyserial", "blocking")
FLOOR = Way("bare", "blocking")

# Both wait in select(2), which takes no descriptor above 1023, and pyserial has five for each port.
MOST_PORTS = {THREADS: 256, Way("pyserial-asyncio-fast", "asyncio"): 64}

type Progress = Callable[[str], None]


def fan_out(progress: Progress) -> list[dict[str, Any]]:
    """Round trips on N ports, each port at its own pace; a row per N and way."""
    return _many_ports(progress, "fan_out", FAN_OUT)


def in_step(progress: Progress) -> list[dict[str, Any]]:
    """One round trip on each of N ports, all at once, the next when all have ended; a row per N and way."""
    return _many_ports(progress, "in_step", IN_STEP)


def _many_ports(progress: Progress, task: str, counts: Sequence[int]) -> list[dict[str, Any]]:
    """Seconds, of wall and of CPU time, of one round trip on each port."""
    rows: list[dict[str, Any]] = []
    ways = (THREADS, *ASYNC_WAYS, SYNC)
    with environment() as env, far_end("echo", max(FAN_OUT)) as paths:
        for ports in counts:
            rounds = max(TRIPS // ports, 4)
            took: dict[Way, list[dict[str, float]]] = {way: [] for way in ways if ports <= MOST_PORTS.get(way, ports)}
            progress(f"{task}, {ports} ports")
            for _ in range(REPETITIONS):
                for way, results in took.items():
                    result, _ = run_client(way, task, json.dumps(paths[:ports]), rounds, env=env)
                    results.append(result)
            peer = took.get(THREADS)
            rows += [
                {
                    **_named(way),
                    "ports": ports,
                    "seconds": statistics.median(run["wall"] for run in results) / rounds,
                    "cpu_seconds": statistics.median(run["cpu"] for run in results) / rounds,
                    "times_as_fast": peer and _median_ratio(peer, results, "wall"),
                    "cpu_times_as_fast": peer and _median_ratio(peer, results, "cpu"),
                }
                for way, results in took.items()
            ]
    return rows


def bulk(progress: Progress) -> list[dict[str, Any]]:
    """Receive bursts of 4 KiB: throughput and CPU time against a bare blocking read loop; a row per way."""
    ways = (FLOOR, *ASYNC_WAYS, SYNC, OLD, AIOSERIAL, THREADS)
    found: dict[Way, list[dict[str, float]]] = {way: [] for way in ways}
    with environment() as env, far_end("source") as (path,):
        for repetition in range(REPETITIONS):
            progress(f"bulk, {repetition + 1} of {REPETITIONS}")
            for way in ways:
                result, _ = run_client(way, "bulk", path, BULK, env=env)
                found[way].append(result)
    return [
        {
            **(_named(way) if way != FLOOR else {"library": "floor: a loop of os.read", "runtime": "blocking"}),
            "megabytes_per_second": BULK / 1e6 / statistics.median(run["wall"] for run in found[way]),
            "throughput": _median_ratio(found[FLOOR], found[way], "wall"),
            "cpu": 1 / _median_ratio(found[FLOOR], found[way], "cpu"),
        }
        for way in ways
    ]


def cancellation(progress: Progress) -> list[dict[str, Any]]:
    """Give up on a receive after 20 ms: by how much too late; a row per way."""
    rows: list[dict[str, Any]] = []
    progress("cancellation")
    with environment() as env, far_end("silent") as (path,):
        for way in (*ASYNC_WAYS, SYNC, OLD, AIOSERIAL, THREADS, Way("serialx", "blocking")):
            count = 5 if way == AIOSERIAL else GIVE_UPS  # each leaves a thread of aioserial's behind for a while
            late, _ = run_client(way, "overshoot", path, count, env=env)
            rows.append(
                {
                    **_named(way),
                    "median": statistics.median(late),
                    "p95": sorted(late)[int(len(late) * 0.95)],
                }
            )
    return rows


def opening(progress: Progress) -> list[dict[str, Any]]:
    """Open and close a pty: seconds, and the ratio to pyserial; a row per way."""
    ways = (THREADS, *ASYNC_WAYS, SYNC, OLD, AIOSERIAL)
    took: dict[Way, list[float]] = {way: [] for way in ways}
    with environment() as env, far_end("silent") as (path,):
        for repetition in range(REPETITIONS):
            progress(f"open and close, {repetition + 1} of {REPETITIONS}")
            for way in ways:
                seconds, _ = run_client(way, "cycles", path, CYCLES, env=env)
                took[way].append(seconds / CYCLES)
    return [
        {
            **_named(way),
            "seconds": statistics.median(took[way]),
            "times_pyserial": statistics.median(
                mine / peer for peer, mine in zip(took[THREADS], took[way], strict=True)
            ),
        }
        for way in ways
    ]


def memory(progress: Progress) -> list[dict[str, Any]]:
    """What one more open, idle port takes: resident memory, descriptors, threads; a row per way."""
    rows: list[dict[str, Any]] = []
    with environment() as env, far_end("silent", PORTS) as paths:
        for way in (*ASYNC_WAYS, SYNC, OLD, AIOSERIAL, THREADS):
            progress(f"memory, {way.label} on {way.runtime}")
            found, _ = run_client(way, "memory", json.dumps(paths), FEW_PORTS, env=env)
            rows.append({**_named(way), **found})
    return rows


def _named(way: Way) -> dict[str, str]:
    return {"library": way.label, "runtime": way.runtime}


def _median_ratio(one: Sequence[dict[str, float]], other: Sequence[dict[str, float]], name: str) -> float:
    return statistics.median(a[name] / b[name] for a, b in zip(one, other, strict=True))
