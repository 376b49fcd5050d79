"""The archives of a release: built, built once more from themselves, and looked at as an index looks at them.

What must be in them, and what their metadata says, is tested in ``tests-integration/wheels``; those tests run
here on the very archives of the release. Nothing is installed in the checkout's environment.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from source_tree import ROOT, distributions

__all__ = ("ReleaseError", "build", "check_archives", "plain_environment", "run", "uv")

UV = os.environ.get("UV") or shutil.which("uv") or "uv"
# What a strict run adds, which is not for programs of others, and what would lead back to the checkout.
DROPPED = {"PYTHONDEVMODE", "PYTHONWARNINGS", "UV_ENV_FILE", "VIRTUAL_ENV", "PYTHONPATH"}


class ReleaseError(Exception):
    """This must not be published as it is; each argument is a reason."""


def plain_environment(**more: str) -> dict[str, str]:
    """The environment without what a strict run adds."""
    return {name: value for name, value in os.environ.items() if name not in DROPPED} | more


def run(*command: str | Path, cwd: Path = ROOT, **more: str) -> None:
    """Run a command.

    Raises:
        ReleaseError: It failed.
    """
    status = subprocess.run(command, cwd=cwd, env=plain_environment(**more), check=False).returncode
    if status:
        raise ReleaseError(f"exit status {status} from: {' '.join(map(str, command))}")


def uv(*arguments: str | Path, cwd: Path = ROOT) -> None:
    """Run uv.

    Raises:
        ReleaseError: It failed.
    """
    run(UV, *arguments, cwd=cwd)


def build(dist: Path) -> None:
    """Build every sdist and, from it, every wheel.

    Raises:
        ReleaseError: One cannot be built.
    """
    uv("build", "--quiet", "--all-packages", "--out-dir", dist)


def check_archives(dist: Path, scratch: Path) -> None:
    """Check the archives as an index does, and as the tests do; and build each once more from its sdist.

    Raises:
        ReleaseError: One is not what it must be.
    """
    archives = [*sorted(dist.glob("*.tar.gz")), *sorted(dist.glob("*.whl"))]
    if len(archives) != 2 * len(distributions()):
        raise ReleaseError(f"{len(archives)} archives for {len(distributions())} distributions in {dist}")
    # Metadata that the index refuses, and a README that it cannot render, fail here.
    twine = ("run", "--locked", "--quiet", "--isolated", "--only-group", "release", "twine", "check", "--strict")
    uv(*twine, *archives)
    run(
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests-integration/wheels/test_archives.py",
        ANYSERIAL_DIST=str(dist),
    )
    again = scratch / "again"
    for sdist in sorted(dist.glob("*.tar.gz")):
        rebuild(sdist, scratch / "unpacked", again)
    wrong = [path.name for path in archives if digest(path) != digest(again / path.name)]
    if wrong:
        raise ReleaseError(f"built once more from its sdist, it is another file: {', '.join(wrong)}")


def rebuild(sdist: Path, scratch: Path, dist: Path) -> None:
    """Unpack an sdist far from the checkout, and build both archives from what is in it.

    Raises:
        ReleaseError: It does not build.
    """
    with tarfile.open(sdist) as archive:
        archive.extractall(scratch, filter="data")
    constraints = scratch / "build-constraints.txt"
    constraints.write_text("\n".join(_build_constraints()))
    source = scratch / sdist.name.removesuffix(".tar.gz")
    uv("build", "--quiet", "--build-constraints", constraints, "--out-dir", dist, source, cwd=scratch)


def digest(path: Path) -> str:
    """The SHA-256 of a file; empty if there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _build_constraints() -> list[str]:
    import tomllib  # noqa: PLC0415  # only here

    settings: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"][
        "build-constraint-dependencies"
    ]
    return settings
