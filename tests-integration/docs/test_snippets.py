"""Every Python block of the documentation, run as it is written.

A block that runs an event loop runs once on each runtime that it can run on, and so does
one that awaits at its top level, as the body of such a program; tests are given to
pytest; everything else runs as a script. What a block writes about is served by
`documented_ports`. A block that cannot be run fails: there is no way to mark one as not
to be run. What a block prints must be on the page, in a ``text`` block right below it or in a comment after each
print, and is compared; ``...`` in a ``text`` block stands for anything.
"""

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext, suppress
from doctest import DONT_ACCEPT_TRUE_FOR_1, ELLIPSIS, OutputChecker
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any
from unittest import mock

import anyio
import anyserial
import pytest
import trio
import uvloop
from anyserial import SerialPort
from anyserial.pyserial import uninstall
from anyserial.testing import VirtualClock
from anyserial_sync import _portal_provider
from doc_blocks import Block, Kind, blocks, compiled, does_something, free_names, kind_of, missing_framework
from documented_ports import documented_ports
from source_tree import ROOT
from virtual_command import virtual_instrument

LONGEST_RUN = 20  # seconds, for a block
COMMENTED = re.compile(r"^(?:.*print\(.*\)  # |# )(.*)$", re.MULTILINE)
PROMISED = re.compile(r"print\(.*\)  # ")
PORT = "/dev/ttyUSB0"  # what stands behind the name `port` in a fragment
OPTIONS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio", "backend_options": {"use_uvloop": False}},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}
RUNTIMES = {
    Kind.AWAITS: ("asyncio", "uvloop", "trio"),
    Kind.ANYIO: ("asyncio", "uvloop", "trio"),
    Kind.ASYNCIO: ("asyncio", "uvloop"),
    Kind.TRIO: ("trio",),
    Kind.UVLOOP: ("uvloop",),
    Kind.VIRTUAL_CLOCK: ("asyncio", "trio"),  # uvloop's clock cannot be replaced
    Kind.NOT_RUN: ("nothing",),
    Kind.PYTEST: ("pytest",),
    Kind.FRAMEWORK: ("framework",),
    Kind.BLOCKING: ("blocking",),
}
# For a block of tests: the ports of the pages, and the three runtimes.
CONFTEST = """
import pytest
from documented_ports import documented_ports

@pytest.fixture(autouse=True)
def ports(tmp_path_factory):
    with documented_ports(tmp_path_factory.mktemp("recorded")):
        yield

@pytest.fixture(params=[("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True}), ("trio", {})])
def anyio_backend(request):
    return request.param
"""
# For a block about a framework: the ports of the pages. The framework's own warnings are not the page's, and neither
# is PySide6 6.12, which crashes in one of 25 runs while the interpreter ends, after the last line of Python.
RUN_ALONE = """
import os, sys, warnings
from pathlib import Path
from documented_ports import documented_ports

warnings.resetwarnings()
with documented_ports(Path(sys.argv[1])):
    exec(compile(Path(sys.argv[2]).read_text(), sys.argv[2], "exec"))
sys.stdout.flush()
os._exit(0)
"""


def _runs() -> Iterator[Any]:
    for block in blocks("python"):
        try:
            runtimes = RUNTIMES[kind_of(block)]
        except SyntaxError:
            runtimes = ("unreadable",)
        for runtime in runtimes:
            reason = missing_framework(block)
            marks = [pytest.mark.skip(reason)] if reason else []
            yield pytest.param(block, runtime, id=f"{block.name}-{runtime}", marks=marks)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recorded")


