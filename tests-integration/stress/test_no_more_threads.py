"""A port that is open lives on and is closed where the system gives no more threads; opening says what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = os.environ.get("ANYSERIAL_STRESS") == "full"
PROBE = Path(__file__).parent / "probes" / "no_more_threads.py"
EVERY = [(face, when) for face in ("asyncio", "uvloop", "trio", "blocking") for when in ("after", "before")]


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_NPROC counts processes elsewhere")
@pytest.mark.parametrize(("face", "when"), EVERY if FULL else EVERY[:1])
def test_the_life_of_a_port_without_more_threads(face: str, when: str) -> None:
    command = [sys.executable, str(PROBE), face, when]
    # In the development mode asyncio writes about each callback that takes long, as the first imports do.
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONDEVMODE", "PYTHONASYNCIODEBUG"}}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
