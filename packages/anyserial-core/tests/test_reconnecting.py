"""When a device is tried again: the table, and the pauses. No waiting, no device."""

import errno
import itertools

import pytest
from anyserial import (
    ConfigurationError,
    PortBusyError,
    PortEvent,
    PortInfo,
    PortNotFoundError,
    PortPermissionError,
    SerialDisconnectedError,
    SerialError,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
    UnsupportedPlatformError,
)
from anyserial._reconnecting import plan as plan_module
from anyserial._reconnecting.plan import (
    ABSENT,
    DUE,
    FAILING,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_SETTLING,
    RESTING,
    SETTLING,
    SHORTEST_SETTLING,
    STEADY,
    TABLE,
    UP,
    Plan,
)

ADDED = PortEvent(kind="added", port=PortInfo(device="/dev/x"))
REMOVED = PortEvent(kind="removed", port=PortInfo(device="/dev/x"))
NOT_FOUND = PortNotFoundError(errno.ENOENT, "no such port", "/dev/x")
BUSY = PortBusyError(errno.EBUSY, "held by pid 1", "/dev/x")
FAILED = SerialError(errno.EIO, "a failed transfer", "/dev/x")


def made(settle: float = 5.0) -> tuple[Plan, list[str]]:
    said: list[str] = []
    return Plan(settle, said.append), said


def at(state: str) -> Plan:
    """A plan in a state, at the time 0."""
    plan, _ = made()
    match state:
        case "absent":
            plan.failed(NOT_FOUND, 0)
        case "settling":
            plan.failed(BUSY, 0)
        case "failing":
            plan.failed(FAILED, 0)
        case "up":
            plan.opened(0)
        case "resting":
            for _ in range(2):
                assert plan.patience(0) == 0
                plan.opened(0)
                plan.over(0, gone=False)
        case _:
            pass
    assert plan.state == state
    return plan