@pytest.mark.parametrize(
    ("runtime", "text"),
    [
        ("asyncio", "import anyio\nanyio.run(anyio.sleep_forever)"),
        ("uvloop", "import anyio\nanyio.run(anyio.sleep_forever)"),
        ("trio", "import anyio\nanyio.run(anyio.sleep_forever)"),
        ("asyncio", "import asyncio\nasyncio.run(asyncio.sleep(60))"),
        ("uvloop", "import asyncio, uvloop\nuvloop.run(asyncio.sleep(60))"),
        ("asyncio", "from anyio import run, sleep_forever\nrun(sleep_forever)"),
        ("trio", "import trio\ntrio.run(trio.sleep_forever)"),
        ("blocking", "import time\ntime.sleep(60)"),
    ],
)
def test_block_that_hangs_is_ended(runtime: str, text: str) -> None:
    with pytest.raises(TimeoutError), _chosen(runtime, longest=0.05):
        exec(text, {})  # noqa: S102  # this test's own words


@pytest.mark.parametrize(("block", "runtime"), [*_runs()])
def test_block_runs_as_written(
    block: Block,
    runtime: str,
    recorded: Path,
    tmp_path: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    code = compiled(block)
    assert runtime != "nothing", f"{block.name} {kind_of(block).value}: end it in anyio.run(main)"
    assert does_something(block), f"{block.name} only defines what no reader sees used: call it, or join it to its use"
    if runtime == "pytest":
        assert block.output is None, f"{block.name} holds tests: no output of pytest's can be shown right below it"
        failed = request.getfixturevalue("failed_tests")
        assert block.name not in failed, f"{block.name}\n{failed[block.name]}"
        return
    if runtime == "framework":
        _compare(block, _run_alone(block, tmp_path))
        return
    monkeypatch.chdir(tmp_path)
    # As in a program of its own: no handler of pytest's, and a portal that nothing has used.
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.WARNING)
    monkeypatch.setattr(_portal_provider, "_state", _portal_provider._State())
    # The tutorial's reader keeps `anyserial virtual --link instrument` running.
    instrument = virtual_instrument(tmp_path / "instrument") if '"instrument"' in block.text else nullcontext()
    with documented_ports(recorded), instrument, _chosen(runtime), _without_pyserial():
        if runtime in OPTIONS and kind_of(block) is Kind.AWAITS:
            anyio.run(partial(_await_fragment, block, code))
        else:
            _run_script(block, code)
    _compare(block, capfd.readouterr().out)


@pytest.mark.parametrize(
    ("text", "output", "printed"),
    [
        ("print(x)\n", "1\n", "2\n"),
        ("print(x)\n", "1\n", "True\n"),
        ("print(x)\n", "1\n", ""),
        ("print(x)\n", "1\n", "1\n1\n"),
        ("print(x)\n", "a ... c\n", "a b\n"),
        ("print(x)\n", None, "1\n"),
        ("print(x)  # 1\n", None, "2\n"),
        ("print(x)  # 1\n", None, "1\n1\n"),
        ("if False:\n    print(x)  # 1\n", None, ""),
        ("for x in y:\n    print(x)\n# 1\n# 2\n", None, "1\n3\n"),
    ],
)
def test_wrong_output_is_noticed(text: str, output: str | None, printed: str) -> None:
    with pytest.raises(AssertionError, match=r"shows|must show"):
        _compare(Block(ROOT / "docs/page.md", 1, "python", text, output), printed)


@contextmanager
def _without_pyserial() -> Generator[None]:
    """Set aside what other tests have imported of pySerial: a block may put anyserial in its place."""
    before = {name: sys.modules.pop(name) for name in [*sys.modules] if name.partition(".")[0] == "serial"}
    try:
        yield
    finally:
        uninstall()
        sys.modules.update(before)


async def _await_fragment(block: Block, code: CodeType) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    if "port" not in free_names(block):
        await eval(code, names)  # noqa: S307  # what the page says
        return
    async with await SerialPort.open(PORT) as port:
        names["port"] = port
        await eval(code, names)  # noqa: S307


def _run_script(block: Block, code: CodeType) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    if "port" not in free_names(block):
        exec(code, names)  # noqa: S102  # what the page says
        return
    with anyserial.sync.SerialPort.open(PORT) as port:
        names["port"] = port
        exec(code, names)  # noqa: S102


