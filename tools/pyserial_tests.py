"""pySerial's own tests, unmodified, on pySerial and on anyserial in its place; whatever pySerial passes must pass.

Before that, names and types: `anyserial.pyserial` has what types-pyserial declares (mypy's stubtest), and a program
that is written against types-pyserial type-checks with it.

The tests come with pySerial's source distribution, which is fetched from the package index. Each suite runs
twice on two kinds of ports: on a pseudo-terminal that sends back what it receives, and on ``loop://``. All four
runs go on at the same time, each in a process of its own, because the tests mostly sleep. What fails is run
once more by itself, because the tests measure time.

``python tools/pyserial_tests.py`` runs everything; ``--folder`` takes a source distribution that is unpacked.
"""

import argparse
import importlib
import json
import os
import select
import subprocess
import sys
import tarfile
import tempfile
import threading
import tty
import unittest
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, override

if TYPE_CHECKING:
    from types import TracebackType

VERSION = "3.5"
UV = os.environ.get("UV", "uv")
LIMIT = 240  # seconds for one run; each takes about fifty
LIBRARIES = ("pyserial", "anyserial")
KINDS = ("pty", "loop")

WHY_PYSERIAL_FAILS = {
    "test.Test0_DataWires.test1_RTS": "a pseudo-terminal has no modem lines",
    "test.Test0_DataWires.test2_DTR": "a pseudo-terminal has no modem lines",
    "test.Test0_DataWires.test3_RI": "a pseudo-terminal has no modem lines",
    "test_high_load.TestHighLoad.test0_WriteReadLoopback": "the echo of an earlier test is still on its way",
    "test_cancel.TestCancelWrite.test_cancel_once": "nothing slows a write to a pseudo-terminal down",
    "test_rs485.Test_RS485_class.test_RS485_class": "it sets RTS around the write, and a pseudo-terminal has none",
    "test_asyncio.Test_asyncio.test_asyncio": "it imports serial.aio, which pySerial does not have since 3.4",
}
"""Known reasons, for the report; the comparison does not depend on them."""

NOT_AS_DECLARED = {
    r"serial\.(serialcli|serialjava|serialwin32|win32|tools\.list_ports_windows)(\..*)?": "other platforms",
    r"serial\.urlhandler\.protocol_cp2110(\..*)?": "it needs a library for HID devices",
    r"serial\.rfc2217\.(ACTIVE|INACTIVE|REALLY_INACTIVE|REQUESTED|M_.*|RFC2217_ANSWER_MAP|Telnet.*)": "inner parts",
    r"serial\.rfc2217\.Serial\.(get_modem_state|rfc2217_.*|telnet_send_option)": "inner parts",
    r"serial\.(rfc2217|urlhandler\.protocol_socket)\.Serial\.write": "it takes integers too, as Serial's",
    r"serial\.urlhandler\.protocol_socket\.POLL_TIMEOUT": "an inner part",
    r"serial\.serialposix\.Serial\.fd": "nobody can give an open port another descriptor",
    r"serial\.serialposix\.Serial\.write": "it takes integers too, and its argument by name, as pySerial's does",
    r"serial\.serialposix\.VTIMESerial\.cancel_read": "it works",
    r"serial\.serialutil\.PortNotOpenError\.__init__": "it can be pickled",
    r"serial\.tools\.hexlify_codec\..*": "the parameters have the names of the base class",
    r"serial\.tools\.miniterm\.Console\.old": "the state from before is kept where nobody changes it",
    r"serial\.tools\.miniterm\.ConsoleBase\.__exit__": "its parameters have names",
    r"serial\.(rs485\.RS485|urlhandler\.protocol_loop\.Serial)\.write": "its argument has a name, as pySerial's",
    r"serial\.urlhandler\.protocol_spy\.sixteen": "a helper of pySerial's own",
}
"""Regular expressions for names that differ from types-pyserial, and why."""

PROGRAM = Path(__file__).parent.parent / "tests-integration" / "pyserial" / "probes" / "typed_program.py"
IN_PLACE = (
    ("import serial\n", "import anyserial.pyserial as serial\n"),
    ("import serial.rs485\nimport serial.threaded\n", ""),
    ("from serial.", "from anyserial_sync._pyserial."),
)

