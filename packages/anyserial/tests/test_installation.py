"""An installation that an upgrade from 0.2.0 in place has broken is noticed, with its repair."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import anyserial
import anyserial_cli
import pytest
from anyserial_cli import _installation


def folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with core and the command, as they are installed."""
    for package in ("anyserial", "anyserial_cli"):
        shutil.copytree(folder(package), tmp_path / package)
    # What they need, without the core and the command that may be installed beside it.
    needed = tmp_path / "needed"
    needed.mkdir()
    for found in folder("anyio").parent.iterdir():
        if not found.name.startswith("anyserial"):
            (needed / found.name).symlink_to(found)
    return tmp_path


def run(site: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = [str(site), str(site / "needed")]
    program = "import runpy, sys; sys.path[:0] = {!r}; sys.argv[1:] = {!r}; {}"
    entry = "import anyserial_cli; sys.exit(anyserial_cli.main())"
    if command[:1] == ("-m",):
        entry, command = f"runpy.run_module({command[1]!r}, run_name='__main__', alter_sys=True)", command[2:]
    code = program.format(path, list(command), entry)
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_this_installation_is_whole() -> None:
    assert _installation.repair() is None


def test_a_whole_copy_works(site: Path) -> None:
    done = run(site, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"anyserial {anyserial.__version__}\n", "")


@pytest.mark.parametrize("command", [("--version",), ("demo",), ("-m", "anyserial", "demo")])
def test_what_the_upgrade_removes_is_noticed(site: Path, command: tuple[str, ...]) -> None:
    for name in _installation.SHARED:
        (site / "anyserial" / name).unlink()
    done = run(site, *command)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "this installation is broken" in done.stderr
    assert "__init__.py" in done.stderr
    assert "anyserial-core" in done.stderr.rstrip().splitlines()[-1]


@pytest.mark.parametrize("name", _installation.SHARED)
def test_one_missing_file_is_enough(site: Path, name: str) -> None:
    (site / "anyserial" / name).unlink()
    done = run(site, "--version")
    assert done.returncode == 1
    assert f"({name})" in done.stderr


def test_core_that_is_gone_altogether_is_noticed(site: Path) -> None:
    shutil.rmtree(site / "anyserial")
    done = run(site, "--version")
    assert done.returncode == 1
    assert "this installation is broken" in done.stderr


@pytest.mark.parametrize(
    ("pip", "command"),
    [
        (True, "-m pip install --force-reinstall --no-deps anyserial-core=="),
        (False, "uv pip install --python"),
    ],
)
def test_the_repair_suits_the_environment(
    pip: bool, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find_spec(name: str) -> object:
        return object() if name == "pip" and pip else None

    monkeypatch.setattr(_installation, "find_spec", find_spec)
    assert anyserial_cli.main(["demo"]) == 1
    last = capsys.readouterr().err.rstrip().splitlines()[-1]
    assert command in last
    assert last.endswith(f"anyserial-core=={anyserial.__version__}")


def test_the_files_that_are_looked_for_are_core_s() -> None:
    core = folder("anyserial")
    assert [name for name in _installation.SHARED if not (core / name).exists()] == []
