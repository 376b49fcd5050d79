"""Everything about a release: the version, the archives, a dry run, and the order of publishing.

    tools/release bump 0.4.0        give every package, pin and the lock a version, and open its changelog section
    tools/release date              date the newest changelog section
    tools/release dry-run           build, check, install in every shape and test there; publishes nothing
    tools/release dry-run --quick   the same without the shapes
    tools/release tag v0.4.0        say whether this checkout may be published under that tag
    tools/release publish dist      upload a folder of archives, the metapackage last

Where the version stands is `set_version`'s subject, what an archive must be is `archives`', what an install
brings is `shapes`'. Here they are only put in order.
"""

import argparse
import datetime as dt
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path

from archives import ReleaseError, build, check_archives, uv
from footprint import check_footprint
from installs import try_shape
from set_version import VersionError, Workspace, bump, date_section
from shapes import EXTRAS, LOWEST, SHAPES
from source_tree import ROOT, distributions
from type_completeness import check_types

ALL = {**SHAPES, **EXTRAS, "lowest": LOWEST}


def publishing_order() -> list[str]:
    """Every distribution after those that it depends on: the metapackage last."""
    needs = {
        name: {
            requirement.partition("==")[0].partition("[")[0]
            for requirement in distribution.project["dependencies"]
            if "==" in requirement
        }
        & distributions().keys()
        for name, distribution in distributions().items()
    }
    return list(TopologicalSorter(needs).static_order())


def uploads(dist: Path) -> list[list[str]]:
    """The commands that publish what is in *dist*, in order.

    Raises:
        ReleaseError: A distribution has not exactly one sdist and one wheel there, or something else is there.
    """
    commands: list[list[str]] = []
    left = {path.name for path in dist.iterdir() if path.suffix in {".gz", ".whl"}}
    for name in publishing_order():
        stem = name.replace("-", "_")
        files = [*dist.glob(f"{stem}-*.tar.gz"), *dist.glob(f"{stem}-*.whl")]
        if [path.suffix for path in files] != [".gz", ".whl"]:
            raise ReleaseError(f"{dist}: {name} must have one sdist and one wheel there; it has {len(files)} archives")
        left -= {path.name for path in files}
        # --check-url skips what is published already, so that an interrupted upload can be repeated.
        commands.append(["publish", "--check-url", "https://pypi.org/simple/", *map(str, files)])
    if left:
        raise ReleaseError(f"{dist}: {', '.join(sorted(left))} belongs to no distribution of this workspace")
    return commands


def check_tag(tag: str) -> str:
    """Return the version to publish.

    Raises:
        ReleaseError: The tag is not the version's, or the changelog has no date for it.
    """
    workspace = Workspace(ROOT)
    version = workspace.check().partition(" ")[0]
    if tag != f"v{version}":
        raise ReleaseError(f"the tag {tag!r} is not that of the version here, which is v{version}")
    if workspace.changelog_date() is None:
        raise ReleaseError(f"CHANGELOG.md gives no date to {version}: run `tools/release date` and commit")
    return version


@contextmanager
def timed(what: str) -> Generator[None]:
    """Say what begins, and how long it took."""
    print(f"==> {what}", flush=True)
    start = time.monotonic()
    yield
    print(f"<== {what}: {time.monotonic() - start:.0f} s", flush=True)


def dry_run(keep: Path | None, names: Sequence[str], *, quick: bool) -> None:
    """Do everything but publish.

    Raises:
        ReleaseError: Something must not be published as it is.
    """
    if unknown := [name for name in names if name not in ALL]:
        raise ReleaseError(f"no such shape: {', '.join(unknown)}; there are {', '.join(ALL)}")
    with tempfile.TemporaryDirectory(prefix="anyserial-release-") as folder:
        dist = Path(folder) / "dist"
        with timed("build every sdist and, from it, every wheel"):
            build(dist)
        with timed("check the archives"):
            check_archives(dist, Path(folder))
        with timed("check that every public type is known"):
            check_types(dist, Path(folder))
        with timed("measure what core and the termios driver take"):
            check_footprint(dist, Path(folder))
        failed: list[str] = []
        for name in () if quick else names or ALL:
            with timed(f"install {name} and run its tests"):
                try:
                    try_shape(ALL[name], dist, Path(folder))
                except ReleaseError as exc:
                    failed += [f"{name}: {reason}" for reason in exc.args]
        if failed:
            raise ReleaseError(*failed)
        print(f"would publish, in this order: {', '.join(publishing_order())}")
        uploads(dist)
        if keep is not None:
            shutil.copytree(dist, keep, dirs_exist_ok=True)


def publish(dist: Path, *, show: bool) -> None:
    """Upload, or show the commands.

    Raises:
        ReleaseError: What is in *dist* is not a release, or an upload failed.
    """
    for command in uploads(dist):
        if show:
            print("uv", *command)
        else:
            uv(*command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools/release", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("bump", help="give everything a new version, and open its changelog section")
    one.add_argument("version", help="X.Y.Z")
    one = commands.add_parser("date", help="date the newest changelog section")
    one.add_argument("day", nargs="?", default=None, help="YYYY-MM-DD, by default today")
    one = commands.add_parser("dry-run", help="build, check, install in every shape and test there")
    one.add_argument("shapes", nargs="*", help=f"only these shapes: {', '.join(ALL)}")
    one.add_argument("--quick", action="store_true", help="leave the shapes out")
    one.add_argument("--keep", type=Path, metavar="FOLDER", help="copy the archives there once everything has passed")
    one = commands.add_parser("tag", help="say whether this checkout may be published under a tag")
    one.add_argument("tag", help="vX.Y.Z")
    one = commands.add_parser("publish", help="upload a folder of archives, the metapackage last")
    one.add_argument("dist", type=Path, help="the folder")
    one.add_argument("--show", action="store_true", help="print the commands, and upload nothing")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 1 if it fails."""
    parsed = _parser().parse_args(arguments)
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    actions: dict[str, Callable[[], object]] = {
        "bump": lambda: bump(ROOT, parsed.version),
        "date": lambda: date_section(ROOT, parsed.day or today),
        "dry-run": lambda: dry_run(parsed.keep, parsed.shapes, quick=parsed.quick),
        "tag": lambda: print(check_tag(parsed.tag)),
        "publish": lambda: publish(parsed.dist, show=parsed.show),
    }
    try:
        actions[parsed.command]()
    except (ReleaseError, VersionError) as exc:
        for line in exc.args:
            print(f"tools/release: {line}", file=sys.stderr)
        return 1
    if parsed.command in {"bump", "date"}:
        print(Workspace(ROOT).check())
    return 0


if __name__ == "__main__":
    sys.exit(main())
