import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from set_version import VersionError, Workspace, bump, date_section
from source_tree import ROOT

CURRENT = Workspace(ROOT).check().partition(" ")[0]
STATE = Workspace(ROOT).changelog_date() or "unreleased"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the tool reads and writes, as a tree of its own."""
    names = ("CHANGELOG.md", "README.md", "LICENSE", "pyproject.toml", "uv.lock")
    for name in names:
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(
        ROOT / "packages", tmp_path / "packages", ignore=shutil.ignore_patterns("tests", "__pycache__", ".*_cache")
    )
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def snapshot(root: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in root.rglob("*") if path.is_file()}


def test_the_workspace_has_one_version() -> None:
    assert Workspace(ROOT).check().startswith(CURRENT)


def test_setting_a_version_changes_every_place_and_the_lock(checkout: Path) -> None:
    replace(checkout / "CHANGELOG.md", f"## [{CURRENT}] - {STATE}", f"## [{CURRENT}] - 2026-01-02")
    before = snapshot(checkout)
    bump(checkout, "9.8.7rc1")
    assert Workspace(checkout).check().startswith("9.8.7rc1 in ")
    after = snapshot(checkout)
    assert after.keys() == before.keys()
    changed = {path for path in after if after[path] != before[path]}
    projects = set(checkout.glob("packages/*/pyproject.toml"))
    literal = checkout / "packages/anyserial-core/src/anyserial/_version.py"
    changelog = checkout / "CHANGELOG.md"
    assert changed == {*projects, literal, checkout / "uv.lock", changelog}
    assert "## [9.8.7rc1] - unreleased\n\n" in after[changelog]
    assert after[changelog].replace("## [9.8.7rc1] - unreleased\n\n", "", 1) == before[changelog]
    changed -= {changelog}
    assert [path for path in projects if CURRENT in after[path]] == []
    set_version_back = {path: text.replace("9.8.7rc1", CURRENT) for path, text in after.items() if path in changed}
    assert set_version_back == {path: before[path] for path in changed}


@pytest.mark.parametrize("version", ["", "1", "1.2", "v1.2.3", "1.2.3-rc1", "1.2.3 ", "1.2.x", "\u0661.2.3"])
def test_what_is_no_version_is_refused_and_nothing_is_written(version: str, checkout: Path) -> None:
    before = snapshot(checkout)
    with pytest.raises(VersionError, match="not a version of the form"):
        bump(checkout, version)
    assert snapshot(checkout) == before


def test_an_unreleased_section_takes_the_version(checkout: Path) -> None:
    replace(checkout / "CHANGELOG.md", f"## [{CURRENT}] - {STATE}", f"## [{CURRENT}] - unreleased")
    before = (checkout / "CHANGELOG.md").read_text()
    bump(checkout, "9.8.7")
    after = (checkout / "CHANGELOG.md").read_text()
    assert after == before.replace(f"## [{CURRENT}] - unreleased", "## [9.8.7] - unreleased")


@pytest.mark.parametrize("version", ["9.8.7", "9.8.7rc1", "9.8.6"])
def test_a_version_that_is_not_above_the_released_one_is_refused(version: str, checkout: Path) -> None:
    replace(
        checkout / "CHANGELOG.md",
        f"## [{CURRENT}] - {STATE}",
        f"## [9.9.9] - unreleased\n\n## [9.8.7] - 2026-01-02\n\n## [{CURRENT}] - 2026-01-01",
    )
    before = snapshot(checkout)
    with pytest.raises(VersionError, match=r"9\.8\.7 was released \(2026-01-02\)"):
        bump(checkout, version)
    assert snapshot(checkout) == before


def test_nothing_is_changed_when_the_lock_cannot_be_written(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV", shutil.which("false") or "")
    before = snapshot(checkout)
    with pytest.raises(VersionError, match="uv lock ended with 1, and nothing is changed"):
        bump(checkout, "9.8.7")
    assert snapshot(checkout) == before


def test_the_newest_section_gets_its_date_once(checkout: Path) -> None:
    replace(checkout / "CHANGELOG.md", f"## [{CURRENT}] - {STATE}", f"## [{CURRENT}] - unreleased")
    assert Workspace(checkout).changelog_date() is None
    with pytest.raises(VersionError, match="'tomorrow' is not a date"):
        date_section(checkout, "tomorrow")
    date_section(checkout, "2026-01-02")
    assert f"## [{CURRENT}] - 2026-01-02\n" in (checkout / "CHANGELOG.md").read_text()
    assert Workspace(checkout).changelog_date() == "2026-01-02"
    with pytest.raises(VersionError, match="has its date: 2026-01-02"):
        date_section(checkout, "2026-01-03")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (
            "packages/anyserial-posix/pyproject.toml",
            f"core=={CURRENT}",
            "core==9.9.9",
            "pin on anyserial-core is 9.9.9",
        ),
        ("packages/anyserial-posix/pyproject.toml", f"core=={CURRENT}", "core>=0.1", "must pin its sibling"),
        ("packages/anyserial-posix/pyproject.toml", f"core=={CURRENT}", "core", "must pin its sibling"),
        ("packages/anyserial-sync/pyproject.toml", f'version = "{CURRENT}"', 'version = "9.9.9"', "version is 9.9.9"),
        (
            "packages/anyserial/pyproject.toml",
            f"[pyudev]=={CURRENT}",
            "[pyudev]==9.9.9",
            r"pin on anyserial-discovery\[pyudev\] is 9.9.9",
        ),
        ("packages/anyserial-core/src/anyserial/_version.py", f'= "{CURRENT}"', '= "9.9.9"', "__version__ is 9.9.9"),
        ("packages/anyserial-core/src/anyserial/_version.py", f'= "{CURRENT}"', "= str()", "no module"),
        ("CHANGELOG.md", f"[{CURRENT}]", "[9.9.9]", "newest section is 9.9.9"),
        (
            "uv.lock",
            f'name = "anyserial-sync"\nversion = "{CURRENT}"',
            'name = "anyserial-sync"\nversion = "9.9.9"',
            "uv.lock",
        ),
        ("packages/anyserial-sync/pyproject.toml", "[project]", "[project", "anyserial-sync"),
    ],
)
def test_the_check_names_the_place_that_differs(name: str, old: str, new: str, said: str, checkout: Path) -> None:
    replace(checkout / name, old, new)
    with pytest.raises(VersionError, match=said):
        Workspace(checkout).check()


def test_the_command_fails_when_the_versions_differ(checkout: Path) -> None:
    command = [sys.executable, str(ROOT / "tools/set_version.py"), "--check", "--root", str(checkout)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    replace(checkout / "packages/anyserial-posix/pyproject.toml", f"core=={CURRENT}", "core==9.9.9")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "anyserial-posix/pyproject.toml: pin on anyserial-core is 9.9.9" in done.stderr
