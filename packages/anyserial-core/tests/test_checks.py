"""Arguments of calls: refused by name, value and what is accepted, in one form."""

import array
import math
from collections.abc import Callable
from typing import Any

import pytest
from anyserial._checks import (
    as_bytes,
    as_writable,
    check_bytes,
    check_config,
    check_flag,
    check_integer,
    check_positive,
    check_seconds,
    check_timeout,
    limited,
    refusal,
)
from anyserial.config import SerialConfig
from hypothesis import given
from hypothesis import strategies as st

HUGE = 10**400  # no float can hold it

# A call, the error, and what the message says is accepted.
REFUSED: list[tuple[Callable[[Any], object], Any, type[Exception], str]] = [
    *(
        (lambda value: check_flag("x", value), value, TypeError, "x must be True or False")
        for value in (0, 1, None, "on", 1.0)
    ),
    *(
        (lambda value: check_positive("x", value), value, error, "x must be an integer, 1 or more")
        for value, error in ((0, ValueError), (-1, ValueError), (1.0, TypeError), (True, TypeError), ("1", TypeError))
    ),
    *(
        (lambda value: check_integer("x", value, 2, 5), value, error, "x must be an integer from 2 to 5")
        for value, error in ((1, ValueError), (6, ValueError), (-HUGE, ValueError), (3.0, TypeError), (None, TypeError))
    ),
    *(
        (
            lambda value: check_integer("x", value, 1, also=", or None"),
            value,
            error,
            "x must be an integer, 1 or more, or None",
        )
        for value, error in ((0, ValueError), (False, TypeError))
    ),
    *(
        (lambda value: check_seconds("x", value), value, error, "x must be a finite number of seconds, 0 or more")
        for value, error in (
            (-1, ValueError),
            (-0.001, ValueError),
            (math.nan, ValueError),
            (math.inf, ValueError),
            (HUGE, ValueError),
            (-HUGE, ValueError),
            ("1", TypeError),
            (None, TypeError),
            (True, TypeError),
            (1j, TypeError),
        )
    ),
    *(
        (
            lambda value: check_seconds("x", value, zero=False),
            value,
            error,
            "x must be a finite number of seconds above 0",
        )
        for value, error in ((0, ValueError), (-0.0, ValueError), (HUGE, ValueError), (b"1", TypeError))
    ),
    *(
        (lambda value: check_seconds("x", value, high=2.5), value, error, "x must be a number of seconds from 0 to 2.5")
        for value, error in ((2.6, ValueError), (HUGE, ValueError), (-1, ValueError), ("1", TypeError))
    ),
    *(
        (
            check_timeout,
            value,
            error,
            "timeout must be a number of seconds, 0 or more, or None to wait without limit",
        )
        for value, error in (
            (-1, ValueError),
            (-0.001, ValueError),
            (-math.inf, ValueError),
            (-HUGE, ValueError),
            (math.nan, ValueError),
            (True, TypeError),
            (False, TypeError),
            ("1", TypeError),
            (1j, TypeError),
        )
    ),
    *(
        (lambda value: check_bytes("x", value), value, error, "x must be bytes, at least one")
        for value, error in ((b"", ValueError), (bytearray(), ValueError), ("\n", TypeError), (10, TypeError))
    ),
    *(
        (as_bytes, value, TypeError, "data must be bytes or another buffer")
        for value in ("text", "", None, 5, [1, 2], [])
    ),
    *(
        (as_writable, value, error, "buffer must be a writable, contiguous buffer of at least one byte")
        for value, error in (
            (b"abc", TypeError),
            (None, TypeError),
            ("text", TypeError),
            (8, TypeError),
            (memoryview(bytearray(8))[::2], TypeError),
            (bytearray(), ValueError),
        )
    ),
    *(
        (check_config, value, TypeError, "config must be a SerialConfig")
        for value in (None, "9600", SerialConfig, 9600.0, b"9600")
    ),
]


