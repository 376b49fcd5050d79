"""Scheduled faults: when they happen on a mock pair, and that a plan can be written down and replayed."""

import errno
from typing import Any

import anyio
import pytest
from anyserial import LineError, SerialConfig, SerialDisconnectedError, SerialError
from anyserial.exceptions import ConfigurationError, PortNotFoundError
from anyserial_testing import Fault, FaultPlan, MockBackend, serial_port_pair
from anyserial_testing._schedule import Schedule

CONFIG = SerialConfig()
RAISE = SerialConfig(line_errors="raise")


def opened(plan: FaultPlan, config: SerialConfig = CONFIG) -> tuple[MockBackend, MockBackend]:
    a, b = MockBackend.pair(faults_a=plan)
    a.open("/dev/a", config)
    b.open("/dev/b", CONFIG)
    return a, b


def read_all(backend: MockBackend, size: int = 100) -> list[bytes | str]:
    """What reads find until nothing is left: bytes, or the name of what went wrong."""
    found: list[bytes | str] = []
    for _ in range(100):
        try:
            data = backend.read(size)
        except SerialError as exc:
            found.append(type(exc).__name__)
            if isinstance(exc, SerialDisconnectedError):
                return found
            continue
        if data is None:
            if backend.is_open and not backend.input_waiting():
                return found
            found.append("none")
            continue
        decode = backend.line_decoder
        items = (data,) if decode is None else decode(data)
        found += [item if isinstance(item, bytes) else f"{item.kind} {item.byte}" for item in items]
    raise AssertionError(found)


@pytest.mark.parametrize(
    ("fault", "config", "found"),
    [
        (Fault("eagain", at_byte=3), CONFIG, [b"012", "none", b"3456789"]),
        (Fault("eagain", at_byte=0, times=2), CONFIG, ["none", "none", b"0123456789"]),
        (Fault("eintr", at_byte=4), CONFIG, [b"0123", b"456789"]),
        (Fault("eio", at_byte=5), CONFIG, [b"01234", "SerialError", b"56789"]),
        (Fault("eio", at_operation=1), CONFIG, ["SerialError", b"0123456789"]),
        (Fault("enodev", at_byte=5), CONFIG, [b"01234", "SerialDisconnectedError"]),
        (Fault("hangup", at_byte=2), CONFIG, [b"01", "SerialDisconnectedError"]),
        (Fault("short_read", at_byte=2, size=3), CONFIG, [b"01", b"234", b"56789"]),
        (Fault("parity", at_byte=2), CONFIG, [b"0133456789"]),
        (Fault("framing", at_byte=2), CONFIG, [b"01\xb23456789"]),
        (Fault("break", at_byte=2), CONFIG, [b"01\x0023456789"]),
        (Fault("overrun", at_byte=2), CONFIG, [b"013456789"]),
        (Fault("parity", at_byte=2), SerialConfig(line_errors="discard"), [b"013456789"]),
        (Fault("break", at_byte=2), SerialConfig(line_errors="discard"), [b"0123456789"]),
        (
            Fault("parity", at_byte=2, times=2),
            RAISE,
            [b"01", "parity_or_framing 51", "parity_or_framing 50", b"456789"],
        ),
        (Fault("framing", at_byte=2), RAISE, [b"01", "parity_or_framing 178", b"3456789"]),
        (Fault("break", at_byte=2), RAISE, [b"01", "break 0", b"23456789"]),
        (Fault("overrun", at_byte=2), RAISE, [b"01", "overrun None", b"3456789"]),
        (Fault("parity", at_operation=1), RAISE, ["parity_or_framing 49", b"123456789"]),
    ],
    ids=str,
)
def test_fault_of_a_read_happens_at_its_place(fault: Fault, config: SerialConfig, found: list[bytes | str]) -> None:
    a, b = opened(FaultPlan(schedule=(fault,)), config)
    try:
        b.write(b"0123456789")
        assert read_all(a) == found
        assert {item.kind for item in a.faults.fired} == {fault.kind}
    finally:
        a.close()
        b.close()


