"""The six distributions, built as a release builds them, and clean environments to install them in."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shapes import pinned
from source_tree import ROOT

PROBES = Path(__file__).parent / "probes"


class Environment:
    """A virtual environment made for one shape of an install."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.python = root / "bin" / "python"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python, strictly, seeing nothing of the checkout."""
        command = [str(self.python), "-I", "-X", "dev", "-W", "error", *arguments]
        return subprocess.run(
            command, cwd=self.root, env=_plain(), capture_output=True, text=True, timeout=60, check=False
        )

    def command(self, name: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a script that a distribution installed here."""
        command = [str(self.root / "bin" / name), *arguments]
        return subprocess.run(
            command, cwd=cwd or self.root, env=_plain(), capture_output=True, text=True, timeout=120, check=False
        )

    def probe(self, name: str, *arguments: str) -> str:
        """Run one of the programs in probes/ and return what it printed; it must succeed."""
        done = self.run(str(PROBES / f"{name}.py"), *arguments)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        assert done.stderr == ""
        return done.stdout

    def distributions(self) -> dict[str, str]:
        """What is installed, by its name as the package index spells it."""
        installed: dict[str, str] = json.loads(self.probe("installed"))
        return installed


type MakeEnvironment = Callable[..., Environment]
type RunUv = Callable[..., None]


def _plain() -> dict[str, str]:
    """The environment without what the gate adds for the tests: builds are not ours to be strict about."""
    dropped = {"PYTHONDEVMODE", "PYTHONWARNINGS", "UV_ENV_FILE", "VIRTUAL_ENV", "PYTHONPATH"}
    return {name: value for name, value in os.environ.items() if name not in dropped}


def _uv(*arguments: str) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.fail("building and installing the wheels takes uv: start the tests with `uv run pytest`")
    done = subprocess.run([uv, *arguments], cwd=ROOT, env=_plain(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"uv {' '.join(arguments)}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every sdist and, built from those, every wheel: the release's own, where that runs this."""
    if given := os.environ.get("ANYSERIAL_DIST"):
        return Path(given)
    folder = tmp_path_factory.mktemp("dist")
    _uv("build", "--quiet", "--all-packages", "--out-dir", str(folder))
    return folder


@pytest.fixture(scope="session")
def uv() -> RunUv:
    """Run uv with these arguments; it must succeed."""
    return _uv


@pytest.fixture(scope="session")
def bare_environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Environment]:
    """Make an environment with nothing in it, or with what these options of ``uv venv`` put there."""

    def make(*options: str) -> Environment:
        root = tmp_path_factory.mktemp("environment")
        _uv("venv", "--quiet", "--clear", *options, "--python", sys.executable, str(root))
        return Environment(root)

    return make


@pytest.fixture(scope="session")
def make_environment(dist: Path, bare_environment: Callable[..., Environment]) -> MakeEnvironment:
    """Make an environment with these requirements; one is made per set and used again."""
    made: dict[tuple[str, ...], Environment] = {}

    def make(*requirements: str) -> Environment:
        if requirements not in made:
            environment = bare_environment()
            source = ("--find-links", str(dist), "--reinstall")
            wanted = map(pinned, requirements)
            _uv("pip", "install", "--quiet", "--python", str(environment.python), *source, *wanted)
            made[requirements] = environment
        return made[requirements]

    return make