@pytest.mark.parametrize(
    ("state", "error", "then"),
    [
        (DUE, NOT_FOUND, ABSENT),
        (DUE, BUSY, SETTLING),
        (DUE, PortPermissionError(errno.EACCES, "no"), SETTLING),
        (DUE, FAILED, FAILING),
        (DUE, SerialDisconnectedError(errno.ENODEV, "went while it was opened"), FAILING),
    ],
)
def test_an_attempt_that_fails_leads_to_a_wait(state: str, error: SerialError, then: str) -> None:
    plan = at(state)
    plan.failed(error, 0)
    assert plan.state == then
    assert plan.patience(0) != 0


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("baudrate"),
        UnsupportedConfigurationError(errno.EINVAL, "no"),
        UnsupportedFeatureError(errno.ENOTTY, "no"),
        UnsupportedPlatformError(errno.ENOSYS, "no"),
        SerialError(errno.ENOTTY, "no serial port"),
        ImportError("pip install"),
        TypeError("vid"),
        TimeoutError(errno.ETIMEDOUT, "late"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_trying_again_does_not_help_is_raised_at_once(error: Exception) -> None:
    plan = at(DUE)
    with pytest.raises(type(error)) as caught:
        plan.failed(error, 0)
    assert caught.value is error
    assert plan.state == DUE  # whoever asks again gets another attempt


@pytest.mark.parametrize(
    ("state", "events", "then"),
    [
        (ABSENT, [], DUE),
        (ABSENT, [REMOVED], DUE),
        (ABSENT, [ADDED], DUE),
        (SETTLING, [], SETTLING),
        (SETTLING, [REMOVED], SETTLING),
        (SETTLING, [REMOVED, ADDED], DUE),
        (FAILING, [], FAILING),
        (FAILING, [REMOVED], FAILING),
        (FAILING, [ADDED], DUE),
        (RESTING, [], RESTING),
        (RESTING, [REMOVED], RESTING),
        (RESTING, [ADDED], DUE),
    ],
)
def test_what_ends_a_wait(state: str, events: list[PortEvent], then: str) -> None:
    plan = at(state)
    plan.heard(events)
    assert plan.state == then


def test_every_state_is_in_the_table_and_leads_only_to_states() -> None:
    assert set(TABLE) == {DUE, ABSENT, SETTLING, FAILING, RESTING, UP}
    assert {then for row in TABLE.values() for then, _ in row.values()} == set(TABLE)
    # Whatever waits can be woken by an arrival, so that no device that comes is missed.
    assert all(TABLE[state]["arrived"][0] == DUE for state in (ABSENT, SETTLING, FAILING, RESTING))


def test_an_absent_device_is_waited_for_without_a_timer() -> None:
    plan = at(ABSENT)
    assert plan.patience(1e9) is None


def test_a_device_settles_for_so_long_and_no_longer() -> None:
    plan, said = made(settle=1.0)
    now, pauses = 10.0, list[float]()
    while now < 11.0 - 1e-9:
        assert plan.patience(now) == 0
        plan.failed(BUSY, now)
        pauses.append(plan.patience(now) or 0.0)
        now += pauses[-1]
    assert plan.patience(now) == 0
    with pytest.raises(PortBusyError) as caught:
        plan.failed(BUSY, now)
    assert caught.value is BUSY
    assert now == pytest.approx(11.0)
    assert pauses[0] == pytest.approx(SHORTEST_SETTLING)
    assert max(pauses) == pytest.approx(LONGEST_SETTLING)
    assert said == ["not ready yet, trying for 1 s (held by pid 1)"]
    # A caller that goes on gets as much time again.
    plan.failed(BUSY, now)
    assert plan.state == SETTLING


def test_without_time_to_settle_it_is_raised_at_once() -> None:
    plan, _ = made(settle=0.0)
    with pytest.raises(PortBusyError):
        plan.failed(BUSY, 0)


@pytest.mark.parametrize("between", [NOT_FOUND, FAILED])
def test_the_time_to_settle_begins_again_with_the_device(between: SerialError) -> None:
    plan, _ = made(settle=1.0)
    plan.failed(BUSY, 0)
    assert plan.patience(0.9) == 0
    plan.failed(between, 0.9)
    plan.heard([ADDED])
    plan.failed(BUSY, 2)
    assert plan.state == SETTLING


def test_pauses_double_up_to_a_limit_and_shrink_after_a_steady_round() -> None:
    plan, said = made()
    now, pauses = 0.0, list[float]()
    for _ in range(9):
        assert plan.patience(now) == 0
        plan.opened(now)
        plan.over(now, gone=False)
        pauses.append(plan.patience(now) or 0.0)
        now += pauses[-1]
    assert pauses == pytest.approx([0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_PAUSE, LONGEST_PAUSE])
    assert said[:3] == ["open", "closed after 0 s", "open"]
    assert said[3] == "closed after 0 s; next attempt in 0.1 s"
    assert plan.patience(now) == 0
    plan.opened(now)
    plan.over(now + STEADY, gone=True)
    assert plan.patience(now + STEADY) == 0
    assert said[-1] == "disconnected after 5 s"


def test_failed_attempts_pause_too() -> None:
    plan, _ = made()
    now, pauses = 0.0, list[float]()
    for _ in range(8):
        assert plan.patience(now) == 0
        plan.failed(FAILED, now)
        pauses.append(plan.patience(now) or 0.0)
        now += pauses[-1]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_PAUSE, LONGEST_PAUSE])


@pytest.mark.parametrize("state", [ABSENT, SETTLING, FAILING, RESTING])
def test_a_watch_that_fails_leads_to_an_attempt_after_a_pause(state: str) -> None:
    plan = at(state)
    for count in itertools.count():
        plan.lost_sight(SerialError(errno.EMFILE, "too many open files"), 0)
        if count == 20:
            break
    left = plan.patience(0)
    assert left is not None
    assert 0 < left <= FIRST_PAUSE + 0.1  # more failures before the next attempt do not put it off
    assert plan.patience(left) == 0


def test_what_is_found_missing_again_is_said_once() -> None:
    plan, said = made()
    for _ in range(3):
        plan.failed(NOT_FOUND, 0)
        plan.heard([])
    assert said == ["not there, waiting for it (no such port)"]
    plan.opened(0)
    plan.over(0, gone=True)
    assert plan.patience(0) == 0
    plan.failed(NOT_FOUND, 0)
    assert said[-1] == said[0]


def test_nothing_in_the_plan_reads_a_clock() -> None:
    assert not {"time", "monotonic"} & set(vars(plan_module))
