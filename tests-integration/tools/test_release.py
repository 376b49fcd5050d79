"""The release tool's own decisions: what is published when, and what is not published at all."""

from pathlib import Path

import pytest
import release
import set_version
from archives import ReleaseError, digest
from release import ALL, check_tag, main, publishing_order, uploads
from shapes import EXTRAS, LOWEST, PARTS, SHAPES, floors
from source_tree import CORE, METAPACKAGE, ROOT, distributions


def archives_in(folder: Path) -> list[str]:
    names = [
        f"{name.replace('-', '_')}-1.2.3{ending}"
        for name in distributions()
        for ending in ("-py3-none-any.whl", ".tar.gz")
    ]
    for name in names:
        (folder / name).touch()
    return names


def test_what_others_need_is_published_first() -> None:
    order = publishing_order()
    assert sorted(order) == sorted(distributions())
    assert (order[0], order[-1]) == (CORE, METAPACKAGE)


def test_every_archive_is_uploaded_once_in_that_order(tmp_path: Path) -> None:
    names = archives_in(tmp_path)
    (tmp_path / ".gitignore").write_text("*")  # as `uv build` leaves one
    commands = uploads(tmp_path)
    uploaded = [
        Path(argument).name for command in commands for argument in command if argument.startswith(str(tmp_path))
    ]
    assert sorted(uploaded) == sorted(names)
    assert [name.partition("-")[0].replace("_", "-") for name in uploaded[::2]] == publishing_order()
    assert {tuple(command[:2]) for command in commands} == {("publish", "--check-url")}


@pytest.mark.parametrize(
    ("removed", "added", "said"),
    [
        ("anyserial_core-1.2.3.tar.gz", None, "anyserial-core must have one sdist"),
        (None, "anyserial_posix-1.2.4.tar.gz", "anyserial-posix must have one sdist"),
        (None, "stranger-1.0.tar.gz", r"stranger-1\.0\.tar\.gz belongs to no distribution"),
    ],
)
def test_a_folder_that_is_no_release_is_refused(
    removed: str | None, added: str | None, said: str, tmp_path: Path
) -> None:
    archives_in(tmp_path)
    if removed:
        (tmp_path / removed).unlink()
    if added:
        (tmp_path / added).touch()
    with pytest.raises(ReleaseError, match=said):
        uploads(tmp_path)


def test_publishing_is_shown_without_uploading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("uv was started")

    monkeypatch.setattr(release, "uv", refuse)
    archives_in(tmp_path)
    assert main(["publish", "--show", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(distributions())
    assert lines[-1].startswith("uv publish ")
    assert "anyserial-1.2.3.tar.gz" in lines[-1]


def undated(_: set_version.Workspace) -> None:
    return None


def dated(_: set_version.Workspace) -> str:
    return "2026-01-02"


def test_only_the_versions_own_tag_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    version = set_version.Workspace(ROOT).check().partition(" ")[0]
    with pytest.raises(ReleaseError, match="the tag 'v0' is not that of the version here"):
        check_tag("v0")
    monkeypatch.setattr(set_version.Workspace, "changelog_date", undated)
    with pytest.raises(ReleaseError, match="run `tools/release date` and commit"):
        check_tag(f"v{version}")
    monkeypatch.setattr(set_version.Workspace, "changelog_date", dated)
    assert check_tag(f"v{version}") == version


def test_an_unknown_shape_is_refused_before_anything_is_built(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dry-run", "core+postix"]) == 1
    assert "no such shape: core+postix; there are core, " in capsys.readouterr().err


def test_every_part_every_extra_and_every_floor_has_its_shape() -> None:
    for shape in ALL.values():
        assert set(shape.tested) <= set(shape.packages) <= set(distributions())
        assert shape.tested or shape.probes
    assert set(LOWEST.tested) == set(distributions())
    assert sorted(name for shape in SHAPES.values() for name in shape.tested) == sorted([CORE, *PARTS, METAPACKAGE])
    assert SHAPES["full"].together == LOWEST.together != ()
    extras = {
        f"{name}[{extra}]"
        for name, distribution in distributions().items()
        for extra in distribution.project.get("optional-dependencies", {})
    }
    assert set(EXTRAS) == extras
    stated = {"anyio>=4.11", "trio>=0.32"}
    assert stated <= set(floors()) <= set(LOWEST.requirements)
    assert len(ALL) == len(SHAPES) + len(EXTRAS) + 1


def test_a_file_that_is_missing_equals_no_other(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert digest(tmp_path / "missing") != digest(tmp_path / "empty")
