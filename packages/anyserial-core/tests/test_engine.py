"""The engine as a table: what an operation and its runner do, and what is left to be undone."""

import gc
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from anyserial._port.engine import Call, Engine, Steps

type Action = tuple[str, Any]


def begin() -> str:
    return "begun"


def release() -> None:
    """Undo `begin`."""


def end() -> str:
    return "ended"


def _held() -> Steps[str]:
    """As a break: begun, held, ended."""
    begun = yield Call(begin, undo=release)
    yield 0.5
    ended = yield Call(end, disarms=True)
    return f"{begun}, {ended}"


def _forgiving() -> Steps[str]:
    """An operation that knows better than to fail."""
    try:
        yield Call(begin, undo=release)
    except OSError as exc:
        yield 0.1
        return f"in spite of {exc}"
    return "done"


def _nested() -> Steps[str]:
    inner = yield from _held()
    yield Call(begin, undo=release)
    return inner


def _nothing() -> Steps[str]:
    return "at once"
    yield 0.0


def _failing() -> Steps[str]:
    yield 0.1
    raise ValueError("no such level")


RESULT, ERROR, INTERRUPT = "result", "error", "interrupt"
LOST = OSError("lost")

# The operation, what its runner answers to each step, the steps that it saw, what is to be undone after each
# of its answers, and the outcome.
TABLE: dict[str, tuple[Callable[[], Steps[str]], list[Action], list[Any], list[Any], object]] = {
    "nothing to do": (_nothing, [], [], [], "at once"),
    "all of it": (
        _held,
        [(RESULT, "on"), (RESULT, None), (RESULT, "off")],
        [begin, 0.5, end],
        [release, release, None],
        "on, off",
    ),
    "the first call fails by itself": (_held, [(ERROR, LOST)], [begin], [None], LOST),
    "interrupted in the first call": (_held, [(INTERRUPT, LOST)], [begin], [release], LOST),
    "interrupted in the pause": (
        _held,
        [(RESULT, "on"), (INTERRUPT, LOST)],
        [begin, 0.5],
        [release, release],
        LOST,
    ),
    "interrupted in the last call": (
        _held,
        [(RESULT, "on"), (RESULT, None), (INTERRUPT, LOST)],
        [begin, 0.5, end],
        [release, release, release],
        LOST,
    ),
    "the last call fails": (
        _held,
        [(RESULT, "on"), (RESULT, None), (ERROR, LOST)],
        [begin, 0.5, end],
        [release, release, release],
        LOST,
    ),
    "the pause fails": (_held, [(RESULT, "on"), (ERROR, LOST)], [begin, 0.5], [release, release], LOST),
    "it knows better": (_forgiving, [(ERROR, LOST), (RESULT, None)], [begin, 0.1], [None, None], "in spite of lost"),
    "it does not know that": (_forgiving, [(ERROR, KeyError("x"))], [begin], [None], KeyError),
    "interrupted, it is not asked": (_forgiving, [(INTERRUPT, LOST)], [begin], [release], LOST),
    "interrupted twice, the first one stands": (
        _held,
        [(INTERRUPT, LOST), (INTERRUPT, OSError("later"))],
        [begin],
        [release, release],
        LOST,
    ),
    "it fails by itself": (_failing, [(RESULT, None)], [0.1], [None], ValueError),
    "armed again after it was disarmed": (
        _nested,
        [(RESULT, "on"), (RESULT, None), (RESULT, "off"), (INTERRUPT, LOST)],
        [begin, 0.5, end, begin],
        [release, release, None, release],
        LOST,
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_engine(name: str) -> None:
    operation, answers, expected_steps, expected_undos, outcome = TABLE[name]
    engine = Engine(operation())
    steps: list[Any] = []
    undos: list[Any] = []
    for how, value in answers:
        if len(steps) < len(expected_steps):
            step = engine.next()
            steps.append(step.function if isinstance(step, Call) else step)
        getattr(engine, how)(value)
        # A call arms its undoing when it is handed out, and what disarms it is its result.
        undos.append(engine.undo)
    assert engine.next() is None
    assert engine.next() is None  # and stays so
    assert (steps, undos) == (expected_steps, expected_undos)
    if isinstance(outcome, str):
        assert engine.outcome() == outcome
    else:
        caught: BaseException | None = None
        try:
            engine.outcome()
        except Exception as exc:  # noqa: BLE001  # compared
            caught = exc
        assert caught is outcome or type(caught) is outcome


def test_an_undoing_is_armed_before_its_call_is_made() -> None:
    engine = Engine(_held())
    assert engine.undo is None
    assert isinstance(engine.next(), Call)
    assert engine.undo is release


def test_an_interrupted_operation_cleans_up() -> None:
    seen: list[type[BaseException]] = []

    def operation() -> Steps[None]:
        try:
            yield 1.0
        except BaseException as exc:
            seen.append(type(exc))
            raise

    engine = Engine(operation())
    engine.next()
    engine.interrupt(LOST)
    assert seen == [GeneratorExit]
    with pytest.raises(OSError, match="lost"):
        engine.outcome()


def test_an_operation_that_is_over_cannot_be_interrupted() -> None:
    engine = Engine(_nothing())
    assert engine.next() is None
    engine.interrupt(LOST)
    assert engine.outcome() == "at once"


def test_nothing_of_an_operation_is_kept() -> None:
    """An error's traceback refers to frames, and they to the port: no cycle may keep it."""

    class Result:
        pass

    def operation() -> Steps[None]:
        yield Call(Result)
        raise ValueError("no such level")

    gc.disable()
    try:
        engine = Engine(operation())
        engine.next()
        result = Result()
        watched = weakref.ref(result)
        engine.result(result)
        del result
        assert engine.next() is None
        # What the frames of its traceback would keep.
        kept = weakref.ref(operation)
        del operation
        with suppress(ValueError):
            engine.outcome()
        assert watched() is None
        assert engine.outcome() is None  # once: it has let go of the error
        del engine
        assert kept() is None
    finally:
        gc.enable()
