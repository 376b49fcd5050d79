"""One shape of an install, tried: a clean environment, the archives of a release, and the matching tests.

The tests come from the sdists, with what all tests of the workspace share beside them, in a folder that holds
no source of ours: what they import is what is installed.
"""

import json
import shutil
import subprocess
import sys
import tarfile
from itertools import chain
from pathlib import Path

from archives import ReleaseError, plain_environment, run, uv
from shapes import NEEDED_TOGETHER, Shape, pinned
from source_tree import ROOT, distributions

__all__ = ("environment", "try_shape")

PROBES = ROOT / "tests-integration" / "wheels" / "probes"
# What spreads the tests over the cores. It brings nothing that pytest itself does not need, but execnet.
SPREADING = "pytest-xdist>=3.8"
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile")


def environment(shape: Shape, dist: Path, folder: Path) -> Path:
    """Install a shape in a clean environment, and return its Python.

    Raises:
        ReleaseError: It cannot be installed, or it brings something else than it must.
    """
    uv("venv", "--quiet", "--clear", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    # `--find-links` alone would let an index that has this version answer as well.
    chosen = ("--find-links", dist, "--resolution", shape.resolution, "--reinstall")
    uv("pip", "install", "--quiet", "--python", python, *chosen, *map(pinned, shape.requirements))
    found = subprocess.run(
        [python, "-I", PROBES / "installed.py"], env=plain_environment(), capture_output=True, text=True, check=True
    )
    installed: dict[str, str] = json.loads(found.stdout)
    ours = installed.keys() & distributions().keys()
    if ours != set(shape.packages):
        raise ReleaseError(f"{shape.requirements} brings {sorted(ours)}, and should bring {sorted(shape.packages)}")
    if missing := set(shape.brings) - installed.keys():
        raise ReleaseError(f"{shape.requirements} does not bring {sorted(missing)}")
    return python


def tests_of(dist: Path, folder: Path) -> Path:
    """Lay the tests out as in the checkout, without any source."""
    if folder.exists():
        return folder
    for name in distributions():
        (sdist,) = dist.glob(f"{name.replace('-', '_')}-*.tar.gz")
        with tarfile.open(sdist) as archive:
            archive.extractall(folder / "unpacked", filter="data")
        unpacked = folder / "unpacked" / sdist.name.removesuffix(".tar.gz")
        shutil.copytree(unpacked / "tests", folder / "packages" / name / "tests")
        shutil.copy(unpacked / "pyproject.toml", folder / "packages" / name)
    shutil.rmtree(folder / "unpacked")
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name in ("docs", "tools", "tests-integration"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def try_shape(shape: Shape, dist: Path, scratch: Path) -> None:
    """Install a shape, and run the tests that must pass there.

    Raises:
        ReleaseError: It cannot be installed, brings the wrong things, or a test fails.
    """
    python = environment(shape, dist, scratch / "environment")
    for name, *arguments in shape.probes:
        run(python, "-I", PROBES / f"{name}.py", *arguments, cwd=scratch)
    if not shape.tested:
        return
    needed = set(chain.from_iterable(distributions()[name].groups["dev"] for name in shape.tested))
    if shape.together:
        needed.update(NEEDED_TOGETHER)
    uv("pip", "install", "--quiet", "--python", python, *sorted(needed | {SPREADING}))
    tests = tests_of(dist, scratch / "tests")
    # One run a package, as every gate has it: test modules of two packages may share a name.
    chosen = [[f"packages/{name}/tests"] for name in shape.tested]
    if shape.together:
        chosen.append([f"tests-integration/{name}" for name in shape.together])
    failed: list[str] = []
    for folders in chosen:
        try:
            run(python, *PYTEST, *folders, cwd=tests, PYTHONPATH="")
        except ReleaseError as exc:
            failed.extend(exc.args)
    if failed:
        raise ReleaseError(*failed)
