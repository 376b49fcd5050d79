"""What core and the termios driver take on a small host: bytes on its storage, memory of a process, and a budget.

The page docs/embedded.md publishes these figures. Import time is not here: the benchmarks' quick mode counts
its instructions and refuses growth.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from archives import ReleaseError, plain_environment, run
from installs import PROBES, environment
from shapes import SHAPES

__all__ = ("LEFT_OUT", "check_footprint", "measure")

OURS = ("anyserial", "anyserial_posix")
# What a host that opens local ports with `open_serial_port` may delete, by what it then does without. What is
# left opens a port, which the check tries.
LEFT_OUT: dict[str, tuple[str, ...]] = {
    "framing": ("anyserial/framing.py", "anyserial/_framing"),
    "looking on and sharing": ("anyserial/tap.py", "anyserial/_looking"),
    "reconnecting": ("anyserial/_reconnection.py", "anyserial/_reconnecting"),
    "asyncio's own transports": ("anyserial/asyncio.py", "anyserial/_asyncio"),
    "network ports": ("anyserial/network.py", "anyserial/_network"),
    "the doors to parts that are not installed": (
        "anyserial/discovery.py",
        "anyserial/pyserial.py",
        "anyserial/sync.py",
        "anyserial/testing.py",
    ),
}
# KiB, except as said. A change that needs more raises a figure here and on the page, and says why in its commit.
BUDGET = {
    "installed": 1100,  # the sources, as pip installs them, without the bytecode that pip may add
    "stripped": 600,  # bytecode without docstrings, without sources and without LEFT_OUT
    "resident, import": 1536,  # beyond an interpreter with asyncio and AnyIO
    "resident, open port": 4096,  # beyond that
}


def measure(dist: Path, scratch: Path) -> dict[str, int]:
    """Install core and the driver, measure, strip, and open a port with what is left.

    Raises:
        ReleaseError: What is left opens no port.
    """
    python = environment(SHAPES["core+posix"], dist, scratch / "small")
    (site,) = (scratch / "small" / "lib").glob("python*/site-packages")
    found = {"installed": sum(_size(site / name, ".py") for name in OURS)}
    # Compiling a source takes memory that the process keeps, so that the bytecode must be there first.
    run(python, "-m", "compileall", "-q", site)
    probe: dict[str, Any] = json.loads(
        subprocess.run(
            [python, "-I", PROBES / "footprint.py"],
            env=plain_environment(),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    steps: dict[str, int] = probe["steps"]
    found["resident, import"] = (steps["anyserial"] - steps["anyio"]) * 1024
    found["resident, open port"] = (steps["open port"] - steps["anyserial"]) * 1024
    found["stripped"] = _strip(python, site, scratch / "stripped")
    return {name: round(size / 1024) for name, size in found.items()}


def _strip(python: Path, site: Path, folder: Path) -> int:
    """Leave out, compile and delete as docs/embedded.md says, and try what is left."""
    for name in OURS:
        shutil.copytree(site / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.rmtree(site / name)  # so that nothing but what is left can be imported
    for path in (folder / entry for entries in LEFT_OUT.values() for entry in entries):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    run(python, "-OO", "-m", "compileall", "-q", "-b", folder, cwd=folder)
    for path in folder.rglob("*.py"):
        path.unlink()
    run(python, PROBES / "open_async.py", "asyncio", cwd=folder, PYTHONPATH=str(folder))
    return sum(_size(folder / name, ".pyc") for name in OURS)


def _size(folder: Path, suffix: str) -> int:
    return sum(
        (Path(root) / name).stat().st_size
        for root, _, names in os.walk(folder)
        for name in names
        if name.endswith(suffix)
    )


def check_footprint(dist: Path, scratch: Path) -> None:
    """Measure, print, and compare with the budget.

    Raises:
        ReleaseError: A figure is above its budget, or what is left after stripping opens no port.
    """
    found = measure(dist, scratch)
    for name, size in found.items():
        print(f"    {name}: {size} KiB of {BUDGET[name]}", flush=True)
    above = [
        f"{name}: {size} KiB, and the budget is {BUDGET[name]}" for name, size in found.items() if size > BUDGET[name]
    ]
    if above:
        raise ReleaseError(*above)
