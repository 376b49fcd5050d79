"""The command line of the virtual machine: what it refuses, and what it hands on. Booting it is the gate's."""

import subprocess
import sys

import pytest
from source_tree import ROOT


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kernel", "5.10"], "choose from"),
        (["--run"], "--run takes a command"),
        (["-k", "break", "--run", "true"], "pytest's arguments do not go with it: ['-k', 'break']"),
        (["--timeout", "long"], "invalid float value: 'long'"),
    ],
)
def test_a_wrong_command_line_is_refused_before_anything_is_fetched(arguments: list[str], said: str) -> None:
    command = [sys.executable, str(ROOT / "tests-integration/machine"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "these tests need hardware: name two joined ports with --serial-pair A,B"),
        (["--serial-pair", "/dev/ttyUSB0"], "takes two ports, as in /dev/ttyUSB0,/dev/ttyUSB1; not '/dev/ttyUSB0'"),
        (["--serial-pair", "/dev/ttyUSB0,/dev/ttyUSB0"], "takes two ports"),
    ],
)
def test_hardware_tests_without_hardware_say_what_they_need(arguments: list[str], said: str) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests-integration/hardware", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode
    assert said in done.stdout + done.stderr
