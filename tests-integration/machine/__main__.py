"""Run the hardware tests in virtual machines, one for each kernel, or any command in one of them.

    uv run python tests-integration/machine                       # the suite, on every kernel
    uv run python tests-integration/machine --kernel 6.1 -k break # what pytest takes
    uv run python tests-integration/machine --kernel 6.1 --run ls -l /dev/serial

Everything it needs that is missing it fetches with apt-get, into a cache. The status is that of
the command; 125 if a machine failed. docs/hardware.md says more.
"""

import argparse
import compileall
import os
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from fcntl import LOCK_EX, flock
from pathlib import Path

from debian import CACHE, KERNELS, MachineError, install_programs
from image import initramfs, preload
from qemu import run_command

ROOT = Path(__file__).resolve().parent.parent.parent
SUITE = "tests-integration/hardware"
FAILED = 125
STUCK = 60  # seconds in the guest after which a test's threads are printed
GUEST_ENVIRONMENT = {"ANYSERIAL_MACHINE": "1", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
HANDED_ON = {name: os.environ[name] for name in ("ANYSERIAL_STRESS",) if name in os.environ}
# Python is some twenty times slower in the guest, where nothing compiled can be kept: these are compiled before.
COMPILED = ("anyio", "idna", "attr", "outcome", "sniffio", "sortedcontainers", "trio", "uvloop", "_pytest", "pytest",
            "pluggy", "iniconfig", "packaging", "pygments", "serial", "pyudev")  # fmt: skip


def main() -> int:
    """Run what the command line asks for, and return the status."""
    options, for_pytest = parse(sys.argv[1:])
    command = options.run or suite(for_pytest)
    try:
        prepare(options.kernel)
        if not options.run:
            compile_suite()
        with ThreadPoolExecutor() as pool:
            boots = [pool.submit(boot, version, command, options) for version in options.kernel]
    except MachineError as error:
        print(f"machine: {error}", file=sys.stderr)
        return FAILED
    return max(result.result() for result in boots)


def parse(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the machine's own options, and what is left over for pytest."""
    parser = argparse.ArgumentParser(
        prog="machine",
        description="Run the hardware tests in a virtual machine with serial hardware.",
        epilog="Everything else is handed to pytest.",
        allow_abbrev=False,
    )
    parser.add_argument("--kernel", action="append", choices=KERNELS, help="boot this one (all, at the same time)")
    parser.add_argument("--timeout", type=float, default=900, metavar="S", help="for boot and command together (900)")
    parser.add_argument("--run", nargs=argparse.REMAINDER, metavar="COMMAND", help="run this instead of the tests")
    options, rest = parser.parse_known_args(words)
    options.kernel = options.kernel or list(KERNELS)
    if options.run is not None and (rest or not options.run):
        parser.error(f"--run takes a command and stands last, and pytest's arguments do not go with it: {rest}")
    return options, rest


def suite(arguments: list[str]) -> list[str]:
    """Return the command that runs the tests named, or all of them."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", f"faulthandler_timeout={STUCK}"]
    named = any((ROOT / argument.partition("::")[0]).exists() for argument in arguments)
    return [*command, *arguments, *([] if named else [SUITE])]


def prepare(versions: list[str]) -> None:
    """Have everything there that the kernels need; one process at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        install_programs()
        preload()
        for version in versions:
            initramfs(version)


def compile_suite() -> None:
    """Compile what the guest would compile again in every run, on a processor twenty times slower."""
    libraries = Path(sysconfig.get_path("purelib"))
    for folder in [*(libraries / name for name in COMPILED), *ROOT.glob("packages/*/src"), ROOT / "tests-integration"]:
        compileall.compile_dir(folder, quiet=2)
    # pytest compiles test modules in its own way.
    environment = {**os.environ, **GUEST_ENVIRONMENT}
    environment.pop("PYTHONDONTWRITEBYTECODE")
    subprocess.run([*suite(["--collect-only", "-q"])], cwd=ROOT, env=environment, capture_output=True, check=False)


def boot(version: str, command: list[str], options: argparse.Namespace) -> int:
    """Run the command on one kernel, and return its status."""
    prefix = f"{version:>4} | " if len(options.kernel) > 1 else ""
    start = time.monotonic()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    try:
        status = run_command(
            version,
            command,
            folder=Path.cwd() if options.run else ROOT,
            environment={**GUEST_ENVIRONMENT, **HANDED_ON, "PATH": path},
            timeout=options.timeout,
            say=lambda line: print(f"{prefix}{line}", flush=True),
        )
    except MachineError as error:
        print(f"machine: {error}", file=sys.stderr, flush=True)
        return FAILED
    print(f"machine: Linux {version} ended with {status} after {time.monotonic() - start:.0f} s", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
