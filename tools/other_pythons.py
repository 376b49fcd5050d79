"""Run the tests on another Python: ``python tools/other_pythons.py 3.14 [PYTEST ARGUMENT ...]``.

The interpreter is one that uv finds or fetches. Where uv can do neither, and this system is Debian or
a relative of it with apt and root, the interpreter comes from Debian's testing suite, unpacked into a
folder of the cache; the tests then run below that folder. Getting the interpreter and starting pytest
is all that belongs here.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = os.environ.get("UV", "uv")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anyserial-pythons"
SUITE = "forky"
# What runs on another Python: everything but the tools' own tests, and what starts uv or a machine.
TESTS = ("packages", "tests-integration/sync", "tests-integration/test_mock_blocking.py")
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
BOUND = ("dev", "proc", "sys")


class NotAvailableError(Exception):
    """This machine cannot have that Python; the message says why."""


def run(*command: str | Path, environment: dict[str, str] | None = None) -> int:
    """Run a command, show it, and return its exit status."""
    print("    $", *command, flush=True)
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **(environment or {})}, check=False).returncode


def quietly(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command without showing it."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def brought_by_uv(version: str) -> bool:
    """Whether uv finds this Python, or fetches it."""
    found = quietly(UV, "python", "find", "--no-project", "--managed-python", version)
    return found.returncode == 0 or quietly(UV, "python", "install", "--quiet", version).returncode == 0


def with_uv(version: str, arguments: Sequence[str]) -> int:
    """Run the tests in an environment that uv makes of the lock."""
    isolated = (UV, "run", "--quiet", "--locked", "--isolated", "--managed-python", "--python", version)
    return run(*isolated, "python", *PYTEST, *arguments)


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
        quietly("apt-get", "update")
        if quietly("apt-get", "install", "-y", "--no-install-recommends", "debootstrap").returncode:
            raise NotAvailableError("debootstrap cannot be installed")
    # debootstrap knows a suite by a script of its name; all of Debian's are one.
    scripts = Path("/usr/share/debootstrap/scripts")
    if not (scripts / SUITE).exists():
        (scripts / SUITE).symlink_to("sid")
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
    raise NotAvailableError("apt is set to no mirror of Debian")


@contextmanager
def mounted(folder: Path, *trees: Path) -> Generator[None]:
    """Give the folder the system's devices and processes, and these trees at the same paths."""
    with ExitStack() as undo:
        for source in (*(Path("/") / name for name in BOUND), *trees):
            place = folder / source.relative_to("/")
            place.mkdir(parents=True, exist_ok=True)
            quietly("mount", "--rbind", source, place).check_returncode()
            undo.callback(quietly, "umount", "--recursive", "--lazy", place)
            quietly("mount", "--make-rslave", place).check_returncode()
        yield


def below(folder: Path, version: str, arguments: Sequence[str]) -> int:
    """Run the tests below *folder*, with what the lock names installed beside them."""
    with tempfile.TemporaryDirectory(prefix="anyserial-python-") as name:
        beside = Path(name)
        listed = beside / "requirements.txt"
        export = [UV, "export", "--quiet", "--frozen", "--all-packages", "--group", "dev", "--no-emit-workspace"]
        export += ["--no-hashes", "--python", sys.executable, "--output-file", str(listed)]
        if run(*export):
            return 1
        install = [UV, "pip", "install", "--quiet", "--python-version", version, "--target", f"{name}/site"]
        if run(*install, "--python", sys.executable, "-r", str(listed)):
            return 1
        sources = [str(path) for path in ROOT.glob("packages/*/src")]
        environment = {"PYTHONPATH": os.pathsep.join([*sources, f"{name}/site"]), "PYTHONDONTWRITEBYTECODE": "1"}
        with mounted(folder, ROOT, beside):
            inside: tuple[str | Path, ...] = (
                "chroot",
                folder,
                "env",
                "-C",
                ROOT,
                f"python{version}",
                *PYTEST,
                *arguments,
            )
            return run(*inside, environment=environment)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests on one other Python; the exit status is pytest's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("version", help="for example 3.14")
    parser.add_argument(
        "tests", nargs="*", default=TESTS, help="pytest's arguments, by default the tests of every part"
    )
    parsed = parser.parse_args(arguments)
    if brought_by_uv(parsed.version):
        return with_uv(parsed.version, parsed.tests)
    try:
        folder = debian_root(parsed.version)
    except NotAvailableError as error:
        print(f"other_pythons: {error}", file=sys.stderr)
        return 1
    return below(folder, parsed.version, parsed.tests)


if __name__ == "__main__":
    sys.exit(main())
