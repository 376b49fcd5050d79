"""The command. See the package's docstring."""

import argparse
import datetime as dt
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.contenders import machine, versions
from benchmarks.scenarios import SCENARIOS

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results.json"
PEERS = ("aioserial", "matplotlib", "serial", "serial_asyncio_fast", "serialx")


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure anyserial beside its peers; write the tables of docs/performance.md and its plots.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="only anyserial's instruction counts, against baseline.json"
    )
    parser.add_argument("--update", action="store_true", help="with --quick: make the new counts the committed ones")
    parser.add_argument(
        "--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), metavar="SCENARIO", help=", ".join(SCENARIOS)
    )
    parser.add_argument("--json", action="store_true", help="print the results and leave the files alone")
    parser.add_argument("--render", action="store_true", help="measure nothing, write the documents from results.json")
    arguments = parser.parse_args()
    if arguments.update and not arguments.quick:
        parser.error("--update goes with --quick")
    if arguments.quick:
        from benchmarks.quick import run  # noqa: PLC0415  # it needs no peers

        return run(update=arguments.update)
    if missing := [name for name in PEERS if find_spec(name) is None]:
        _start_with_peers(missing)
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if not arguments.render:
        for scenario in arguments.only:
            rows = SCENARIOS[scenario](lambda text: print(f"==> {text}", file=sys.stderr, flush=True))
            results[scenario] = {
                "date": dt.datetime.now(dt.UTC).date().isoformat(),
                "machine": machine(),
                "load": round(os.getloadavg()[1], 1),  # of the last five minutes, this run's own included
                "versions": versions(),
                "rows": rows,
            }
            if arguments.json:
                print(json.dumps({scenario: results[scenario]}, indent=1), flush=True)
            else:
                RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    if not arguments.json:
        from benchmarks import plots, report  # noqa: PLC0415  # matplotlib takes a second

        plots.write(results, ROOT / "docs" / "benchmarks")
        report.write(results, ROOT / "docs" / "performance.md")
    return 0


def _start_with_peers(missing: list[str]) -> None:
    """Restart this command in an environment that has the peers; the current environment stays as it is."""
    if os.environ.get("ANYSERIAL_BENCHMARKS_STARTED"):
        sys.exit(f"not installed: {', '.join(missing)}; they are in the dependency group 'peers'")
    uv = os.environ.get("UV", "uv")
    command = [uv, "run", "--locked", "--isolated", "--group", "peers", "python", "-m", "benchmarks", *sys.argv[1:]]
    os.execvpe(uv, command, {**os.environ, "ANYSERIAL_BENCHMARKS_STARTED": "1"})  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    sys.exit(main())
