"""Run the tests on another Python: ``python tools/other_pythons.py 3.14 [-- PYTEST ARGUMENT ...]``.

The interpreter is one that uv finds or fetches. Where uv can do neither, and this system is Debian or
a relative of it with apt and root, the interpreter comes from Debian's testing suite, unpacked into a
folder of the cache; the tests then run below that folder. Getting the interpreter and starting pytest
is all that belongs here.

With ``--gate``, the tests must pass on one Python, and on the next their failures are only reported. A machine that
can have neither interpreter says so in capitals, and passes: that is no fault of the change that is checked.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
UV = os.environ.get("UV", "uv")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anyserial-pythons"
SUITE = "forky"
# What runs on another Python: everything but the tools' own tests, and what starts uv or a machine.
TESTS = ("packages", "tests-integration/sync", "tests-integration/test_mock_blocking.py")
PYTEST = ("-m", "pytest", "-q")
FORGETFUL = ("-p", "no:cacheprovider")
# The gate's part, in two halves for two cores: each package's own tests. The whole suite would take as long
# as it does on the main Python. uvloop is left out here, because it brings an event loop of its own: what
# changes from one Python to the next is asyncio, and what trio and the blocking port use of Python.
ENFORCED, REPORTED = "3.14", "3.15"
CHOICE = ("-k", "not uvloop")
HALVES = (
    (*CHOICE, "packages/anyserial-core"),
    (*CHOICE, *(f"packages/anyserial{part}" for part in ("-discovery", "-posix", "-sync", "-testing", ""))),
)
SHORT_HALVES = ((*CHOICE, "packages/anyserial-core"), (*CHOICE, "packages/anyserial-sync"))
BOUND = ("dev", "proc", "sys")
# How the packages are installed is these tests' subject, and below a folder of Debian's they are merely on the path.
NOT_BELOW = "--ignore=packages/anyserial/tests/test_installation.py"
SOME_FAILED = 1  # pytest's status
MOST_REPEATED = 20  # more failures than that are no accident


class Prefix(NamedTuple):
    """A Python: the command that starts it, the options that pytest needs there, and a folder that both sides see."""

    command: tuple[str | Path, ...]
    options: tuple[str, ...]
    scratch: Path


class NotAvailableError(Exception):
    """This machine cannot have that Python; the message says why."""


def run(*command: str | Path) -> int:
    """Run a command, show it, and return its exit status."""
    print("    $", *command, flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def quietly(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command without showing it."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def brought_by_uv(version: str) -> bool:
    """Whether uv finds this Python, or fetches it."""
    found = quietly(UV, "python", "find", "--no-project", "--managed-python", version)
    return found.returncode == 0 or quietly(UV, "python", "install", "--quiet", version).returncode == 0


def debian_root(version: str) -> Path:
    """Return a folder with a minimal Debian and this Python.

    Raises:
        NotAvailableError: There is no apt or no root here, or Debian has no such Python.
    """
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise NotAvailableError(f"uv brings no Python {version} here, and Debian's needs apt-get and root")
    folder = CACHE / f"{SUITE}-{version}"
    if folder.exists():
        return folder
    if not shutil.which("debootstrap"):
        quietly("apt-get", "update")  # also for `mirror`, which knows no address before
        if quietly("apt-get", "install", "-y", "--no-install-recommends", "debootstrap").returncode:
            raise NotAvailableError("debootstrap cannot be installed")
    # debootstrap knows a suite by a script of its name; all of Debian's are one.
    script = Path("/usr/share/debootstrap/scripts") / SUITE
    if not script.exists() and script.parent.exists():
        script.symlink_to("sid")
    unpacked = folder.with_suffix(".new")
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.parent.mkdir(parents=True, exist_ok=True)
    packages = f"python{version},procps"
    done = quietly("debootstrap", "--variant=minbase", f"--include={packages}", SUITE, unpacked, mirror())
    if done.returncode:
        raise NotAvailableError(f"debootstrap ended with {done.returncode}: {done.stdout[-1000:]}{done.stderr[-500:]}")
    unpacked.rename(folder)
    return folder


def mirror() -> str:
    """Return the address that apt has for Debian here.

    Raises:
        NotAvailableError: apt has none.
    """
    listed = quietly("apt-get", "indextargets", "--format", "$(REPO_URI)").stdout.split()
    for address in listed:
        if address.rstrip("/").endswith("/debian"):
            return address
    raise NotAvailableError("apt knows no mirror of Debian")


@contextmanager
def mounted(folder: Path, *trees: Path) -> Generator[None]:
    """Give the folder the system's devices and processes, and these trees at the same paths.

    Raises:
        NotAvailableError: This machine lets nobody mount, as in most containers.
    """
    with ExitStack() as undo:
        for source in (*(Path("/") / name for name in BOUND), *trees):
            place = folder / source.relative_to("/")
            place.mkdir(parents=True, exist_ok=True)
            done = quietly("mount", "--rbind", source, place)
            if done.returncode:
                raise NotAvailableError(f"{source} cannot be mounted in {folder}: {done.stderr.strip()}")
            undo.callback(quietly, "umount", "--recursive", "--lazy", place)
            quietly("mount", "--make-rslave", place).check_returncode()
        yield


@contextmanager
def with_uv(version: str) -> Generator[Prefix]:
    """Give this Python in an environment that uv makes of the lock.

    Raises:
        NotAvailableError: What the tests need cannot be installed for it.
    """
    with tempfile.TemporaryDirectory(prefix="anyserial-python-") as folder:
        made = subprocess.run(
            (UV, "sync", "--quiet", "--locked", "--all-packages", "--managed-python", "--python", version),
            cwd=ROOT,
            env={**os.environ, "UV_PROJECT_ENVIRONMENT": folder},
            check=False,
        )
        if made.returncode:
            raise NotAvailableError(f"what the tests need cannot be installed for Python {version}")
        yield Prefix((f"{folder}/bin/python",), (), Path(folder))


@contextmanager
def below(folder: Path, version: str) -> Generator[Prefix]:
    """Give this Python below *folder*, with what the lock names installed beside it.

    Raises:
        NotAvailableError: That cannot be installed or mounted, or the Python does not start.
    """
    with tempfile.TemporaryDirectory(prefix="anyserial-python-") as name:
        beside = Path(name)
        listed = beside / "requirements.txt"
        export = [UV, "export", "--quiet", "--frozen", "--all-packages", "--group", "dev", "--no-emit-workspace"]
        export += ["--no-hashes", "--python", sys.executable, "--output-file", str(listed)]
        install = [UV, "pip", "install", "--quiet", "--python-version", version, "--target", f"{name}/site"]
        parts = sorted(ROOT.glob("packages/*"))
        if run(*export) or run(*install, "--no-sources", "--python", sys.executable, "-r", str(listed), *parts):
            raise NotAvailableError(f"what the tests need cannot be installed for Python {version}")
        with mounted(folder, ROOT, beside):
            variables = (f"PYTHONPATH={name}/site", "PYTHONDONTWRITEBYTECODE=1")
            command = ("chroot", folder, "env", "-C", ROOT, *variables, f"python{version}")
            started = quietly(*command, "-c", "import pytest")
            if started.returncode:
                raise NotAvailableError(f"Python {version} does not start below {folder}: {started.stderr[-500:]}")
            yield Prefix(command, (NOT_BELOW,), beside)


@contextmanager
def python(version: str) -> Generator[Prefix]:
    """Give this Python, for as long as the block runs.

    Raises:
        NotAvailableError: This machine cannot have it.
    """
    with with_uv(version) if brought_by_uv(version) else below(debian_root(version), version) as found:
        yield found


def side_by_side(version: str, halves: Sequence[Sequence[str]]) -> int:
    """Run several sets of tests at the same time, and show what each printed.

    What fails beside the others is run once more by itself: on a busy machine, a test that waits for a time may fail
    although nothing is wrong. The report keeps both runs.

    Returns:
        The first status that is not 0, or 0 if all passed, together or by themselves.

    Raises:
        NotAvailableError: This machine cannot have that Python.
    """
    with python(version) as (command, options, scratch):
        running: list[subprocess.Popen[bytes]] = []
        for number, tests in enumerate(halves):
            remembered = ("-o", f"cache_dir={scratch}/cache-{number}")
            with (scratch / f"log-{number}").open("wb") as output:
                started = [*command, *PYTEST, *options, *remembered, *tests]
                running.append(subprocess.Popen(started, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT))
        statuses = [process.wait() for process in running]
        failed: list[str] = []
        for number, tests in enumerate(halves):
            report = (scratch / f"log-{number}").read_text(errors="backslashreplace")
            print(f"Python {version}: {' '.join(tests)}\n{report}", flush=True)
            record = scratch / f"cache-{number}" / "v" / "cache" / "lastfailed"
            failed += json.loads(record.read_text()) if record.exists() else []
        wrong = next((status for status in statuses if status not in {0, SOME_FAILED}), 0)
        if wrong or not failed or len(failed) > MOST_REPEATED:
            return wrong or max(statuses)
        print(f"Python {version}: by themselves, the tests that failed beside others", flush=True)
        return run(*command, *PYTEST, *FORGETFUL, *options, *failed)


def announce(message: str) -> None:
    """Say what nobody must overlook in the log of a gate that goes on."""
    print(f"{'!' * 100}\n!!! other_pythons: {message}\n{'!' * 100}", flush=True)


def gate() -> int:
    """Run what `tools/check` runs: on one Python the failures count, on the next they are only shown."""
    enforced = 0
    try:
        enforced = side_by_side(ENFORCED, HALVES)
    except NotAvailableError as error:
        announce(f"Python {ENFORCED} WAS NOT TRIED on this machine: {error}")
    try:
        if side_by_side(REPORTED, SHORT_HALVES):
            announce(f"tests FAIL on Python {REPORTED}; this does not stop the gate")
    except NotAvailableError as error:
        announce(f"Python {REPORTED} WAS NOT TRIED on this machine: {error}")
    return enforced


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests on one other Python; the exit status is pytest's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("version", nargs="?", help="for example 3.14")
    parser.add_argument(
        "tests", nargs="*", default=TESTS, help="pytest's arguments, by default the tests of every part"
    )
    parser.add_argument("--gate", action="store_true", help="run what tools/check runs")
    parsed = parser.parse_args(arguments)
    if parsed.gate:
        return gate()
    if parsed.version is None:
        parser.error("which version? For example 3.14")
    try:
        with python(parsed.version) as (command, options, _):
            return run(*command, *PYTEST, *FORGETFUL, *options, *parsed.tests)
    except NotAvailableError as error:
        print(f"other_pythons: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
