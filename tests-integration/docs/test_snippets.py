"""Every Python block of the documentation, run as it is written.

A block that runs an event loop runs once on each runtime that it can run on, and so does
one that awaits at its top level, as the body of such a program; tests are given to
pytest; everything else runs as a script. What a block writes about is served by
`documented_ports`. A block that cannot be run fails: there is no way to mark one as not
to be run. What a page shows as a block's output, in a ``text`` block right below it, is compared with what
it prints; ``...`` there stands for anything.
"""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from doctest import ELLIPSIS, OutputChecker
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
from anyserial_sync import _portal_provider
from doc_blocks import Block, Kind, blocks, compiled, does_something, free_names, kind_of
from documented_ports import documented_ports
from source_tree import ROOT

LONGEST_RUN = 20  # seconds, for a block
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
    Kind.NOT_RUN: ("nothing",),
    Kind.PYTEST: ("pytest",),
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


def _runs() -> Iterator[Any]:
    for block in blocks("python"):
        try:
            runtimes = RUNTIMES[kind_of(block)]
        except SyntaxError:
            runtimes = ("unreadable",)
        for runtime in runtimes:
            yield pytest.param(block, runtime, id=f"{block.name}-{runtime}")


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
) -> None:
    code = compiled(block)
    assert runtime != "nothing", f"{block.name} {kind_of(block).value}: end it in anyio.run(main)"
    assert does_something(block), f"{block.name} only defines what no reader sees used: call it, or join it to its use"
    if runtime == "pytest":
        assert block.output is None, f"{block.name} holds tests: no output of pytest's can be shown right below it"
        _run_tests(block, tmp_path)
        return
    monkeypatch.chdir(tmp_path)
    # As in a program of its own: no handler of pytest's, and a portal that nothing has used.
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.WARNING)
    monkeypatch.setattr(_portal_provider, "_state", _portal_provider._State())
    with documented_ports(recorded), _chosen(runtime):
        if runtime in OPTIONS and kind_of(block) is Kind.AWAITS:
            anyio.run(partial(_await_fragment, block, code))
        else:
            _run_script(block, code)
    if block.output is not None:
        printed = capfd.readouterr().out
        same = OutputChecker().check_output(block.output, printed, ELLIPSIS)
        assert same, f"{block.name} shows\n{block.output}but prints\n{printed}"


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


def _run_tests(block: Block, folder: Path) -> None:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_block.py").write_text(block.text)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(folder)]
    paths = os.pathsep.join(str(ROOT / path) for path in ("tools", "tests-integration/support"))
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{block.name}\n{done.stdout}{done.stderr}"


@contextmanager
def _chosen(runtime: str, longest: float = LONGEST_RUN) -> Generator[None]:
    """Run what the block hands to an event loop on this runtime, unless the block itself names one; end what hangs."""
    run_anyio, run_asyncio, run_trio, run_uvloop = anyio.run, asyncio.run, trio.run, uvloop.run

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

    with (
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