type Outcomes = dict[str, str]


class _Result(unittest.TestResult):
    """Keeps a word for each test: ``passed``, ``skipped``, or the last line of what it failed with."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: Outcomes = {}

    @override
    def addSuccess(self, test: unittest.TestCase) -> None:
        self.outcomes.setdefault(test.id(), "passed")

    @override
    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.outcomes[test.id()] = "skipped"

    @override
    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._failed(test, err)

    @override
    def addError(self, test: unittest.TestCase, err: Any) -> None:
        self._failed(test, err)

    def _failed(
        self, test: unittest.TestCase, err: "tuple[type[BaseException], BaseException, TracebackType | None]"
    ) -> None:
        kind, error, _ = err
        self.outcomes[test.id()] = f"{kind.__name__}: {error}".splitlines()[0]


def _tests_in(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for entry in suite:
        if isinstance(entry, unittest.TestSuite):
            yield from _tests_in(entry)
        else:
            yield entry


def run_here(folder: Path, library: str, port: str, only: Sequence[str]) -> Outcomes:
    """Run the tests in this process.

    Args:
        folder: The folder ``test`` of the source distribution.
        library: What ``import serial`` has to give.
        port: The path or URL that the tests open.
        only: The tests to run; all of them if empty.
    """
    if library == "anyserial":
        importlib.import_module("anyserial.pyserial").install()
    sys.path.insert(0, str(folder))
    import serial  # noqa: PLC0415  # the library under test, put in place above

    is_anyserial = serial.Serial.__module__.startswith("anyserial")
    if is_anyserial != (library == "anyserial"):
        raise SystemExit(f"import serial gave {serial.Serial.__module__}, which is not {library}")
    wanted = unittest.TestSuite()
    result = _Result()
    for path in sorted(folder.glob("test*.py")):
        try:
            module: Any = importlib.import_module(path.stem)
        except ImportError as exc:
            result.outcomes[path.stem] = f"ImportError: {exc}"
            continue
        module.PORT = port
        for test in _tests_in(unittest.defaultTestLoader.loadTestsFromModule(module)):
            if not only or test.id() in only:
                wanted.addTest(test)
    wanted.run(result)
    return result.outcomes


@contextmanager
def echoing_pty() -> Generator[str]:
    """Give the path of a pseudo-terminal that sends back what it receives."""
    controller, device = os.openpty()
    tty.setraw(device)  # and kept open, so that the far end outlives every close of the tests
    stop, stopper = os.pipe()

    def echo() -> None:
        while True:
            ready, _, _ = select.select([controller, stop], [], [])
            if stop in ready:
                return
            data = os.read(controller, 4096)
            while data:
                data = data[os.write(controller, data) :]

    thread = threading.Thread(target=echo, daemon=True)
    thread.start()
    try:
        yield os.ttyname(device)
    finally:
        os.write(stopper, b"x")
        thread.join(5)
        for descriptor in (controller, device, stop, stopper):
            os.close(descriptor)


def run_apart(folder: Path, library: str, kind: str, only: Sequence[str] = ()) -> Outcomes:
    """Run the tests in a process of their own, on a port of their own."""

    def run(port: str) -> Outcomes:
        command = [sys.executable, __file__, "--folder", str(folder.parent), "--library", library, "--port", port]
        environment = {
            key: value for key, value in os.environ.items() if key not in {"PYTHONWARNINGS", "PYTHONDEVMODE"}
        }
        done = subprocess.run(
            [*command, *only], env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        if done.returncode:
            raise SystemExit(f"{library} on {kind} ended with status {done.returncode}:\n{done.stderr}")
        outcomes: Outcomes = json.loads(done.stdout.splitlines()[-1])
        return outcomes

    if kind == "loop":
        return run("loop://")
    with echoing_pty() as path:
        return run(path)


def names_here() -> int:
    """Compare the names with types-pyserial's declarations, in this process; what differs is printed."""
    from mypy import stubtest  # noqa: PLC0415  # few runs need it

    importlib.import_module("anyserial.pyserial").install()
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as allowed:
        allowed.write("\n".join(NOT_AS_DECLARED))
        allowed.flush()
        options = ["serial", "--concise", "--ignore-missing-stub", "--allowlist", allowed.name]
        return stubtest.test_stubs(stubtest.parse_options(options))


