"""A program that PyInstaller or cx_Freeze made of the wheels, with no option for anyserial, works as it did before."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parent / "probes" / "frozen.py"

# What makes a folder with the program in it, in the current directory; the last word is PROGRAM.
FREEZERS: dict[str, tuple[str, ...]] = {
    "pyinstaller": ("pyinstaller", "--log-level", "WARN", "--distpath", ".", "--name", "out"),
    "cx_Freeze": ("cxfreeze", "build_exe", "--silent", "--build-exe", "out", "--target-name", "out", "--script"),
}
SHAPES: dict[str, tuple[str, ...]] = {
    "full": ("anyserial[trio]",),
    "core+posix": ("anyserial-core", "anyserial-posix"),
}
RUNTIMES = {"full": ("asyncio", "trio"), "core+posix": ("asyncio",)}
MISSING = "this needs the distribution {0}, which is not installed: pip install {0}"
FOUND: dict[str, dict[str, object]] = {
    "full": {
        "async": "pong\n",
        "no information": True,
        "discovery": True,
        "listed": True,
        "watched": "PortWatch",
        "blocking": "ping\n",
        "testing": "serial_port_pair",
    },
    "core+posix": {
        "async": "pong\n",
        "no information": True,
        "discovery": False,
        "listed": MISSING.format("anyserial-discovery"),
        "blocking": MISSING.format("anyserial-sync"),
        "testing": MISSING.format("anyserial-testing"),
    },
}


@pytest.mark.parametrize("freezer", FREEZERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_frozen_program_opens_lists_and_watches(
    freezer: str, shape: str, make_environment: Callable[..., Any], tmp_path: Path
) -> None:
    if freezer == "pyinstaller" and shutil.which("objdump") is None:
        pytest.skip("PyInstaller needs objdump (on Debian and Ubuntu: apt install binutils)")
    environment = make_environment(*SHAPES[shape], *FREEZERS)
    command, *options = FREEZERS[freezer]
    frozen = environment.command(command, *options, str(PROGRAM), cwd=tmp_path)
    if "Python shared library" in frozen.stderr:
        pytest.skip("PyInstaller needs Python's shared library (on Debian and Ubuntu: apt install libpython3.x)")
    assert frozen.returncode == 0, frozen.stdout + frozen.stderr
    for runtime in RUNTIMES[shape]:
        done = subprocess.run(
            [tmp_path / "out" / "out", runtime], env={}, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == FOUND[shape]
