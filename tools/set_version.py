"""Give every package of the workspace one version, or check that they have one.

    tools/release bump 0.4.0                     rewrite every place that states the version
    uv run python tools/set_version.py --check   say which places disagree, change nothing

The places are: ``version`` in each package's pyproject.toml, the exact ``==`` pins between
sibling packages, the ``__version__`` literal in core, the newest section of CHANGELOG.md
and uv.lock. Nothing but the version belongs in here.
"""

import argparse
import datetime as dt
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from packaging.version import Version  # pytest brings it

VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?", re.ASCII)
PROJECT_VERSION = re.compile(r'^version = "(?P<version>[^"]*)"$', re.MULTILINE)
LITERAL = re.compile(r"^__version__(?:: [^=]+)? = (?P<quote>[\"'])(?P<version>[^\"']*)(?P=quote)", re.MULTILINE)
SECTION = re.compile(r"^## \[?(?P<version>[^\]\s]+)\]?(?: - (?P<state>.*))?$", re.MULTILINE)
UNRELEASED = "unreleased"


class VersionError(Exception):
    """The workspace does not have one version; each argument is one place that is wrong."""


class Place(NamedTuple):
    """One statement of the version: where it stands and what it says."""

    path: Path
    what: str
    version: str


class Workspace:
    """The packages below ``root`` and every place where they state a version."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.projects = sorted(root.glob("packages/*/pyproject.toml"))
        if not self.projects:
            raise VersionError(f"{root}: no packages/*/pyproject.toml here; run it from the checkout's tools/")
        self.names = tuple(_load(path)["project"]["name"] for path in self.projects)
        names = "|".join(re.escape(name) for name in sorted(self.names, key=len, reverse=True))
        self.pin = re.compile(rf'"(?P<name>{names})(?P<extras>\[[^\]"]*\])?==[^"]*"')

    def places(self) -> Iterator[Place]:
        """Every statement of the version but the changelog's."""
        for path in self.projects:
            project = _load(path)["project"]
            yield Place(path, "version", project["version"])
            for requirement in _requirements(project):
                name, extras, specifier = _split(requirement)
                if name in self.names:
                    if not re.fullmatch(r"==[^=*,;\s]+", specifier):
                        raise VersionError(
                            f"{path}: {requirement!r} must pin its sibling exactly, as {name}{extras}==X"
                        )
                    yield Place(path, f"pin on {name}{extras}", specifier.removeprefix("=="))
        literal = self.literal()
        for match in LITERAL.finditer(literal.read_text()):
            yield Place(literal, "__version__", match["version"])
        lock = _load(self.root / "uv.lock")
        for package in lock["package"]:
            if package["name"] in self.names:
                yield Place(self.root / "uv.lock", package["name"], package["version"])

    def literal(self) -> Path:
        """The one module ``_version`` that states ``__version__``; what other modules call so is not ours."""
        found = [
            path for path in sorted(self.root.glob("packages/*/src/*/_version.py")) if LITERAL.search(path.read_text())
        ]
        if len(found) != 1 or len(LITERAL.findall(found[0].read_text())) != 1:
            listing = ", ".join(str(path.relative_to(self.root)) for path in found) or "no module"
            raise VersionError(f"exactly one module must state __version__ once, as a literal; found: {listing}")
        return found[0]

    def changelog_version(self) -> str:
        """The version of the changelog's newest section."""
        return self.newest_section()["version"]

    def changelog_date(self) -> str | None:
        """The date of the changelog's newest section; None while it says "unreleased"."""
        state = self.newest_section()["state"]
        return None if state is None or state == UNRELEASED else state

    def newest_section(self) -> re.Match[str]:
        """The heading of the changelog's newest section, taken apart."""
        match = SECTION.search(self.changelog.read_text())
        if match is None:
            raise VersionError(f"{self.changelog}: no '## [X.Y.Z] - unreleased' section")
        return match

    @property
    def changelog(self) -> Path:
        """The one changelog of all packages."""
        return self.root / "CHANGELOG.md"

    def changelog_for(self, version: str) -> str:
        """The changelog with an unreleased section for *version*.

        A newest section that is unreleased takes the version; above one that has a date a new one is opened.
        """
        text = self.changelog.read_text()
        released = [match for match in SECTION.finditer(text) if match["state"] != UNRELEASED]
        # The newest section, not the highest version: a maintenance branch has a changelog of its own.
        if released and Version(version) <= Version(released[0]["version"]):
            newest, day = released[0].group("version", "state")
            raise VersionError(f"CHANGELOG.md: {newest} was released ({day}); choose a higher version than {version}")
        newest = self.newest_section()
        header = f"## [{version}] - {UNRELEASED}"
        if newest["state"] == UNRELEASED:
            return text[: newest.start()] + header + text[newest.end() :]
        return text[: newest.start()] + f"{header}\n\n" + text[newest.start() :]

    def check(self) -> str:
        """Return the one version, or raise VersionError naming every place that disagrees."""
        places = [*self.places(), Place(self.root / "CHANGELOG.md", "newest section", self.changelog_version())]
        wanted = _load(self.root / "packages/anyserial/pyproject.toml")["project"]["version"]
        wrong = [place for place in places if place.version != wanted]
        if wrong:
            raise VersionError(
                *(
                    f"{place.path.relative_to(self.root)}: {place.what} is {place.version}, "
                    f"the metapackage's version is {wanted}"
                    for place in wrong
                )
            )
        return f"{wanted} in {len(places)} places"

    def rewritten(self, version: str) -> dict[Path, str]:
        """The new text of every file that ``version`` changes; uv.lock is uv's to write."""
        texts: dict[Path, str] = {}
        for path in self.projects:
            text, count = PROJECT_VERSION.subn(f'version = "{version}"', path.read_text())
            if count != 1:
                raise VersionError(f"{path}: {count} lines of the form 'version = \"...\"', expected one")
            texts[path] = self.pin.sub(rf'"\g<name>\g<extras>=={version}"', text)
            _load_text(path, texts[path])
        literal = self.literal()
        texts[literal] = LITERAL.sub(
            lambda match: match[0].replace(match["quote"] + match["version"], match["quote"] + version),
            literal.read_text(),
        )
        return texts


