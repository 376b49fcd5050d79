import copy
import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
from anyserial.exceptions import ConfigurationError
from anyserial_testing import FaultPlan


@pytest.mark.parametrize("counter", ["eagain_reads", "eagain_writes", "eintr_reads", "eintr_writes", "parity_errors"])
@pytest.mark.parametrize("value", [-1, 1.0, True, "1", None])
def test_counter_is_refused_by_name(counter: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{counter} must be an integer, 0 or more"):
        FaultPlan(**{counter: value})
    plan = FaultPlan()
    with pytest.raises(ConfigurationError, match=counter):
        setattr(plan, counter, value)
    assert plan == FaultPlan()


@pytest.mark.parametrize("flag", ["disconnected", "raise_eio_on_read"])
@pytest.mark.parametrize("value", [1, 0, None, "yes"])
def test_flag_is_refused_by_name(flag: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{flag} must be True or False"):
        FaultPlan(**{flag: value})


@pytest.mark.parametrize("value", [0, -1, True, 1.5])
def test_short_write_max_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^short_write_max must be an integer, 1 or more, or None"):
        FaultPlan(short_write_max=value)


def test_unknown_fault_is_refused_with_the_known_ones() -> None:
    plan: Any = FaultPlan()
    with pytest.raises(ConfigurationError, match="no fault 'eagain_read'; its faults are eagain_reads"):
        plan.eagain_read = 1


def test_take_runs_a_counter_down_to_zero() -> None:
    plan = FaultPlan(eagain_reads=2)
    assert [plan.take("eagain_reads") for _ in range(3)] == [True, True, False]
    assert plan.eagain_reads == 0


def test_plan_shows_its_faults_only() -> None:
    assert repr(FaultPlan(eintr_reads=3)) == (
        "FaultPlan(eagain_reads=0, eagain_writes=0, eintr_reads=3, eintr_writes=0, short_write_max=None,"
        " disconnected=False, raise_eio_on_read=False, parity_errors=0)"
    )
    assert FaultPlan(eintr_reads=3) != FaultPlan()


def test_plan_is_positional_as_published() -> None:
    assert FaultPlan(1, 2, 3, 4, 5, True, True, 6) == FaultPlan(
        eagain_reads=1,
        eagain_writes=2,
        eintr_reads=3,
        eintr_writes=4,
        short_write_max=5,
        disconnected=True,
        raise_eio_on_read=True,
        parity_errors=6,
    )


def pickled(plan: FaultPlan) -> FaultPlan:
    copied: FaultPlan = pickle.loads(pickle.dumps(plan))  # noqa: S301  # this test's own
    return copied


def replaced(plan: FaultPlan) -> FaultPlan:
    return replace(plan)


DUPLICATES: list[Callable[[FaultPlan], FaultPlan]] = [copy.copy, copy.deepcopy, pickled, replaced]


@pytest.mark.parametrize("duplicate", DUPLICATES)
def test_copy_has_the_faults_and_a_life_of_its_own(duplicate: Callable[[FaultPlan], FaultPlan]) -> None:
    plan = FaultPlan(eagain_reads=2, short_write_max=3)
    other = duplicate(plan)
    assert other == plan
    other.take("eagain_reads")
    assert (plan.eagain_reads, other.eagain_reads) == (2, 1)


def test_plan_as_a_dict_is_its_faults() -> None:
    assert asdict(FaultPlan(parity_errors=1)) == {
        "eagain_reads": 0,
        "eagain_writes": 0,
        "eintr_reads": 0,
        "eintr_writes": 0,
        "short_write_max": None,
        "disconnected": False,
        "raise_eio_on_read": False,
        "parity_errors": 1,
        "schedule": (),
        "seed": 0,
    }