def _compare(block: Block, printed: str) -> None:
    if block.output is not None:
        same = OutputChecker().check_output(block.output, printed, ELLIPSIS | DONT_ACCEPT_TRUE_FOR_1)
        assert same, f"{block.name} shows\n{block.output}but prints\n{printed}"
    elif printed or PROMISED.search(block.text):
        shown = "".join(f"{line}\n" for line in COMMENTED.findall(block.text))
        assert shown == printed, f"{block.name} must show its output, in comments or a text block\n{printed}"


def _run_alone(block: Block, folder: Path) -> str:
    """Run a block in a process of its own; return what it prints."""
    (folder / "block.py").write_text(block.text)
    done = _run_python(folder, "-c", RUN_ALONE, str(folder / "recorded"), str(folder / "block.py"))
    assert done.returncode == 0, f"{block.name}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def failed_tests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run every block of tests, all in one run of pytest; what went wrong, by the block's name."""
    folder = tmp_path_factory.mktemp("blocks")
    found = {f"test_block_{number}.py": block for number, block in enumerate(_tests())}
    for name, block in found.items():
        (folder / name).write_text(block.text)
    (folder / "conftest.py").write_text(CONFTEST)
    options = ("-q", "-rA", "-W", "error", "-p", "no:cacheprovider", "-p", "anyio")
    done = _run_python(folder, "-m", "pytest", *options, str(folder))
    report = f"{done.stdout}{done.stderr}"
    return {
        block.name: report
        for name, block in found.items()
        if f"PASSED {name}::" not in report or re.search(rf"^(FAILED|ERROR) {name}", report, re.MULTILINE)
    }


def _tests() -> Iterator[Block]:
    for block in blocks("python"):
        with suppress(SyntaxError):
            if kind_of(block) is Kind.PYTEST:
                yield block


def _run_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(str(ROOT / path) for path in ("tools", "tests-integration/support"))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        # Development mode takes three times as long, and the plugins of pytest that no page uses twice.
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDEVMODE": "0", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def _chosen(runtime: str, longest: float = LONGEST_RUN) -> Generator[None]:
    """Run what the block hands to an event loop on this runtime, unless the block itself names one; end what hangs."""
    run_anyio, run_asyncio, run_trio, run_uvloop = anyio.run, asyncio.run, trio.run, uvloop.run
    run_on_clock = VirtualClock.run

    def bounded(func: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any) -> Any:
            with anyio.fail_after(longest):
                return await func(*args)

        return call

    def anyio_run(func: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return run_anyio(bounded(func), *args, **(named or OPTIONS[runtime]))

    def asyncio_run(main: Any, **named: Any) -> Any:
        if runtime == "uvloop":
            named.setdefault("loop_factory", uvloop.new_event_loop)
        return run_asyncio(bounded(lambda: main)(), **named)

    def uvloop_run(main: Any, **named: Any) -> Any:
        return run_uvloop(bounded(lambda: main)(), **named)

    def trio_run(func: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return run_trio(bounded(func), *args, **named)

    def clock_run(clock: VirtualClock, func: Callable[..., Any], *args: Any) -> Any:
        return run_on_clock(clock, func, *args, backend="trio" if runtime == "trio" else "asyncio")

    with (
        mock.patch.object(VirtualClock, "run", clock_run),
        mock.patch.object(anyio, "run", anyio_run),
        mock.patch.object(asyncio, "run", asyncio_run),
        mock.patch.object(trio, "run", trio_run),
        mock.patch.object(uvloop, "run", uvloop_run),
        _alarm(longest) if runtime == "blocking" else nullcontext(),
    ):
        yield


@contextmanager
def _alarm(seconds: float) -> Generator[None]:
    def overrun(*_: object) -> None:
        raise TimeoutError(f"the block still runs after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, overrun)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