def bump(root: Path, version: str) -> None:
    """Rewrite every place to ``version``; nothing is written unless all of it can be.

    Raises:
        VersionError: It is not a version, it was released before, or a place cannot be rewritten.
    """
    if VERSION.fullmatch(version) is None:
        raise VersionError(f"{version!r} is not a version of the form X.Y.Z, X.Y.ZrcN or X.Y.Z.devN")
    workspace = Workspace(root)
    list(workspace.places())  # refuses an inexact pin, which the rewrite would hide
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise VersionError("uv is needed to rewrite uv.lock: start this with `tools/release bump`")
    texts = {**workspace.rewritten(version), workspace.changelog: workspace.changelog_for(version)}
    before = {path: path.read_text() for path in texts}
    for path, text in texts.items():
        path.write_text(text)
    if status := subprocess.run([uv, "lock", "--python", sys.executable], cwd=root, check=False).returncode:
        for path, text in before.items():
            path.write_text(text)
        raise VersionError(f"uv lock ended with {status}, and nothing is changed")


def date_section(root: Path, day: str) -> None:
    """Give the changelog's newest section the date of its release.

    Raises:
        VersionError: It has a date, it is not the section of the packages' version, or *day* is not a date.
    """
    workspace = Workspace(root)
    workspace.check()
    try:
        dt.date.fromisoformat(day)
    except ValueError as exc:
        raise VersionError(f"{day!r} is not a date of the form YYYY-MM-DD") from exc
    newest = workspace.newest_section()
    if newest["state"] != UNRELEASED:
        raise VersionError(f"CHANGELOG.md: {newest['version']} has its date: {newest['state']}")
    text = workspace.changelog.read_text()
    header = f"## [{newest['version']}] - {day}"
    workspace.changelog.write_text(text[: newest.start()] + header + text[newest.end() :])


def _requirements(project: dict[str, Any]) -> Iterator[str]:
    yield from project.get("dependencies", ())
    for extra in project.get("optional-dependencies", {}).values():
        yield from extra


def _split(requirement: str) -> tuple[str, str, str]:
    match = re.fullmatch(r"([A-Za-z0-9._-]+)\s*(\[[^\]]*\])?\s*(.*)", requirement)
    if match is None:
        raise VersionError(f"{requirement!r} is not a requirement")
    return match[1], match[2] or "", match[3]


def _load(path: Path) -> dict[str, Any]:
    return _load_text(path, path.read_text())


def _load_text(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise VersionError(f"{path}: {exc}") from exc


def main() -> int:
    """Check the places; 1 means that they disagree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", required=True, help="say which places disagree")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent, help="the checkout")
    arguments = parser.parse_args()
    try:
        print(Workspace(arguments.root).check())
    except VersionError as exc:
        for line in exc.args:
            print(f"set_version: {line}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
