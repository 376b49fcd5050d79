"""Arguments of calls: refused by name, value and what is accepted."""

import math
from typing import Any

import pytest
from anyserial._checks import check_config, check_flag, check_positive, check_seconds
from anyserial.config import SerialConfig


@pytest.mark.parametrize("value", [True, False])
def test_a_flag_is_taken(value: bool) -> None:
    check_flag("on", value)


@pytest.mark.parametrize("value", [0, 1, None, "on"])
def test_what_is_no_flag_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=f"^on must be True or False \\(got {value!r}\\)"):
        check_flag("on", value)


@pytest.mark.parametrize("value", [1, 2**40])
def test_a_count_is_taken(value: int) -> None:
    check_positive("count", value)


@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError), (True, TypeError), ("1", TypeError)]
)
def test_what_is_no_count_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^count must be .*\(got "):
        check_positive("count", value)


@pytest.mark.parametrize(("value", "zero"), [(0, True), (0.0, True), (1, True), (0.5, False), (1e9, False)])
def test_seconds_are_taken(value: float, zero: bool) -> None:
    check_seconds("delay", value, zero=zero)


@pytest.mark.parametrize(
    ("value", "zero", "error"),
    [
        (-1, True, ValueError),
        (0, False, ValueError),
        (math.nan, True, ValueError),
        (math.inf, True, ValueError),
        ("1", True, TypeError),
        (None, True, TypeError),
        (True, True, TypeError),
    ],
)
def test_what_are_no_seconds_is_refused(value: Any, zero: bool, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^delay must be .*\(got "):
        check_seconds("delay", value, zero=zero)


def test_only_a_configuration_is_one() -> None:
    check_config(SerialConfig())
    for value in (None, "9600", SerialConfig, 9600):
        with pytest.raises(TypeError, match="config must be a SerialConfig"):
            check_config(value)