@pytest.mark.parametrize(
    ("fault", "counts"),
    [
        (Fault("short_write", at_byte=2, size=3), [2, 3, 5]),
        (Fault("short_write", at_operation=1, times=3), [1, 1, 1, 7]),
        (Fault("eagain", "write", at_byte=4), [4, None, 6]),
        (Fault("eintr", "write", at_operation=1), [10]),
        (Fault("eio", "write", at_operation=1), ["SerialError", 10]),
        (Fault("enodev", "write", at_byte=1), [1, "SerialDisconnectedError"]),
        (Fault("hangup", "write", at_byte=6), [6, "SerialDisconnectedError"]),
    ],
    ids=str,
)
def test_fault_of_a_write_happens_at_its_place(fault: Fault, counts: list[int | str | None]) -> None:
    a, b = opened(FaultPlan(schedule=(fault,)))
    left, seen = b"0123456789", list[int | str | None]()
    try:
        while left and "SerialDisconnectedError" not in seen:
            try:
                count = a.write(left)
            except SerialError as exc:
                seen.append(type(exc).__name__)
            else:
                seen.append(count)
                left = left[count or 0 :]
    finally:
        a.close()
        b.close()
    assert seen == counts


def test_break_fits_a_buffer_that_has_room_for_the_bytes_only() -> None:
    a, b = opened(FaultPlan(schedule=(Fault("break", at_byte=0),)))
    buffer = bytearray(1)
    try:
        b.write(b"7")
        assert a.read_into(memoryview(buffer)) == 1
        assert buffer == b"\0"
        assert a.read_into(memoryview(buffer)) == 1
        assert buffer == b"7"
    finally:
        a.close()
        b.close()


def test_damage_is_counted_as_a_driver_counts_it() -> None:
    kinds: list[Any] = ["parity", "framing", "framing", "break", "overrun"]
    a, b = opened(FaultPlan(schedule=tuple(Fault(kind, at_byte=at) for at, kind in enumerate(kinds))))
    try:
        b.write(b"0123456789")
        read_all(a)
        counters = a.line_counters()
    finally:
        a.close()
        b.close()
    assert (counters.parity, counters.frame, counters.brk, counters.overrun) == (1, 2, 1, 1)


def test_chance_depends_on_the_seed_and_not_on_how_bytes_are_split() -> None:
    def received(seed: int, size: int) -> bytes:
        a, b = opened(FaultPlan(schedule=(Fault("parity", probability=0.1),), seed=seed))
        try:
            b.write(bytes(500))
            return b"".join(item for item in read_all(a, size) if isinstance(item, bytes))
        finally:
            a.close()
            b.close()

    first = received(1, 100)
    assert first.count(1) in range(20, 90)
    assert first == received(1, 17)
    assert first != received(2, 100)


def test_time_is_that_of_the_clock_in_use() -> None:
    now = [100.0]
    schedule = Schedule((Fault("eio", after=5.0),), 0, lambda: now[0])
    assert schedule.before("read", 1).fault is None
    now[0] = 104.9
    assert schedule.before("read", 1).fault is None
    now[0] = 105.0
    assert schedule.before("read", 1).fault is not None
    assert schedule.before("read", 1).fault is None
    assert [(item.kind, item.operation, item.seconds) for item in schedule.fired] == [("eio", 3, 5.0)]


PLANS = [
    FaultPlan(),
    FaultPlan(eagain_reads=3, short_write_max=7, disconnected=True, seed=9),
    FaultPlan(
        seed=7,
        schedule=(
            Fault("parity", probability=0.01),
            Fault("stall", "write", at_byte=100, seconds=2.5),
            Fault("short_read", at_operation=3, size=4, times=2),
            Fault("replug", after=1.5, seconds=0.25),
            Fault("eio", probability=0.5, times=3),
        ),
    ),
]


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_plan_survives_being_written_down(plan: FaultPlan) -> None:
    assert eval(repr(plan)) == plan  # noqa: S307  # what a repr is for
    assert FaultPlan.parse(str(plan)) == plan
    assert "\n" not in str(plan)


def test_line_of_a_plan_says_what_was_given_and_what_happened() -> None:
    a, b = opened(FaultPlan(eagain_reads=1, schedule=(Fault("eio", at_byte=4),)))
    try:
        b.write(b"0123456789")
        read_all(a)
    finally:
        a.close()
        b.close()
    line = str(a.faults)
    assert line.startswith("eagain_reads=1; eio read at_byte=4  # eagain read at byte 0, operation 1, ")
    assert ", eio read at byte 4, operation 3, " in line
    assert FaultPlan.parse(line) == FaultPlan(eagain_reads=1, schedule=(Fault("eio", at_byte=4),))


