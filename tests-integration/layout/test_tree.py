"""What holds for the checkout as a whole: no machine's own paths, one package index, modules of a size to read."""

import json
import re
import shutil
import subprocess
import tomllib

import pytest
from source_tree import ROOT, modules

# Home directories and scratch space of whoever wrote a line; a path of a user in general is not one.
MACHINE_PATHS = re.compile(r"(?:(?<![\w.])|(?<=-I))/(?:root|work|home/[a-z][\w-]*|Users/[A-Za-z][\w-]*)/[\w.]")
LINES = 450


def tracked() -> list[str]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_path_of_one_machine_is_in_the_tree() -> None:
    found: list[str] = []
    for name in tracked():
        try:
            text = (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{name}:{number}" for number, line in enumerate(text.splitlines(), 1) if MACHINE_PATHS.search(line)]
    assert found == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/ro" + "ot/.venv/bin", True),
        ('"/wo' + 'rk/x"', True),
        ("-I/ro" + "ot/include", True),
        ("/ho" + "me/ann/src", True),
        ("/dev/ttyUSB0", False),
        ("packages/home/x", False),
        ("https://example.org/work/x", False),
    ],
)
def test_what_counts_as_a_path_of_one_machine(text: str, found: bool) -> None:
    assert (MACHINE_PATHS.search(text) is not None) == found


def test_the_lock_names_one_package_index_and_no_place_of_one_machine() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    kinds = {kind for package in packages for kind in package["source"]}
    assert kinds == {"registry", "editable", "virtual"}
    (registry,) = {package["source"]["registry"] for package in packages if "registry" in package["source"]}
    assert registry.startswith("https://")


def test_modules_are_of_a_size_to_read() -> None:
    sizes = {module.name: len(module.path.read_text().splitlines()) for module in modules()}
    assert {name: size for name, size in sizes.items() if size > LINES} == {}


def test_every_package_is_checked_for_every_platform() -> None:
    checked = json.loads((ROOT / "tools/pyright-all.json").read_text())["include"]
    assert checked == [f"../packages/{folder.parent.name}/src" for folder in sorted(ROOT.glob("packages/*/src"))]
