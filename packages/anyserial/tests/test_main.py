"""The frame of the command: help, version, errors, exit status."""

import os
import re
import signal
import subprocess
import sys
from typing import NoReturn

import anyserial
import anyserial_cli
import pytest
from anyserial.exceptions import PortNotFoundError
from anyserial_cli import _demo

COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-m", "anyserial"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_version_is_that_of_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        anyserial_cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"anyserial {anyserial.__version__}\n"


def test_the_module_is_the_command() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"anyserial {anyserial.__version__}\n", "")


def test_a_character_that_the_output_cannot_take_is_escaped() -> None:
    program = "import sys, anyserial_cli._main as m; m._prepare_standard_streams(); print('\u20ac')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.stdout == "\\u20ac\n"


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        anyserial_cli.main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert re.search(r"^ +demo +\S", out, re.MULTILINE)
    assert "exit status" in out


def test_without_a_command_there_is_help_and_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert anyserial_cli.main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: anyserial")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["frobnicate"], "'frobnicate'"),
        (["--frobnicate"], "--frobnicate"),
        (["demo", "--runtime", "curio"], "'curio'"),
        (["demo", "--baudrate", "0"], "--baudrate: baudrate must be an integer from 1"),
        (["demo", "--baudrate", "9600.5"], "--baudrate"),
        (["demo", "one", "two"], "two"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        anyserial_cli.main(arguments)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert named in captured.err
    assert "--help" in captured.err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            PortNotFoundError(2, "there is no serial port at this path", "/dev/x"),
            "anyserial: /dev/x: [ENOENT] there is no serial port at this path",
        ),
        (OSError(5, "Input/output error"), "anyserial: [EIO] Input/output error"),
        (ImportError("this needs the distribution x"), "this needs the distribution x"),
    ],
)
def test_an_error_of_a_command_is_one_line(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(_demo, "COMMAND", _demo.COMMAND._replace(run=fail))
    assert anyserial_cli.main(["demo"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("anyserial: ")
    assert err.endswith(f"{line}\n")
    assert err.count("\n") == 1


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    process = subprocess.Popen([*COMMAND, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("runtime", ["asyncio", "uvloop", "trio"])
def test_ctrl_c_ends_it_quietly(runtime: str) -> None:
    process = subprocess.Popen(
        [*COMMAND, "demo", "--runtime", runtime], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "move_on_after" in line:
            break
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    # On a busy machine, and in development mode, asyncio tells there of a task that took long.
    said = [line for line in err.splitlines() if line and not line.startswith("Executing <")]
    assert (process.returncode, said) == (130, [])
