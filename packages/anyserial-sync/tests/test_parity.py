"""The blocking port has every method of the async one, under the same name and with the same parameters."""

import inspect
import subprocess
import sys
from typing import Any

import anyserial.stream
import anyserial.sync
import pytest

ASYNC = anyserial.stream.SerialPort
SYNC = anyserial.sync.SerialPort
EXEMPT = {"aclose", "open"}
ITERATORS = {"modem_changes"}
COROUTINES = sorted(
    name
    for name, member in inspect.getmembers(ASYNC)
    if not name.startswith("_") and (inspect.iscoroutinefunction(member) or name in ITERATORS) and name not in EXEMPT
)
PLAIN = sorted(
    name for name, _ in inspect.getmembers(ASYNC) if not name.startswith("_") and name not in {*COROUTINES, *EXEMPT}
)


def test_there_is_something_to_compare() -> None:
    assert {"receive", "send", "configure", "drain_exact", "modem_changes", "line_counters"} <= set(COROUTINES)
    assert {"path", "is_open", "input_waiting", "statistics", "extra"} <= set(PLAIN)


def _kinds(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", COROUTINES)
def test_every_coroutine_has_a_blocking_twin(name: str) -> None:
    twin = getattr(SYNC, name)
    assert not inspect.iscoroutinefunction(twin)
    *parameters, timeout = _kinds(twin)
    assert parameters == _kinds(getattr(ASYNC, name))
    assert timeout == ("timeout", inspect.Parameter.KEYWORD_ONLY, None)
    annotation = inspect.signature(twin).parameters["timeout"].annotation
    assert annotation in ("float | None", float | None)


@pytest.mark.parametrize("name", COROUTINES)
def test_every_twin_is_documented(name: str) -> None:
    text = inspect.getdoc(getattr(SYNC, name)) or ""
    assert "Args:" in text
    assert "timeout:" in text
    assert "Raises:" in text
    if "As `" not in text.partition("Raises:")[2]:
        assert "TimeoutError:" in text
        assert "SerialClosedError:" in text
    for parameter in inspect.signature(getattr(SYNC, name)).parameters:
        assert parameter == "self" or f"{parameter}:" in text
    # The first sentence says the same of both.
    first = (inspect.getdoc(getattr(ASYNC, name)) or "").split("\n")[0]
    assert text.split("\n")[0] == first


@pytest.mark.parametrize("name", PLAIN)
def test_everything_else_is_there_too(name: str) -> None:
    ours, theirs = inspect.getattr_static(SYNC, name), inspect.getattr_static(ASYNC, name)
    assert type(ours) is type(theirs)


def test_the_facade_exports_what_the_part_does() -> None:
    import anyserial_sync  # noqa: PLC0415

    assert anyserial.sync.__all__ == anyserial_sync.__all__
    for name in anyserial.sync.__all__:
        assert getattr(anyserial.sync, name) is getattr(anyserial_sync, name)


def test_the_import_starts_no_thread_and_no_event_loop() -> None:
    program = """
import sys, threading, os
before = set(os.listdir("/dev/fd"))
import anyserial.sync
anyserial.sync.get_portal_provider()
assert threading.active_count() == 1, threading.enumerate()
assert set(os.listdir("/dev/fd")) == before
assert not {"asyncio.base_events", "trio", "anyio._backends._asyncio", "anyserial_posix"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
