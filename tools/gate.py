"""The gate behind ``tools/check`` and ``.ci/run``: its steps, in order, each one timed.

A new check becomes a row of STEPS, and nothing else needs to know. What a check does belongs
in a command or a tool of its own; here it is only called. Steps that measure no time run first, in two lanes
side by side. The others have the machine to themselves. The README's own commands come last, read from the
README, so that they are tried as written and the run ends with pytest's summary.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
UV = os.environ.get("UV", "uv")
# The metapackage, which needs all others, last.
PACKAGES = tuple(
    sorted(
        (path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")),
        key=lambda name: (name == "anyserial", name),
    )
)
SOURCES = tuple(f"packages/{package}/src" for package in PACKAGES)
# The tests see the interpreter's own warnings and checks, and so does every process they start.
# uv hands these to the command it runs, not to pip and the builds before it.
STRICT = "PYTHONDEVMODE=1\nPYTHONWARNINGS=error\n"

type Command = Sequence[str]


class Step(NamedTuple):
    """One row of the gate: what to ask for it by, what it proves, and the commands."""

    name: str
    proves: str
    commands: Callable[[], Iterator[Command]]


class GateError(Exception):
    """A step cannot be run at all; the message says what is missing."""


def _python(*arguments: str) -> Command:
    return (sys.executable, *arguments)


def _lock() -> Iterator[Command]:
    yield (UV, "lock", "--check")
    yield (UV, "pip", "check")


def _versions() -> Iterator[Command]:
    yield _python("tools/set_version.py", "--check")


def _format() -> Iterator[Command]:
    yield ("ruff", "format", "--check", ".")


def _lint() -> Iterator[Command]:
    yield ("ruff", "check", ".")


def _docs() -> Iterator[Command]:
    yield _python("tools/check_docs.py")


def _site() -> Iterator[Command]:
    with tempfile.TemporaryDirectory() as folder:
        sphinx = ("python", "-m", "sphinx", "-q", "-W", "--keep-going", "-E", "-d", f"{folder}/doctrees")
        yield (UV, "run", "--locked", "--isolated", "--group", "docs", *sphinx, "docs", f"{folder}/site")


def _mypy() -> Iterator[Command]:
    for platform in ("linux", "darwin", "freebsd"):
        yield ("mypy", "--platform", platform, *SOURCES)
    # Test modules of two packages may share a name, so that each folder is a run of its own.
    folders = [
        *ROOT.glob("packages/*/tests"),
        *sorted(path for path in ROOT.glob("tests-integration/*") if path.is_dir()),
    ]
    singles = [*ROOT.glob("conftest.py"), *ROOT.glob("tests-integration/*.py")]
    folders += [ROOT / name for name in ("benchmarks", "tools")]
    for folder in folders:
        if any(folder.rglob("*.py")):
            yield ("mypy", str(folder.relative_to(ROOT)))
    if singles:
        yield ("mypy", *(str(path.relative_to(ROOT)) for path in singles))


def _pyright() -> Iterator[Command]:
    yield ("pyright",)
    yield ("pyright", "--pythonplatform", "Darwin", *SOURCES)
    # pyright has no name for the BSDs; under "All" it takes no branch on sys.platform for dead.
    yield ("pyright", "--project", "tools/pyright-all.json")


def _abi() -> Iterator[Command]:
    yield (UV, "run", "--locked", "--isolated", "--group", "abi", "python", "tools/check_abi.py")


def _isolation() -> Iterator[Command]:
    for package in PACKAGES:
        # A venv with this package, its dependencies and its dev group, and no other part.
        isolated = (UV, "run", "--locked", "--quiet", "--isolated", "--exact", "--package", package)
        yield (*isolated, "python", "tools/isolated_tests.py", package)


def _workflows() -> Iterator[Command]:
    yield (UV, "run", "--locked", "--quiet", "--isolated", "--only-group", "workflows", "actionlint")


def _release() -> Iterator[Command]:
    # The shapes of an install, with their tests, are for the release itself: `tools/release dry-run`.
    yield _python("tools/release.py", "dry-run", "--quick")


def _reported(step: str, command: Command) -> Command:
    """A command whose failure is reported and does not stop the gate."""
    failed = f"tools/check: {step} FAILED; this step does not stop the gate"
    return ("bash", "-c", f"{shlex.join(command)} || echo {shlex.quote(failed)}")


def _pythons() -> Iterator[Command]:
    # 3.14 stops the gate, 3.15 is reported.
    yield _python("tools/other_pythons.py", "--gate")


def _wheels() -> Iterator[Command]:
    # A plain run of the tests leaves these out, which build, install and freeze.
    yield _python("-m", "pytest", "-q", "tests-integration/wheels")


def _shortcuts() -> Iterator[Command]:
    # No lock holds for these: what is installed is the oldest, then the newest, that core allows.
    core = ROOT / "packages" / "anyserial-core"
    project = tomllib.loads((core / "pyproject.toml").read_text())
    requirements = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    tests = [f"{core}/tests/test_{name}.py" for name in ("shortcuts", "loops")]
    for resolution in ("lowest-direct", "highest"):
        isolated = [UV, "run", "--quiet", "--isolated", "--no-project", "--python", sys.executable]
        isolated += ["--resolution", resolution, "--with-editable", str(core)]
        isolated += [argument for requirement in requirements for argument in ("--with", requirement)]
        yield (*isolated, "python", "-m", "pytest", "-p", "no:cacheprovider", *tests)


def _benchmarks() -> Iterator[Command]:
    if (ROOT / "benchmarks" / "__main__.py").exists():
        yield _python("-m", "benchmarks", "--quick")


def _asyncio_clients() -> Iterator[Command]:
    isolated = (UV, "run", "--locked", "--quiet", "--isolated", "--group", "asyncio-clients")
    yield (*isolated, "python", "tools/asyncio_clients.py")


def _stress() -> Iterator[Command]:
    if (ROOT / "tests-integration" / "stress").exists():
        # A plain run of the tests has the same ones in their short form.
        yield ("env", "ANYSERIAL_STRESS=full", *_python("-m", "pytest", "-q", "tests-integration/stress"))
        yield ("env", "ANYSERIAL_STRESS=full", *_python("-m", "pytest", "-q", "tests-integration/sync/test_stress.py"))
        # Every port gone at every access of a listing.
        listing = "packages/anyserial-discovery/tests/test_linux.py"
        yield ("env", "ANYSERIAL_STRESS=full", *_python("-m", "pytest", "-q", listing, "-k", "vanishes"))
        # A million random streams for the codec of RFC 2217.
        codec = [f"packages/anyserial-core/tests/test_{name}.py" for name in ("telnet", "com_port")]
        yield ("env", "ANYSERIAL_STRESS=full", *_python("-m", "pytest", "-q", *codec, "-k", "random"))


def _rfc2217() -> Iterator[Command]:
    tests = [f"tests-integration/network/test_{name}.py" for name in ("serving", "hostile_clients")]
    yield ("env", "ANYSERIAL_STRESS=full", *_python("-m", "pytest", "-q", *tests))
    yield _python("tools/rfc2217_server.py")


def _network() -> Iterator[Command]:
    # On loopback. ser2net is a package of the system; without it the tool says so and goes on.
    yield (UV, "run", "--locked", "--quiet", "--group", "network", "--isolated", "python", "tools/network_peers.py")


def _hardware() -> Iterator[Command]:
    # The machine is made of Debian's packages, which it fetches.
    if shutil.which("apt-get"):
        # Reported, not enforced, until every test in it has been seen green with the rebuilt heart.
        yield _reported("the hardware tests", _python("tests-integration/machine", "--timeout", "420"))


def _frameworks() -> Iterator[Command]:
    # The pages' blocks about FastAPI and Qt, which a plain run of the tests leaves to this step, and says so.
    isolated = (UV, "run", "--locked", "--quiet", "--isolated", "--group", "frameworks", "python", "-m", "pytest")
    yield (*isolated, "-q", "-rs", "-k", "runtimes or strict", "tests-integration/docs")


def _clients() -> Iterator[Command]:
    # Not among the tools of development: what these programs bring along is not part of anyserial.
    isolated = (UV, "run", "--locked", "--quiet", "--isolated", "--group", "clients")
    yield (*isolated, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests-integration/clients")


def _patched() -> Iterator[Command]:
    # A plain run of the tests leaves out what needs these libraries, and says so.
    isolated = (UV, "run", "--locked", "--quiet", "--isolated", "--group", "patchers", "python", "-m", "pytest")
    yield (*isolated, "-q", "-rs", "-p", "no:cacheprovider", "tests-integration/sync/test_patched.py")


def _pyserial() -> Iterator[Command]:
    yield _python("tools/pyserial_tests.py")


def _demo() -> Iterator[Command]:
    yield ("bash", "-euxc", _readme_command("uv run anyserial demo"))


def _tests() -> Iterator[Command]:
    yield ("bash", "-euxc", _readme_command("uv run pytest"))


STEPS = (
    Step("lock", "uv.lock fits pyproject.toml; what is installed fits together", _lock),
    Step("versions", "one version everywhere, siblings pinned exactly", _versions),
    Step("format", "ruff format has nothing to change", _format),
    Step("lint", "ruff's rules hold", _lint),
    Step("docs", "links in Markdown lead somewhere, code blocks name a language", _docs),
    Step("site", "the site builds: every link and reference leads somewhere, every public name has its entry", _site),
    Step("workflows", "GitHub would accept .github/workflows", _workflows),
    Step("mypy", "strict, for Linux, macOS and FreeBSD", _mypy),
    Step("pyright", "strict, for Linux, macOS and every platform at once", _pyright),
    Step("abi", "ioctl numbers, termios bits and structures are those of each platform's C headers", _abi),
    Step("isolation", "each package's tests pass with no other part installed", _isolation),
    Step("wheels", "the wheels hold what they must, and work in clean environments and in frozen programs", _wheels),
    Step("release", "sdists build again, the index accepts every archive, every public type is known", _release),
    Step("pythons", "every package's tests on Python 3.14, which must pass, and 3.15, which are reported", _pythons),
    Step("shortcuts", "what is private of AnyIO and trio means the same in the oldest and the newest", _shortcuts),
    Step("benchmarks", "no instruction count has grown (the quick mode)", _benchmarks),
    Step("frameworks", "what the pages say about FastAPI and Qt works there", _frameworks),
    Step("clients", "programs that use pySerial, unmodified from the package index, work on anyserial", _clients),
    Step("patched", "blocking ports work in programs that gevent and eventlet have patched", _patched),
    Step("pyserial", "pySerial's own tests pass on anyserial, whose names and types are as declared", _pyserial),
    Step(
        "asyncio", "pyserial-asyncio's own tests, zigpy and dsmr-parser run on anyserial, unmodified", _asyncio_clients
    ),
    Step("stress", "the reliability tests at their full figures", _stress),
    Step("rfc2217", "pySerial's own tests pass over our RFC 2217 server as over its own, and serialx works", _rfc2217),
    Step("network", "network ports work with ser2net's, pySerial's and esptool's servers; 256 in one loop", _network),
    Step("hardware", "the tests on the kernel's serial drivers, of two kernels, in virtual machines", _hardware),
    Step("demo", "the README's demo command, as written", _demo),
    Step("tests", "the README's test command, as written, under -X dev -W error", _tests),
)

README_STEPS = ("demo", "tests")
# The two lanes take about the same time. A step in none of them runs alone, after both.
LANES = (
    (
        *("lock", "versions", "format", "lint", "docs", "site", "workflows", "mypy", "pyright", "abi"),
        *("release", "wheels", "frameworks", "clients", "patched", "pythons"),
    ),
    ("isolation", "shortcuts", "benchmarks"),
)


def _readme_command(part: str) -> str:
    """The one-line shell block of README.md that brings uv and has ``part`` in its command."""
    blocks = (ROOT / "README.md").read_text().split("```sh\n")[1:]
    commands = [block.partition("```")[0].strip() for block in blocks]
    found = [command for command in commands if "uv" in command and part in command]
    if len(found) != 1:
        raise GateError(f"README.md must have exactly one sh block that brings uv and has {part!r}; found {found}")
    return found[0]


class _Gate:
    """One run: the steps asked for, what they took, and whether one has failed."""

    def __init__(self, steps: Sequence[Step], strict: str) -> None:
        self._steps = steps
        self._strict = strict
        self._durations: list[str] = []
        self._printing = threading.Lock()
        self._failed = threading.Event()

    def run(self) -> None:
        """Run the steps.

        Raises:
            GateError: A step failed; the steps after it were not begun.
        """
        lanes = [[step for step in self._steps if step.name in names] for names in LANES]
        in_lanes = {step.name for lane in lanes for step in lane}
        alone = [step for step in self._steps if step.name not in in_lanes]
        if all(lanes):
            with ThreadPoolExecutor(len(lanes)) as threads:
                for lane in [threads.submit(self._run_lane, lane) for lane in lanes]:
                    lane.result()
        else:
            alone = [*self._steps]
        for step in alone:
            if step is alone[-1] and self._durations:
                # Before the last step, so that what ends the run is that step's own summary.
                print("==> so far: " + ", ".join(self._durations), flush=True)
            self._announce(step)
            taken = self._run_step(step, None)
            if step is not alone[-1]:
                print(f"<== {taken}", flush=True)

    def _run_lane(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if self._failed.is_set():
                return
            with tempfile.TemporaryFile("w+") as output:
                taken = f"{step.name} FAILED"
                try:
                    taken = self._run_step(step, output)
                except BaseException:
                    self._failed.set()
                    raise
                finally:
                    with self._printing:
                        self._announce(step)
                        output.seek(0)
                        shutil.copyfileobj(output, sys.stdout)
                        print(f"<== {taken}", flush=True)

    def _announce(self, step: Step) -> None:
        print(f"==> {self._steps.index(step) + 1}/{len(self._steps)} {step.name}: {step.proves}", flush=True)

    def _run_step(self, step: Step, output: "IO[str] | None") -> str:
        """Run one step and return what it took. What it prints goes to *output*; None is the terminal."""
        start = time.monotonic()
        ran = False
        for command in step.commands():
            ran = True
            print(f"    $ {shlex.join(command)}", file=output, flush=True)
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=_environment_of(step, self._strict),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                check=False,
            )
            if done.returncode:
                raise GateError(f"exit status {done.returncode} from: {shlex.join(command)}")
        if not ran:
            print("    nothing here for it yet", file=output, flush=True)
        self._durations.append(f"{step.name} {time.monotonic() - start:.1f} s")
        return self._durations[-1]


def _environment_of(step: Step, strict: str) -> dict[str, str]:
    environment = {**os.environ, "UV": UV}
    if step.name in README_STEPS:
        # As whoever reads the README has it: outside the environment that this runs in.
        environment.pop("VIRTUAL_ENV", None)
        own = str(Path(sys.executable).parent)
        environment["PATH"] = os.pathsep.join(entry for entry in environment["PATH"].split(os.pathsep) if entry != own)
    if step.name == "tests":
        environment["UV_ENV_FILE"] = strict
    return environment


def _select(names: Sequence[str]) -> Sequence[Step]:
    known = {step.name for step in STEPS}
    if unknown := [name for name in names if name not in known]:
        raise GateError(f"no such step: {', '.join(unknown)}; there are {', '.join(step.name for step in STEPS)}")
    return [step for step in STEPS if not names or step.name in names]


def main() -> int:
    """Run the steps asked for; 1 at the first that fails."""
    parser = argparse.ArgumentParser(prog="tools/check", description="The checks that a change must pass.")
    parser.add_argument("steps", nargs="*", help="only these steps; all of them if none is named")
    parser.add_argument("--list", action="store_true", help="say what the steps are")
    arguments = parser.parse_args()
    if arguments.list:
        for step in STEPS:
            print(f"{step.name:12}{step.proves}")
        return 0
    with tempfile.NamedTemporaryFile("w", prefix="anyserial-gate-", suffix=".env") as strict:
        strict.write(STRICT)
        strict.flush()
        try:
            _Gate(_select(arguments.steps), strict.name).run()
        except GateError as exc:
            print(f"tools/check: FAILED: {exc}", file=sys.stderr, flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
