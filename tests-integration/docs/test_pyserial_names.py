"""The page with every name of pySerial says of each what is true, and leaves none out."""

import importlib
import inspect
import re
from types import ModuleType

import pytest
from source_tree import ROOT

PAGE = (ROOT / "docs" / "pyserial-names.md").read_text()
OURS = "anyserial_sync._pyserial"
# What pySerial has for other systems; the page says so in its text.
ELSEWHERE = re.compile(
    r"serial\.(serial(win32|java|cli)|win32|tools\.list_ports_(osx|windows)|urlhandler\.protocol_cp2110)"
)


def rows() -> dict[str, dict[str, str]]:
    """What the page says of each name, by module."""
    found: dict[str, dict[str, str]] = {}
    for section in PAGE.split("\n## ")[1:]:
        module, _, body = section.partition("\n")
        said = found.setdefault(module.strip(), {})
        for line in body.splitlines():
            if line.startswith("| `"):
                cell, verdict = line.strip("| ").split(" | ", 1)
                for name in re.findall(r"`([^`]+)`", cell):
                    assert name not in said, f"{module} has {name} twice"
                    said[name] = verdict.partition(":")[0]
    return found


ROWS = rows()


def public_names(module: ModuleType) -> set[str]:
    """The public names of a module of pySerial, and the members of the classes that it defines."""
    found: set[str] = set()
    for name, value in vars(module).items():
        if name.startswith("_") or inspect.ismodule(value) or type(value).__name__ == "_Feature":
            continue
        found.add(name)
        if inspect.isclass(value) and value.__module__ == module.__name__:
            found |= {f"{name}.{member}" for member in vars(value) if not member.startswith("_")}
    return found


def is_ours(name: str, module: ModuleType) -> bool:
    """Whether anyserial defines a name, or the member of a class."""
    owner, _, member = name.rpartition(".")
    if not owner:
        return hasattr(module, name)
    kind = getattr(module, owner, None)
    return isinstance(kind, type) and any(
        member in vars(base) or member in getattr(base, "__annotations__", ())
        for base in kind.__mro__
        if base.__module__.startswith("anyserial")
    )


@pytest.mark.parametrize("module", ROWS)
def test_every_name_is_on_the_page_and_the_page_has_no_other(module: str) -> None:
    names = public_names(importlib.import_module(module))
    assert names - ROWS[module].keys() == set()
    assert ROWS[module].keys() - names == set()


@pytest.mark.parametrize("module", ROWS)
def test_what_the_page_says_of_a_name_is_so(module: str) -> None:
    ours = importlib.import_module(module.replace("serial", OURS, 1))
    assert {*ROWS[module].values()} <= {"same", "better", "refused"}
    wrong = [name for name, verdict in ROWS[module].items() if is_ours(name, ours) == (verdict == "refused")]
    assert wrong == []


def test_every_module_of_pyserial_is_on_the_page() -> None:
    import serial  # noqa: PLC0415  # the real one

    folder = ROOT.joinpath(serial.__file__ or "").parent
    modules = {
        ".".join(("serial", *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
        for path in folder.rglob("*.py")
    }
    empty = {"serial.__main__", "serial.tools", "serial.urlhandler"}
    assert {name for name in modules - empty if not ELSEWHERE.fullmatch(name)} == ROWS.keys()
