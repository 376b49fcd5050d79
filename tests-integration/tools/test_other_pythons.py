import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import other_pythons
import pytest
from other_pythons import NotAvailableError, Prefix, side_by_side

# Stands in for pytest: "bad" fails always, "busy" unless it is run alone, "crash" is no failure of a test.
PYTEST = """
import json, sys
from pathlib import Path

remembered = [entry.partition("=")[2] for entry in sys.argv if entry.startswith("cache_dir=")]
tests = [entry for entry in sys.argv if entry in {"good", "bad", "busy", "crash"}]
failed = [test for test in tests if test == "bad" or test == "busy" and remembered]
print("ran", *tests)
if remembered and failed:
    record = Path(remembered[0], "v", "cache", "lastfailed")
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps(dict.fromkeys(failed, True)))
sys.exit(139 if "crash" in tests else 1 if failed else 0)
"""


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "stand_in.py"
    program.write_text(PYTEST)

    @contextmanager
    def python(version: str) -> Generator[Prefix]:
        scratch = tmp_path / version
        scratch.mkdir()
        yield Prefix((sys.executable, "-I", program), (), scratch)

    monkeypatch.setattr(other_pythons, "python", python)


@pytest.mark.parametrize(
    ("halves", "status"),
    [
        ((("good",), ("good",)), 0),
        ((("good",), ("busy",)), 0),
        ((("bad",), ("good",)), 1),
        ((("busy",), ("bad", "busy")), 1),
        ((("busy",), ("crash",)), 139),
    ],
)
def test_what_fails_beside_others_must_pass_alone(halves: tuple[tuple[str, ...], ...], status: int) -> None:
    assert side_by_side("3.14", halves) == status


def test_many_failures_are_not_repeated(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(other_pythons, "MOST_REPEATED", 0)
    assert side_by_side("3.14", [("busy",)]) == 1
    assert capfd.readouterr().out.count("ran busy") == 1


def _unavailable(version: str, halves: object) -> int:
    raise NotAvailableError("no network")


def _fails_on(wanted: str) -> Callable[[str, object], int]:
    return lambda version, halves: int(version == wanted)


@pytest.mark.parametrize(
    ("run", "status", "said"),
    [
        (_unavailable, 0, ["3.14 WAS NOT TRIED on this machine: no network", "3.15 WAS NOT TRIED"]),
        (_fails_on("3.14"), 1, []),
        (_fails_on("3.15"), 0, ["tests FAIL on Python 3.15"]),
    ],
)
def test_gate_stops_for_failures_alone(
    run: Callable[[str, object], int],
    status: int,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(other_pythons, "side_by_side", run)
    assert other_pythons.gate() == status
    printed = capsys.readouterr().out
    assert [message for message in said if message not in printed] == []
    assert bool(said) == ("!!!" in printed)
