"""The tutorial's suite is deterministic, and catches each bug that the page says it catches."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from anyserial.testing import VirtualClock
from doc_blocks import blocks
from source_tree import ROOT

PAGE = ROOT / "docs/testing-tutorial.md"
# What the table on the page says in words: what is replaced by what, and which test must fail.
BUGS = (
    ("range(1, 11)", "range(1, 10)", "test_ramp_takes_ten_seconds"),
    ("sleep(seconds / 10)", "sleep(seconds / 12)", "test_ramp_takes_ten_seconds"),
    ("range(2)", "range(1)", "test_lost_answer_is_asked_for_again"),
    ('if answer != "OK"', "if not answer", "test_damaged_answer_is_an_error"),
    ("with anyio.move_on_after(1)", "with suppress(OSError), anyio.move_on_after(1)", "test_unplugging_ends_the_ramp"),
    ("{volts:.3f}", "{volts:.2f}", "test_as_recorded"),
)


def _suite() -> str:
    (block,) = (block for block in blocks("python") if block.page == PAGE)
    return block.text


def test_the_page_names_these_bugs() -> None:
    rows = re.findall(r"^\| .* \| `(test_\w+)` \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [test for _, _, test in BUGS]


def test_each_bug_is_caught_by_its_test(tmp_path: Path) -> None:
    suite = _suite()
    (tmp_path / "test_right.py").write_text(suite)
    for number, (right, wrong, _) in enumerate(BUGS):
        assert suite.count(right) == 1
        text = f"from contextlib import suppress\n{suite.replace(right, wrong)}"
        (tmp_path / f"test_wrong_{number}.py").write_text(text)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "anyio",
            "--tb=no",
            "-rf",
            str(tmp_path),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDEVMODE": "0", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    failed = set(re.findall(r"^FAILED (\w+)\.py::(\w+)", done.stdout, re.MULTILINE))
    wanted = {(f"test_wrong_{number}", test) for number, (_, _, test) in enumerate(BUGS)}
    assert failed == wanted, done.stdout


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_every_run_ends_alike(backend: str, tmp_path: Path) -> None:
    on_backend = _suite().replace("clock.run(main)", f"clock.run(main, backend={backend!r})")
    names: dict[str, Any] = {"__name__": "test_supply"}
    exec(compile(on_backend, PAGE, "exec"), names)  # noqa: S102  # what the page says
    clocks: list[VirtualClock] = []

    def clock() -> VirtualClock:
        clocks.append(VirtualClock())
        return clocks[-1]

    names["VirtualClock"] = clock
    tests = [test for name, test in names.items() if name.startswith("test_")]
    ends: set[tuple[tuple[float, int], ...]] = set()
    for _ in range(200 if os.environ.get("ANYSERIAL_STRESS") == "full" else 3):
        clocks.clear()
        for test in tests:
            test(*(tmp_path,) * test.__code__.co_argcount)
        ends.add(tuple((clock.now, clock.jumps) for clock in clocks))
    (end,) = ends
    assert len(end) == 4
    # The ten-second exchange takes milliseconds because the clock seldom jumps: twice for each request, and
    # once for each received byte.
    assert end[0][1] < 70
