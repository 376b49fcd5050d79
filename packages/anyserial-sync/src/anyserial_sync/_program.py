"""Running a program as the interpreter does, with `anyserial.pyserial` in the place of ``serial``.

The program becomes ``__main__``, with its own ``sys.argv`` and ``sys.path``. An error that it does not catch is
reported without the frames of this module. Putting ``serial`` in place is `_serial_alias`'s.
"""

import argparse
import atexit
import builtins
import os
import shutil
import signal
import sys
from functools import partial
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from pkgutil import get_importer
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from anyserial_sync._serial_alias import install

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("ProgramError", "main", "run")

EXAMPLE = "-m serial.tools.miniterm"
FAILED = 1
MAIN = "__main__"
SHEBANG = b"#!"


class ProgramError(Exception):
    """There is no such program, or it cannot be run in this interpreter; the message says why."""


class _Program(NamedTuple):
    """What is to be run, and what ``__main__`` knows about itself.

    Attributes:
        loads: Returns its code.
        name: What ``sys.argv[0]`` says.
        file: What ``__file__`` says.
        spec: As the import system has it, None for a plain file.
        loader: What loads it.
    """

    loads: "Callable[[], CodeType | None]"
    name: str
    file: str
    spec: ModuleSpec | None
    loader: object


def run(program: str, arguments: "Sequence[str]" = (), *, module: bool = False, children: bool = False) -> int:
    """Run a Python program to its end, with `anyserial.pyserial` in the place of ``serial``.

    Args:
        program: A script, or a folder or zip file with a ``__main__.py``. A name without a slash that is not a file
            here is looked for among the commands of this environment, then on ``PATH``. With *module*, the name
            of a module.
        arguments: What the program finds in ``sys.argv`` after its own name.
        module: Whether *program* is a module, as after ``python -m``.
        children: Whether Python processes that the program starts do the same; see `anyserial.pyserial.install`.

    Returns:
        0, or 1 if the program ended with an exception. It has been reported then, as the interpreter does.

    Raises:
        SystemExit: The program has called ``sys.exit``.
        ProgramError: There is no such program, or it belongs to another interpreter.
        RuntimeError: As `anyserial.pyserial.install`.
    """
    install(children=children)
    found = _find_module(program) if module else _find_script(program)
    sys.argv[:] = [found.name, *arguments]
    main = ModuleType(MAIN)
    main.__file__ = found.file
    main.__loader__ = cast("Any", found.loader)
    main.__spec__ = found.spec
    main.__package__ = None if found.spec is None else found.spec.parent
    main.__dict__["__builtins__"] = builtins
    # It stays there: threads of the program, and multiprocessing, look it up later.
    sys.modules[MAIN] = main
    interruption = _Interruption()
    atexit.register(interruption.end)  # first, so that it comes after the program's own
    try:
        code = found.loads()
    except SyntaxError as exc:
        sys.excepthook(type(exc), exc.with_traceback(None), None)
        return FAILED
    if code is None:
        raise ProgramError(f"{program} has no Python code")
    try:
        exec(code, main.__dict__)  # noqa: S102  # that is what was asked for
    except SystemExit:
        raise
    except BaseException as exc:  # noqa: BLE001  # reported as the interpreter does
        shown = None if exc.__traceback__ is None else exc.__traceback__.tb_next
        sys.excepthook(type(exc), exc.with_traceback(shown), shown)
        interruption.came = isinstance(exc, KeyboardInterrupt)
        return FAILED
    return 0


class _Interruption:
    """Ends the process by SIGINT, as the interpreter does after a KeyboardInterrupt that nobody caught.

    The shell that has started the program sees by that that Ctrl-C has ended it, and ends its script too.
    """

    def __init__(self) -> None:
        self.came = False

    def end(self) -> None:
        if self.came:
            sys.stdout.flush()
            sys.stderr.flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)


def _begin_path_with(folder: str) -> None:
    """Put *folder* where the interpreter puts the folder of its own program; not with ``-P`` and ``-I``."""
    if not sys.flags.safe_path and sys.path:
        sys.path[0] = folder


