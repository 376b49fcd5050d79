"""What is measured: a library, on a runtime, in an environment that has it."""

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ("CONTENDERS", "PUBLISHED", "RUNTIMES", "Contender", "interpreter", "machine", "versions")

PUBLISHED = "0.2.0"
"""The last version of anyserial before this one, as published."""

RUNTIMES = ("asyncio", "uvloop", "trio", "blocking")


class Contender(NamedTuple):
    """One column of one row: which library on which runtime."""

    library: str
    runtime: str
    published: bool = False

    @property
    def label(self) -> str:
        """Its name in tables and plots."""
        if self.library == "bare":
            return "floor: poll, read, write" if self.runtime == "blocking" else "bare anyio.wait_readable"
        return f"anyserial {PUBLISHED}" if self.published else self.library


CONTENDERS = (
    *(Contender("anyserial", runtime) for runtime in RUNTIMES),
    *(Contender("anyserial", runtime, published=True) for runtime in RUNTIMES),
    *(Contender("serialx", runtime) for runtime in ("asyncio", "uvloop", "blocking")),
    Contender("pyserial-asyncio-fast", "asyncio"),
    Contender("aioserial", "asyncio"),
    Contender("pyserial", "blocking"),
    *(Contender("bare", runtime) for runtime in RUNTIMES),
)


def interpreter(contender: Contender) -> str:
    """Return the Python that has the contender's library."""
    return published_interpreter() if contender.published else sys.executable


@cache
def published_interpreter() -> str:
    """Return the Python of an environment with the published anyserial, made if need be."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = f"anyserial-{PUBLISHED}-python{platform.python_version()}"
    environment = caches / "anyserial-benchmarks" / name
    python = environment / "bin" / "python"
    uv = os.environ.get("UV", "uv")
    if not (environment / "complete").exists():
        print(f"making an environment for anyserial {PUBLISHED}", file=sys.stderr)
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True)
        packages = [f"{name}=={version}" for name, version in versions("anyio", "trio", "uvloop").items()]
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", python, f"anyserial=={PUBLISHED}", *packages], check=True
        )
        (environment / "complete").touch()
    return str(python)


def versions(*names: str) -> dict[str, str]:
    """Return the versions of what is installed here; those of everything that takes part by default."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    found: dict[str, str] = {}
    for name in names or (
        "anyserial",
        "anyio",
        "uvloop",
        "trio",
        *sorted({contender.library for contender in CONTENDERS} - {"bare"}),
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """Return what the figures were got on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0))
    return {
        "cpu": f"{model}, {cores} cores",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
