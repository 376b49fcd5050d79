"""``anyserial run``: which arguments are its own and which the program's; running is tested in anyserial-sync."""

import subprocess
import sys
from pathlib import Path

import pytest
from anyserial_cli import main

PROGRAM = "import sys, serial\nprint(sys.argv, serial.__name__)\nsys.exit(5)\n"


def test_a_program_gets_its_arguments_and_gives_the_status(tmp_path: Path) -> None:
    (tmp_path / "flash.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "anyserial", "run", "--children", "flash.py", "--help", "-m", "x"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout == "['flash.py', '--help', '-m', 'x'] anyserial_sync._pyserial\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "anyserial run: a program is needed"),
        (["run", "-m"], "anyserial run: -m needs a module"),
        (["run", "--childs", "flash.py"], "did you mean --children?"),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert message in capsys.readouterr().err
