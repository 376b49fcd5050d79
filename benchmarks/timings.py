"""What only a clock can tell: fan-out, bulk, cancellation, opening, memory.

Times on a busy machine mean little by themselves. Runs of different contenders alternate,
a result is the median of several, and what counts is the ratio to a peer that ran
beside it.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.contenders import Contender
from benchmarks.programs import environment, far_end, run_client

__all__ = ("bulk", "cancellation", "fan_out", "lockstep", "memory", "opening")

FAN_OUT = (1, 4, 16, 64, 256, 1024)
LOCKSTEP = (16, 256, 1024)
TRIPS = 4096  # round trips of one fan-out run, over all ports
REPETITIONS = 5
BULK = 32 * 1024 * 1024
CYCLES = 100
GIVE_UPS = 50
PORTS = 1024
FEW_PORTS = 256

THREADS = Contender("pyserial", "blocking")
ASYNC = (
    Contender("anyserial", "uvloop"),
    Contender("anyserial", "asyncio"),
    Contender("anyserial", "trio"),
    Contender("serialx", "uvloop"),
    Contender("serialx", "asyncio"),
    Contender("pyserial-asyncio-fast", "asyncio"),
)
OLD = Contender("anyserial", "asyncio", published=True)
AIOSERIAL = Contender("aioserial", "asyncio")
SYNC = Contender("anyserial", "blocking")
FLOOR = Contender("bare", "blocking")

# Both wait in select(2), which takes no descriptor above 1023, and pyserial has five for each port.
MOST_PORTS = {THREADS: 256, Contender("pyserial-asyncio-fast", "asyncio"): 64}

type Progress = Callable[[str], None]


def fan_out(progress: Progress) -> list[dict[str, Any]]:
    """Round trips on N ports, each port at its own pace; a row per N and contender."""
    return _many_ports(progress, "fan_out", FAN_OUT)


def lockstep(progress: Progress) -> list[dict[str, Any]]:
    """One round trip on each of N ports, all at once, the next when all have ended; a row per N and contender."""
    return _many_ports(progress, "lockstep", LOCKSTEP)


def _many_ports(progress: Progress, task: str, counts: Sequence[int]) -> list[dict[str, Any]]:
    """Seconds, of wall and of CPU time, of one round trip on each port."""
    rows: list[dict[str, Any]] = []
    contenders = (THREADS, *ASYNC, SYNC)
    with environment() as env, far_end("echo", max(FAN_OUT)) as paths:
        for ports in counts:
            rounds = max(TRIPS // ports, 4)
            took: dict[Contender, list[dict[str, float]]] = {
                contender: [] for contender in contenders if ports <= MOST_PORTS.get(contender, ports)
            }
            progress(f"{task}, {ports} ports")
            for _ in range(REPETITIONS):
                for contender, results in took.items():
                    result, _ = run_client(contender, task, json.dumps(paths[:ports]), rounds, env=env)
                    results.append(result)
            peer = took.get(THREADS)
            rows += [
                {
                    **_named(contender),
                    "ports": ports,
                    "seconds": statistics.median(run["wall"] for run in results) / rounds,
                    "cpu_seconds": statistics.median(run["cpu"] for run in results) / rounds,
                    "times_as_fast": peer and _median_ratio(peer, results, "wall"),
                    "cpu_times_as_fast": peer and _median_ratio(peer, results, "cpu"),
                }
                for contender, results in took.items()
            ]
    return rows


def bulk(progress: Progress) -> list[dict[str, Any]]:
    """Receive bursts of 4 KiB: throughput and CPU time against a bare blocking read loop; a row per contender."""
    contenders = (FLOOR, *ASYNC, SYNC, OLD, AIOSERIAL, THREADS)
    found: dict[Contender, list[dict[str, float]]] = {contender: [] for contender in contenders}
    with environment() as env, far_end("source") as (path,):
        for repetition in range(REPETITIONS):
            progress(f"bulk, {repetition + 1} of {REPETITIONS}")
            for contender in contenders:
                result, _ = run_client(contender, "bulk", path, BULK, env=env)
                found[contender].append(result)
    return [
        {
            **(
                _named(contender)
                if contender != FLOOR
                else {"library": "floor: a loop of os.read", "runtime": "blocking"}
            ),
            "megabytes_per_second": BULK / 1e6 / statistics.median(run["wall"] for run in found[contender]),
            "throughput": _median_ratio(found[FLOOR], found[contender], "wall"),
            "cpu": 1 / _median_ratio(found[FLOOR], found[contender], "cpu"),
        }
        for contender in contenders
    ]


def cancellation(progress: Progress) -> list[dict[str, Any]]:
    """Give up on a receive after 20 ms: by how much too late; cancel one that waits: how long; a row per contender."""
    rows: list[dict[str, Any]] = []
    progress("cancellation")
    with environment() as env, far_end("silent") as (path,):
        for contender in (*ASYNC, SYNC, OLD, AIOSERIAL, THREADS, Contender("serialx", "blocking")):
            count = 5 if contender == AIOSERIAL else GIVE_UPS  # each leaves a thread of aioserial's behind for a while
            late, _ = run_client(contender, "overshoot", path, count, env=env)
            cancelled = None
            if contender.runtime != "blocking":
                took, _ = run_client(contender, "cancellations", path, count, env=env)
                cancelled = statistics.median(took)
            rows.append(
                {
                    **_named(contender),
                    "median": statistics.median(late),
                    "p95": sorted(late)[int(len(late) * 0.95)],
                    "cancelled": cancelled,
                }
            )
    return rows


def opening(progress: Progress) -> list[dict[str, Any]]:
    """Open and close a pty: seconds, and the ratio to pyserial; a row per contender."""
    contenders = (THREADS, *ASYNC, SYNC, OLD, AIOSERIAL)
    took: dict[Contender, list[float]] = {contender: [] for contender in contenders}
    with environment() as env, far_end("silent") as (path,):
        for repetition in range(REPETITIONS):
            progress(f"open and close, {repetition + 1} of {REPETITIONS}")
            for contender in contenders:
                seconds, _ = run_client(contender, "cycles", path, CYCLES, env=env)
                took[contender].append(seconds / CYCLES)
    return [
        {
            **_named(contender),
            "seconds": statistics.median(took[contender]),
            "times_pyserial": statistics.median(
                mine / peer for peer, mine in zip(took[THREADS], took[contender], strict=True)
            ),
        }
        for contender in contenders
    ]


def memory(progress: Progress) -> list[dict[str, Any]]:
    """What one more open, idle port takes: resident memory, descriptors, threads; a row per contender."""
    rows: list[dict[str, Any]] = []
    with environment() as env, far_end("silent", PORTS) as paths:
        for contender in (*ASYNC, SYNC, OLD, AIOSERIAL, THREADS):
            progress(f"memory, {contender.label} on {contender.runtime}")
            found, _ = run_client(contender, "memory", json.dumps(paths), FEW_PORTS, env=env)
            rows.append({**_named(contender), **found})
    return rows


def _named(contender: Contender) -> dict[str, str]:
    return {"library": contender.label, "runtime": contender.runtime}


def _median_ratio(one: Sequence[dict[str, float]], other: Sequence[dict[str, float]], name: str) -> float:
    return statistics.median(a[name] / b[name] for a, b in zip(one, other, strict=True))
