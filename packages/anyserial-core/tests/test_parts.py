"""A part that is missing names its distribution; one that is broken shows its own error."""

import importlib
import sys
from pathlib import Path

import pytest
from anyserial import _parts
from anyserial._parts import DISTRIBUTIONS, load_part


@pytest.fixture(autouse=True)
def parts_known_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Parts of the test's own, since this environment may hold the real ones."""
    monkeypatch.setattr(_parts, "DISTRIBUTIONS", {"anyserial_extra": "anyserial-extra"})
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in [name for name in sys.modules if name.partition(".")[0] == "anyserial_extra"]:
        monkeypatch.delitem(sys.modules, name)


def write(tmp_path: Path, **modules: str) -> None:
    package = tmp_path / "anyserial_extra"
    package.mkdir()
    for name, code in modules.items():
        (package / f"{name}.py").write_text(code)


def forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "anyserial_extra"]:
        del sys.modules[name]


@pytest.mark.parametrize("module", ["anyserial_extra", "anyserial_extra.below"])
def test_a_missing_part_says_what_to_install(module: str) -> None:
    with pytest.raises(ImportError) as caught:
        load_part(module)
    assert str(caught.value) == (
        "this needs the distribution anyserial-extra, which is not installed: pip install anyserial-extra"
    )
    assert caught.value.name == "anyserial_extra"


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("import no_such_library", ModuleNotFoundError, "no_such_library"),
        ("import anyserial_extra.no_such_module", ModuleNotFoundError, "anyserial_extra.no_such_module"),
        ("from anyserial import no_such_name", ImportError, "no_such_name"),
        ("raise RuntimeError('broken')", RuntimeError, "broken"),
    ],
)
def test_a_broken_part_is_not_taken_for_a_missing_one(
    tmp_path: Path, code: str, error: type[Exception], message: str
) -> None:
    write(tmp_path, __init__=code)
    with pytest.raises(error, match=message) as caught:
        load_part("anyserial_extra")
    assert type(caught.value) is error
    assert "pip install" not in str(caught.value)
    forget()


def test_a_part_and_a_module_below_it_are_loaded(tmp_path: Path) -> None:
    write(tmp_path, __init__="", below="value = 5")
    assert load_part("anyserial_extra").__name__ == "anyserial_extra"
    assert load_part("anyserial_extra.below").value == 5
    forget()


def test_a_part_is_imported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, __init__="")
    part = load_part("anyserial_extra")
    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", None)
        assert load_part("anyserial_extra") is part
    forget()
    other = load_part("anyserial_extra")
    assert other is not part
    monkeypatch.setitem(sys.modules, "anyserial_extra", None)
    with pytest.raises(ImportError, match="pip install"):
        load_part("anyserial_extra")


def test_the_distributions_are_named_after_their_modules() -> None:
    assert {module.replace("_", "-"): name for module, name in DISTRIBUTIONS.items()} == {
        "anyserial-cli": "anyserial",
        "anyserial-discovery": "anyserial-discovery",
        "anyserial-posix": "anyserial-posix",
        "anyserial-sync": "anyserial-sync",
        "anyserial-testing": "anyserial-testing",
    }