def check_types() -> int:
    """Compare names, and type-check the program with anyserial in place; return how many of the two failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        text = PROGRAM.read_text()
        for before, after in IN_PLACE:
            if before not in text:
                raise SystemExit(f"{PROGRAM.name} has no {before!r} any more")
            text = text.replace(before, after)
        program = Path(scratch) / PROGRAM.name
        program.write_text(text)
        for what, command in (
            ("names", (__file__, "--names")),
            ("types", ("-m", "mypy", "--strict", "--cache-dir", f"{scratch}/cache", str(program))),
        ):
            done = subprocess.run((sys.executable, *command), capture_output=True, text=True, check=False)
            print(f"{what}: {'as declared' if done.returncode == 0 else 'DIFFERENT'}")
            if done.returncode:
                print(done.stdout, done.stderr)
                failed += 1
    return failed


def fetch(folder: Path) -> Path:
    """Fetch and unpack the source distribution; return the folder that it unpacks to."""
    pip = (UV, "run", "--quiet", "--isolated", "--no-project", "--python", sys.executable, "--with", "pip")
    what = ("--no-deps", "--no-binary", "pyserial", f"pyserial=={VERSION}")
    subprocess.run([*pip, "python", "-m", "pip", "download", "--quiet", *what], cwd=folder, check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder / f"pyserial-{VERSION}"


def _all_at_once(folder: Path) -> dict[tuple[str, str], Outcomes]:
    found: dict[tuple[str, str], Outcomes] = {}
    errors: list[BaseException] = []

    def run(library: str, kind: str) -> None:
        try:
            found[library, kind] = run_apart(folder, library, kind)
        except BaseException as exc:  # noqa: BLE001  # raised below
            errors.append(exc)

    threads = [threading.Thread(target=run, args=(library, kind)) for library in LIBRARIES for kind in KINDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return found


def _passed(outcomes: Outcomes) -> set[str]:
    return {name for name, outcome in outcomes.items() if outcome == "passed"}


def compare(folder: Path) -> int:
    """Run everything and report; return the number of tests that pySerial passes and anyserial does not."""
    found = _all_at_once(folder)
    worse = 0
    for kind in KINDS:
        theirs, ours = found["pyserial", kind], found["anyserial", kind]
        lost = sorted(_passed(theirs) - _passed(ours))
        again = run_apart(folder, "anyserial", kind, lost) if lost else {}
        lost = [name for name in lost if again.get(name) != "passed"]
        worse += len(lost)
        print(f"{kind}: {len(theirs)} tests; pySerial passes {len(_passed(theirs))}", end="")
        print(f", anyserial {len(_passed(ours)) + len(_passed(again))}")
        for name in sorted(set(theirs) - _passed(theirs)):
            outcome = theirs[name]
            reason = "" if outcome == "skipped" else f" ({WHY_PYSERIAL_FAILS.get(name, 'reason not known')})"
            print(f"    pySerial: {name}: {outcome}{reason}; anyserial: {ours.get(name, 'not run')}")
        for name in lost:
            print(f"    LOST: {name}: {again.get(name, ours.get(name, 'not run'))}")
    return worse


def main() -> int:
    """Run the tests and compare; 1 if anyserial fails what pySerial passes."""
    parser = argparse.ArgumentParser(description="pySerial's own tests on anyserial.")
    parser.add_argument("--folder", type=Path, help="an unpacked source distribution; it is fetched if not given")
    parser.add_argument("--library", choices=LIBRARIES, help="run the tests here, on this one")
    parser.add_argument("--names", action="store_true", help="only compare the names with types-pyserial's, here")
    parser.add_argument("--port", help="the port for --library")
    parser.add_argument("tests", nargs="*", help="only these, with --library")
    arguments = parser.parse_args()
    if arguments.library:
        outcomes = run_here(arguments.folder / "test", arguments.library, arguments.port, arguments.tests)
        print(json.dumps(outcomes))
        # Tests leave threads behind that wait on ports.
        sys.stdout.flush()
        os._exit(0)
    if arguments.names:
        return names_here()
    failed = check_types()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or fetch(Path(scratch))
        failed += compare(folder / "test")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
