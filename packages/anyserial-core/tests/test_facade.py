"""`import anyserial`: light, lazy, and complete; ``python -m anyserial``."""

import ast
import importlib
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import anyserial
import pytest
from anyserial import _parts

# What `from anyserial import open_serial_port` may not load.
HEAVY = (
    "anyio.streams.file",
    "anyserial_discovery",
    "anyserial_posix",
    "anyserial_sync",
    "anyserial_testing",
    "ctypes",
    "importlib.metadata",
    "pathlib",
    "threading",
    "trio",
    "uvloop",
)


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_import_is_light() -> None:
    # The oldest AnyIO loads some of these by itself.
    code = "import sys, anyio; own = {*sys.modules}; from anyserial import open_serial_port; "
    code += "print(*sorted(set(sys.modules) - own), sep='\\n')"
    loaded = python("-c", code).stdout.split()
    assert "anyserial.stream" in loaded
    assert [name for name in HEAVY if name in loaded] == []


FIRST_USE = """
import sys
sys.path.insert(0, sys.argv[1])
import anyio
from anyserial import open_serial_port
from backends import Far, PtyBackend

async def main():
    far = Far()
    async with await open_serial_port(far.path, backend=PtyBackend()) as port:
        before = set(sys.modules)
        far.write(b"x")
        await port.receive()
        await port.send(b"x")
        print(sorted(set(sys.modules) - before))
    far.hang_up()

anyio.run(main, backend=sys.argv[2])
"""


@pytest.mark.parametrize("runtime", ["asyncio", "trio"])
def test_the_first_use_of_a_port_loads_nothing(runtime: str) -> None:
    """An import takes the event loop's thread for milliseconds; opening makes its own on another."""
    done = python("-c", FIRST_USE, str(Path(__file__).parent / "support"), runtime)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_bare_import_loads_nothing() -> None:
    code = "import sys, anyserial; print([name for name in sys.modules if name.partition('.')[0] == 'anyio'])"
    done = python("-c", code)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", anyserial.__all__)
def test_every_name_can_be_had_and_is_kept(name: str) -> None:
    if name != "__version__" and name in vars(anyserial):
        delattr(anyserial, name)
    value = getattr(anyserial, name)
    assert vars(anyserial)[name] is value


def test_all_is_sorted_and_dir_has_it() -> None:
    assert sorted(anyserial.__all__) == list(anyserial.__all__)
    assert set(anyserial.__all__) <= set(dir(anyserial))


@pytest.mark.parametrize("name", ["backend", "capabilities", "config", "discovery", "exceptions", "stream"])
def test_a_submodule_is_an_attribute(name: str) -> None:
    code = f"import anyserial; print(anyserial.{name}.__name__)"
    assert python("-c", code).stdout == f"anyserial.{name}\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    for module in ("anyserial", "anyserial.capabilities", "anyserial.stream", "anyserial._async_opening"):
        with pytest.raises(AttributeError, match=f"'{module}' has no attribute 'nothing'"):
            _ = importlib.import_module(module).nothing


def test_names_that_other_modules_keep_exporting() -> None:
    for module in ("anyserial.stream", "anyserial._async_opening"):
        assert importlib.import_module(module).SerialConnectable is anyserial.SerialConnectable
        assert importlib.import_module(module).open_serial_port is anyserial.open_serial_port
    assert importlib.import_module("anyserial.capabilities").SerialStreamAttribute is anyserial.SerialStreamAttribute


# The aliases of the parts, over parts that the test plays.


def _module(folder: Path, name: str, code: str) -> None:
    (folder / f"{name}.py").write_text(code)


def _exported(alias: str) -> str:
    """The names of an alias's ``__all__``, from its source: to import it takes its part."""
    source = (Path(anyserial.__file__).parent / f"{alias}.py").read_text()
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return " ".join(ast.literal_eval(value))
            case _:
                pass
    raise AssertionError(alias)


ALIASES = {alias: (f"anyserial_{alias}", _exported(alias)) for alias in ("sync", "testing")}


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_exports_its_part_s_names(alias: str, tmp_path: Path) -> None:
    part, names = ALIASES[alias]
    _module(tmp_path, part, "".join(f"{name} = object()\n" for name in names.split()))
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"import {part}, anyserial.{alias} as alias\n"
        f"print(sorted(alias.__all__) == {sorted(names.split())!r}"
        f" and all(getattr(alias, name) is getattr({part}, name) for name in alias.__all__))\n"
    )
    done = python("-c", code)
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_without_its_part_says_what_to_install(alias: str, tmp_path: Path) -> None:
    part, _ = ALIASES[alias]
    hide = f"import sys; sys.modules[{part!r}] = None; sys.path.insert(0, {str(tmp_path)!r})"
    done = python("-c", f"{hide}\nimport anyserial.{alias}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(f"pip install {part.replace('_', '-')}")


# python -m anyserial


def test_the_module_runs_the_command(tmp_path: Path) -> None:
    _module(tmp_path, "anyserial_cli", "def main():\n    print('the command')\n    return 7\n")
    code = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); runpy.run_module('anyserial', None, '__main__')"
    done = python("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (7, "the command\n", "")


def test_the_module_without_the_command_says_what_to_install() -> None:
    code = "import runpy, sys; sys.modules['anyserial_cli'] = None; runpy.run_module('anyserial', None, '__main__')"
    done = python("-c", code)
    assert done.returncode == 1
    assert done.stderr == (
        "anyserial: this needs the distribution anyserial, which is not installed: pip install anyserial\n"
    )


def test_the_exit_status_is_the_command_s(monkeypatch: pytest.MonkeyPatch) -> None:
    part = ModuleType("anyserial_cli")
    part.main = lambda: 7  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "anyserial_cli", part)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("anyserial", run_name="__main__")
    assert caught.value.code == 7


def test_without_the_command_the_status_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anyserial_cli", None)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("anyserial", run_name="__main__")
    assert str(caught.value.code).endswith("pip install anyserial")


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_gives_what_its_part_has(alias: str) -> None:
    name, names = ALIASES[alias]
    part = ModuleType(name)
    for exported in names.split():
        setattr(part, exported, object())
    full_name = f"anyserial.{alias}"
    before = (sys.modules.get(name), sys.modules.get(full_name), vars(anyserial).get(alias))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, name, part)
        # Set before it is deleted, so that what the import leaves here is taken away again.
        patch.setitem(sys.modules, full_name, part)
        patch.delitem(sys.modules, full_name)
        patch.setitem(vars(anyserial), alias, part)
        patch.delitem(vars(anyserial), alias)
        module = importlib.import_module(full_name)
        assert {exported: getattr(module, exported) for exported in names.split()} == {
            exported: getattr(part, exported) for exported in names.split()
        }
    # Other tests in this process need the real part.
    assert (sys.modules.get(name), sys.modules.get(full_name), vars(anyserial).get(alias)) == before


def test_every_part_has_a_distribution() -> None:
    assert {part for part, _ in ALIASES.values()} < set(_parts.DISTRIBUTIONS)