def test_replay_does_again_what_chance_did() -> None:
    def run(plan: FaultPlan) -> tuple[list[bytes | str], FaultPlan]:
        a, b = opened(plan, RAISE)
        try:
            b.write(bytes(range(200)))
            return read_all(a, 10), a.faults
        finally:
            a.close()
            b.close()

    chances = (Fault("parity", probability=0.05), Fault("eio", probability=0.2), Fault("short_read", probability=0.2))
    found, plan = run(FaultPlan(eintr_reads=2, eagain_reads=1, schedule=chances, seed=3))
    assert {item.kind for item in plan.fired} == {"parity", "eio", "short_read", "eintr", "eagain"}
    again, replayed = run(FaultPlan.parse(str(plan.replay())))
    assert again == found
    where = [(item.kind, item.operation, item.byte) for item in plan.fired]
    assert [(item.kind, item.operation, item.byte) for item in replayed.fired] == where


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fault("smoke", at_byte=1), "kind must be one of eagain, eintr"),  # type: ignore[arg-type]
        (lambda: Fault("eio"), "eio needs exactly one of at_byte, at_operation, after, probability (got none)"),
        (lambda: Fault("eio", at_byte=1, after=2), "got at_byte, after"),
        (lambda: Fault("parity", "write", at_byte=1), "on must be 'read' for parity"),
        (lambda: Fault("eio", at_byte=-1), "at_byte must be an integer, 0 or more"),
        (lambda: Fault("eio", at_operation=0), "at_operation must be an integer, 1 or more"),
        (lambda: Fault("eintr", probability=1), "eintr with a probability of 1 needs times"),
        (lambda: Fault("eagain", on="write", probability=1.0), "eagain with a probability of 1 needs times"),
        (lambda: Fault("eio", probability=1.5), "probability must be above 0 and at most 1"),
        (lambda: Fault("eio", at_byte=1, size=2), "size is for short_read and short_write"),
        (lambda: Fault("eio", at_byte=1, seconds=2), "seconds is for stall and replug"),
        (lambda: Fault("eio", at_byte=1, times=0), "times must be an integer, 1 or more, or None"),
        (lambda: FaultPlan(schedule=["eio"]), "schedule must be a tuple of Fault"),  # type: ignore[arg-type]
        (lambda: FaultPlan(seed=-1), "seed must be an integer, 0 or more"),
        (lambda: FaultPlan.parse("smoke at_byte=1"), "(got 'smoke at_byte=1')"),
        (lambda: FaultPlan.parse("eio at_byte=x"), "at_byte must be a number"),
        (lambda: FaultPlan.parse("eio byte=1"), "(got 'byte=1' in 'eio byte=1')"),
    ],
)
def test_wrong_plan_is_refused_with_what_was_wrong(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert message in str(caught.value)


def test_mock_refuses_a_fault_that_it_cannot_make() -> None:
    plan = FaultPlan(schedule=(Fault("stall", at_byte=1),))
    with pytest.raises(ConfigurationError, match="a mock port cannot make a fault of kind 'stall' happen"):
        MockBackend.pair(faults_a=plan)
    a, _ = MockBackend.pair()
    with pytest.raises(ConfigurationError, match="stall"):
        a.faults.schedule = plan.schedule
    assert a.faults.schedule == ()


def test_replugged_device_can_be_opened_once_its_time_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]
    monkeypatch.setattr("anyserial_testing._faults.clock_in_use", lambda: now[0])
    a, b = opened(FaultPlan(schedule=(Fault("replug", at_byte=0, seconds=2.0),)))
    b.write(b"x")
    with pytest.raises(SerialDisconnectedError) as caught:
        a.read(1)
    assert caught.value.errno == errno.ENODEV
    a.close()
    b.close()
    now[0] = 51.9
    with pytest.raises(PortNotFoundError):
        a.open("/dev/a", CONFIG)
    now[0] = 52.0
    a.open("/dev/a", CONFIG)
    a.close()


@pytest.mark.anyio
async def test_scheduled_faults_reach_the_callers_of_a_port() -> None:
    plan = FaultPlan(schedule=(Fault("parity", at_byte=2), Fault("eio", at_byte=4), Fault("hangup", at_byte=6)))
    host, device = serial_port_pair(config_a=RAISE, faults_a=plan)
    seen: list[object] = []
    async with host, device:
        await device.send(b"abcdefgh")
        with anyio.fail_after(5):
            while "SerialDisconnectedError" not in seen:
                try:
                    seen.append(await host.receive())
                except LineError as exc:
                    seen.append(exc.byte)
                except SerialError as exc:
                    seen.append(type(exc).__name__)
    assert seen == [b"ab", ord("c") ^ 1, b"d", "SerialError", b"ef", "SerialDisconnectedError"]
