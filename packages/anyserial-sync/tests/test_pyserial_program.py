"""Programs with anyserial in the place of pySerial: ``python -m anyserial.pyserial``, ``install`` and ``run``.

Each program prints what it sees of itself. pySerial is not installed where these tests run alone.
"""

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from anyserial.pyserial import ProgramError
from anyserial_sync import _program

SHOW = """
import sys, serial, serial.tools, serial.serialutil
from serial import SerialException
print(__name__, sys.argv[1:], serial.__file__.split("/")[-2], serial.tools.__name__)
print(sys.modules["__main__"].__dict__ is globals(), serial.serialutil.SerialException is SerialException)
print(__file__, sys.argv[0], sys.path[0], __spec__ and __spec__.name, __package__, type(__loader__).__name__)
"""
SHOWN = "__main__ ['-x', 'b c'] _pyserial anyserial_sync._pyserial.tools\nTrue True\n"


# One interpreter has everything imported, and a fork of it is each program's process: starting twenty takes long.
STARTER = """
import json, os, sys
import anyserial_sync._pyserial.tools
from anyserial_sync import _program
for line in sys.stdin:
    cwd, path, *arguments = json.loads(line)
    pid = os.fork()
    if not pid:
        os.chdir(cwd)
        os.environ["PATH"] = path
        for number in (1, 2):
            os.dup2(os.open(f"{cwd}/output{number}", os.O_CREAT | os.O_TRUNC | os.O_WRONLY), number)
        sys.exit(_program.main(arguments))
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Done(NamedTuple):
    status: int
    stdout: str
    stderr: str


type Run = Callable[..., Done]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Run ``python -m anyserial.pyserial`` with arguments, in a folder."""

    def run_one(*arguments: str, cwd: Path, path: str = os.environ["PATH"]) -> Done:
        assert starter.stdin is not None
        assert starter.stdout is not None
        print(json.dumps([str(cwd), path, *arguments]), file=starter.stdin, flush=True)
        status = int(starter.stdout.readline())
        return Done(status, *((cwd / f"output{number}").read_text() for number in (1, 2)))

    command = [sys.executable, "-c", STARTER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        yield run_one


def python(*arguments: str, cwd: Path) -> Done:
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four kinds of programs."""
    (tmp_path / "script.py").write_text(SHOW)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "__main__.py").write_text(SHOW)
    with zipfile.ZipFile(tmp_path / "archive.pyz", "w") as archive:
        archive.writestr("__main__.py", SHOW)
    return tmp_path


# As the interpreter has it: __file__, sys.argv[0], sys.path[0], the name of __spec__, __package__, the loader.
KINDS = (
    (["script.py"], "{0}/script.py script.py {0} None None SourceFileLoader"),
    (["-m", "script"], "{0}/script.py {0}/script.py {0} script  SourceFileLoader"),
    (
        ["-m", "package"],
        "{0}/package/__main__.py {0}/package/__main__.py {0} package.__main__ package SourceFileLoader",
    ),
    (["package"], "{0}/package/__main__.py package {0}/package __main__  SourceFileLoader"),
    (["archive.pyz"], "{0}/archive.pyz/__main__.py archive.pyz {0}/archive.pyz __main__  zipimporter"),
)


@pytest.mark.parametrize(("program", "own"), KINDS)
def test_a_program_of_any_kind_sees_what_it_would_see_without(
    run: Run, folder: Path, program: list[str], own: str
) -> None:
    done = run(*program, "-x", "b c", cwd=folder)
    assert done == (0, SHOWN + own.format(folder) + "\n", "")


FAILS = "def fail(): raise ValueError('x')\ntry: fail()\nexcept ValueError as exc: raise KeyError from exc"
TRACEBACK = """\
Traceback (most recent call last):
  File "script.py", line 2, in <module>
    try: fail()
         ~~~~^^
  File "script.py", line 1, in fail
    def fail(): raise ValueError('x')
                ^^^^^^^^^^^^^^^^^^^^^
ValueError: x

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "script.py", line 3, in <module>
    except ValueError as exc: raise KeyError from exc
                              ^^^^^^^^^^^^^^^^^^^^^^^
KeyError
"""
LATE = (
    "import threading, time, sys\nout = sys.__stdout__\n"
    "threading.Thread(target=lambda: (time.sleep(0.05), out.write(__name__), out.flush())).start()"
)
SYNTAX = '  File "script.py", line 1\n    def fail(:\n             ^\nSyntaxError: invalid syntax\n'
HOOK = "import sys\nsys.excepthook = lambda *exc: print(exc[2].tb_frame.f_code.co_name)\n1 / 0"
ENDS = (
    ("import sys; sys.exit(7)", Done(7, "", "")),
    ("import sys; sys.exit('no port')", Done(1, "", "no port\n")),
    (FAILS, Done(1, "", TRACEBACK)),
    ("def fail(:", Done(1, "", SYNTAX)),
    (LATE, Done(0, "__main__", "")),
    ("import sys; sys.stdout.close()", Done(0, "", "")),
    (HOOK, Done(1, "<module>\n", "")),
)


@pytest.mark.parametrize(("code", "end"), ENDS)
def test_a_program_ends_as_it_would_without(run: Run, folder: Path, code: str, end: Done) -> None:
    (folder / "script.py").write_text(code)
    assert run("script.py", cwd=folder) == end


def test_an_interrupted_program_ends_by_the_signal(run: Run, folder: Path) -> None:
    (folder / "script.py").write_text("import atexit; atexit.register(print, 'end'); raise KeyboardInterrupt")
    done = run("script.py", cwd=folder)
    assert (done.status, done.stdout) == (-signal.SIGINT, "end\n")
    assert done.stderr.startswith("Traceback")
    assert "_program" not in done.stderr


WRONG = (
    ("nothing.py", False, "there is no file nothing.py, and no command of that name"),
    ("./nothing.py", False, "there is no file ./nothing.py"),
    ("sh", False, "is not a Python program"),
    ("empty", False, "has no __main__.py"),
    ("nothing.at.all", True, "there is no module named nothing.at.all"),
    ("anyserial_sync", True, "is a package without a module __main__"),
    ("builtins", True, "has no Python code"),
)


@pytest.mark.parametrize(("program", "is_module", "message"), WRONG)
def test_a_program_that_is_not_there(
    program: str, is_module: bool, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setattr("sys.argv", [])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(_program, "install", partial(dict[str, bool]))
    with pytest.raises(ProgramError, match=message):
        _program.run(program, module=is_module)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "a program is needed"),
        (["-m"], "a module is needed"),
        (["-m", "serial.tools.nothing"], "there is no module named serial.tools.nothing"),
    ],
)
def test_wrong_arguments(run: Run, folder: Path, arguments: list[str], message: str) -> None:
    done = run(*arguments, cwd=folder)
    assert (done.status, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_command_of_another_python_is_refused(run: Run, folder: Path) -> None:
    command = folder / "flash"
    command.write_text("#!/opt/other/bin/python3\nprint('hello')\n")
    command.chmod(0o755)
    done = run("flash", cwd=folder / "package", path=str(folder))
    assert done.status == 2
    assert "/opt/other/bin/python3 -m anyserial.pyserial flash" in done.stderr
    command.write_text(f"#!{sys.executable}\nprint('hello')\n")
    assert run("flash", cwd=folder / "package", path=str(folder)).stdout == "hello\n"


CHILD = """
import subprocess, sys
code = "import serial, sys; print(serial.__file__.split('/')[-2], sys.argv)"
try:
    import sitecustomize_ran
except ModuleNotFoundError:
    pass
sys.exit(subprocess.call([sys.executable, "-c", code, "a"]))
"""


def test_children_have_it_if_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "script.py").write_text(CHILD)
    hidden = folder / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("print('the hidden one')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(hidden), os.environ.get("PYTHONPATH")))))
    done = python("-m", "anyserial.pyserial", "--children", "script.py", cwd=folder)
    assert (done.status, done.stdout) == (
        0,
        "the hidden one\nthe hidden one\n_pyserial ['-c', 'a']\n",
    )
    assert "_pyserial" not in python("-m", "anyserial.pyserial", "script.py", cwd=folder).stdout


INSTALL = """
import os, sys
from anyserial.pyserial import install, uninstall
os.environ["PYTHONPATH"] = os.pathsep.join(["one", "two"])
before = dict(os.environ), [*sys.meta_path]
install(children=True)
install(children=True)
import serial, serial.threaded
assert serial.__name__ == "anyserial_sync._pyserial", serial
import anyserial.asyncio, serial_asyncio, serial_asyncio_fast
assert serial_asyncio is serial_asyncio_fast is anyserial.asyncio
try:
    import serial.nothing
except ModuleNotFoundError as exc:
    print(exc, exc.name)
uninstall()
assert before == (dict(os.environ), sys.meta_path)
assert not [name for name in sys.modules if name.startswith("serial")]
uninstall()
class Foreign: pass
sys.modules["serial"] = Foreign()
try:
    install()
except RuntimeError as exc:
    print(exc)
"""


def test_install_and_its_undoing(tmp_path: Path) -> None:
    done = python("-c", INSTALL, cwd=tmp_path)
    assert done.stderr == ""
    missing, early = done.stdout.splitlines()
    assert missing == "anyserial, in the place of pySerial, has no module 'serial.nothing' serial.nothing"
    assert early.startswith("pySerial is imported already (serial): call anyserial.pyserial.install() before")