@pytest.mark.parametrize(("check", "value", "error", "accepted"), REFUSED)
def test_a_wrong_argument_is_refused_in_one_form(
    check: Callable[[Any], object], value: Any, error: type[Exception], accepted: str
) -> None:
    with pytest.raises(error) as caught:
        check(value)
    assert type(caught.value) is error
    assert str(caught.value).removesuffix("; encode text first") == f"{accepted} (got {value!r})"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_text_gets_a_hint() -> None:
    with pytest.raises(TypeError, match=r"\(got 'text'\); encode text first$"):
        as_bytes("text", "item")


@pytest.mark.parametrize("value", [True, False])
def test_a_flag_is_taken(value: bool) -> None:
    assert check_flag("on", value) is value


@pytest.mark.parametrize("value", [1, 2**40])
def test_a_count_is_taken(value: int) -> None:
    check_positive("count", value)
    assert check_integer("count", value, 1) == value


def test_bounds_are_inclusive() -> None:
    assert [check_integer("count", value, 2, 3) for value in (2, 3)] == [2, 3]
    assert check_seconds("delay", 2.5, high=2.5) == 2.5


@pytest.mark.parametrize(("value", "zero"), [(0, True), (0.0, True), (1, True), (0.5, False), (1e9, False)])
def test_seconds_are_taken_as_a_float(value: float, zero: bool) -> None:
    seconds = check_seconds("delay", value, zero=zero)
    assert (type(seconds), seconds) == (float, value)


@pytest.mark.parametrize("value", [None, 0, 0.0, -0.0, 0.5, 3600, 1e300, math.inf, HUGE])
def test_a_timeout_is_taken(value: float | None) -> None:
    check_timeout(value)


@pytest.mark.parametrize("value", [None, math.inf, HUGE, 1e300, 1e10])
def test_what_no_clock_can_take_is_without_limit(value: float | None) -> None:
    assert limited(value) is None


@pytest.mark.parametrize("value", [0, 0.5, 3600, 86400 * 365 * 99])
def test_any_other_timeout_is_a_float(value: float) -> None:
    seconds = limited(value)
    assert (type(seconds), seconds) == (float, value)


@given(st.none() | st.integers() | st.floats() | st.booleans() | st.text() | st.complex_numbers())
def test_a_timeout_is_refused_or_has_a_limit_that_a_clock_can_take(value: Any) -> None:
    try:
        check_timeout(value)
    except (TypeError, ValueError) as exc:
        assert str(exc).startswith("timeout must be ")  # noqa: PT017  # both ends are right
        return
    seconds = limited(value)
    if seconds is None:
        assert value is None or value > 3e9
    else:
        assert seconds == value
        int((seconds + 1e9) * 1e9).to_bytes(8, signed=True)  # nanoseconds, as Python's locks count them


@given(st.integers() | st.floats() | st.booleans() | st.text() | st.just(HUGE))
def test_seconds_are_refused_by_name_or_finite(value: Any) -> None:
    try:
        seconds = check_seconds("delay", value)
    except (TypeError, ValueError) as exc:
        assert str(exc).startswith("delay must be ")  # noqa: PT017  # both ends are right
        return
    assert math.isfinite(seconds)
    assert seconds == float(value) >= 0


def test_an_integer_that_cannot_even_be_printed() -> None:
    endless = 10**5000
    check_timeout(endless)
    assert limited(endless) is None
    with pytest.raises(ValueError, match=r"^delay must be .*\(got an integer of very many digits\)"):
        check_seconds("delay", endless)


def test_a_message_stays_short_and_is_made_of_any_value() -> None:
    assert len(refusal("data", "bytes", "x" * 10**6)) < 1100
    assert refusal("x", "small", 10**5000) == "x must be small (got an integer of very many digits)"


def test_buffers_are_taken_byte_by_byte() -> None:
    numbers = array.array("H", [0x4142, 0x4344])
    view = as_writable(numbers)
    assert (view.format, len(view)) == ("B", 4)
    view[:2] = b"ab"
    assert numbers.tobytes() == b"ab" + array.array("H", [0x4344]).tobytes()
    assert bytes(as_bytes(memoryview(b"b.y.t.e.s.")[::2])) == b"bytes"
    assert bytes(as_bytes(array.array("H"))) == b""
    check_bytes("delimiter", bytearray(b"\n"))


def test_only_a_configuration_is_one() -> None:
    check_config(SerialConfig())
