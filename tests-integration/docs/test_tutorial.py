"""The tutorial's suite is deterministic, and catches each bug that the page says it catches."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

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
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", "-rf", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDEVMODE": "0"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    failed = set(re.findall(r"^FAILED (\w+)\.py::(\w+)", done.stdout, re.MULTILINE))
    wanted = {(f"test_wrong_{number}", test) for number, (_, _, test) in enumerate(BUGS)}
    assert failed == wanted, done.stdout


def test_every_run_takes_the_same_time() -> None:
    names: dict[str, Any] = {"__name__": "test_supply"}
    exec(compile(_suite(), PAGE, "exec"), names)  # noqa: S102  # what the page says
    took: set[float] = set()

    def ramp(supply: Any) -> Any:
        return supply.ramp(5.0, seconds=10.0)

    for _ in range(20 if os.environ.get("ANYSERIAL_STRESS") == "full" else 5):
        device = names["simulated_supply"]()
        took.add(names["run"](ramp, device))
        assert device.state.volts == 5.0
    assert len(took) == 1