def _find_module(name: str) -> _Program:
    _begin_path_with(str(Path.cwd()))
    spec = _spec_of(name)
    if spec.submodule_search_locations is not None:  # a package
        spec = _spec_of(f"{name}.{MAIN}", package=name)
    loader = cast("Any", spec.loader)
    if not hasattr(loader, "get_code"):
        raise ProgramError(f"the module {name} has no Python code")
    file = spec.origin or name
    return _Program(partial(loader.get_code, spec.name), file, file, spec, loader)


def _spec_of(name: str, package: str | None = None) -> ModuleSpec:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError as exc:
        # Only if it is one of the packages that lead to it; what these fail to import is an error of their own.
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        spec = None
    except ValueError:  # __main__ and the like
        spec = None
    if spec is not None:
        return spec
    if package is not None:
        raise ProgramError(f"{package} is a package without a module {MAIN}, and cannot be run")
    raise ProgramError(f"there is no module named {name} in this Python ({sys.executable})")


def _find_script(name: str) -> _Program:
    path = name
    if not Path(name).exists():
        path = _find_command(name)
    importer = get_importer(path)
    if importer is not None:  # a folder or a zip file
        _begin_path_with(os.path.abspath(path))  # noqa: PTH100  # as the interpreter: links are left alone
        spec = importer.find_spec(MAIN, None)
        if spec is None or spec.loader is None:
            raise ProgramError(f"{path} has no {MAIN}.py")
        archive = cast("Any", spec.loader)
        return _Program(partial(archive.get_code, MAIN), path, os.path.abspath(spec.origin or path), spec, archive)  # noqa: PTH100
    _begin_path_with(str(Path(path).resolve().parent))
    loader = SourceFileLoader(MAIN, path)
    return _Program(partial(_compiled, path), path, os.path.abspath(path), None, loader)  # noqa: PTH100  # as above


def _compiled(path: str) -> CodeType:
    try:
        return compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
    except OSError as exc:
        raise ProgramError(f"{path} cannot be read: {exc.strerror}") from exc


def _find_command(name: str) -> str:
    """Return the file of a command on PATH that this interpreter can run."""
    # Beside this interpreter first: in an environment that is not activated, its commands are not on PATH.
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    path = None if os.sep in name else shutil.which(name, path=places)
    if path is None:
        raise ProgramError(f"there is no file {name}{'' if os.sep in name else ', and no command of that name'}")
    with Path(path).open("rb") as file:
        head = file.read(512).splitlines()[:2]  # a long path is in the second line, after a first one for sh
    words = b" ".join(head).decode(errors="replace").split() if head and head[0].startswith(SHEBANG) else []
    python = next((word.removeprefix("#!") for word in words if "python" in Path(word).name), None)
    if python is None:
        raise ProgramError(f"{path} is not a Python program")
    own = Path(sys.prefix).resolve()
    if os.sep in python and Path(python).name != "env" and Path(python).parent.parent.resolve() != own:
        raise ProgramError(
            f"{path} belongs to another Python than this one ({sys.executable}), and cannot be run here. Install"
            f" anyserial beside it, and run: {python} -m anyserial.pyserial {name}"
        )
    return path


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run ``python -m anyserial.pyserial`` and return the exit status.

    Args:
        arguments: The command line after that; None for the process's own.

    Raises:
        SystemExit: The arguments are wrong, there is no such program, or the program has called ``sys.exit``.
    """
    parser = argparse.ArgumentParser(
        prog="python -m anyserial.pyserial",
        description="Run a Python program that uses pySerial, with anyserial in its place.",
        allow_abbrev=False,
    )
    parser.add_argument("--children", action="store_true", help="Python processes that it starts do the same")
    parser.add_argument("-m", dest="module", nargs=argparse.REMAINDER, metavar="MODULE", help="run a module")
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="PROGRAM", help="a script, or a command on PATH")
    parsed = parser.parse_args(arguments)
    is_module = parsed.module is not None
    words: list[str] = parsed.module if is_module else parsed.program
    if not words:
        parser.error(f"a {'module' if is_module else 'program'} is needed, such as {EXAMPLE}")
    try:
        return run(words[0], words[1:], module=is_module, children=parsed.children)
    except ProgramError as exc:
        parser.error(str(exc))
