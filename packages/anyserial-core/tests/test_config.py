"""What a configuration takes, what it refuses by name, and that nothing else exists."""

import copy
import dataclasses
import math
import pickle
from enum import StrEnum
from fractions import Fraction
from typing import Any

import pytest
from anyserial.config import (
    ByteSize,
    FlowControl,
    LineErrors,
    Parity,
    RS485Config,
    SerialConfig,
    SerialConfigFields,
    StopBits,
    UnsupportedPolicy,
)
from anyserial.exceptions import ConfigurationError, SerialError
from hypothesis import given
from hypothesis import strategies as st

ACCEPTED: list[tuple[str, Any, Any]] = [
    ("baudrate", 1, 1),
    ("baudrate", 115200, 115200),
    ("baudrate", 2**32 - 1, 2**32 - 1),
    *(("byte_size", spelling, size) for size in ByteSize for spelling in (size, size.value, int(size))),
    ("parity", "none", Parity.NONE),
    ("parity", "N", Parity.NONE),
    ("parity", "n", Parity.NONE),
    ("parity", "odd", Parity.ODD),
    ("parity", "O", Parity.ODD),
    ("parity", "even", Parity.EVEN),
    ("parity", "Even", Parity.EVEN),
    ("parity", "E", Parity.EVEN),
    ("parity", "mark", Parity.MARK),
    ("parity", "M", Parity.MARK),
    ("parity", "space", Parity.SPACE),
    ("parity", "S", Parity.SPACE),
    ("parity", Parity.MARK, Parity.MARK),
    ("stop_bits", 1, StopBits.ONE),
    ("stop_bits", 1.0, StopBits.ONE),
    ("stop_bits", "1", StopBits.ONE),
    ("stop_bits", 1.5, StopBits.ONE_POINT_FIVE),
    ("stop_bits", "1.5", StopBits.ONE_POINT_FIVE),
    ("stop_bits", 2, StopBits.TWO),
    ("stop_bits", StopBits.TWO, StopBits.TWO),
    ("flow_control", None, FlowControl()),
    ("flow_control", FlowControl(rts_cts=True), FlowControl(rts_cts=True)),
    *((name, value, value) for name in ("exclusive", "hangup_on_close", "low_latency") for value in (True, False)),
    ("read_chunk_size", 64, 64),
    ("read_chunk_size", 2**24, 2**24),
    ("rs485", None, None),
    ("rs485", RS485Config(), RS485Config()),
    *(("unsupported_policy", spelling, policy) for policy in UnsupportedPolicy for spelling in (policy, policy.value)),
    *(("line_errors", spelling, what) for what in LineErrors for spelling in (what, what.value)),
    *((name, value, value) for name in ("dtr_on_open", "rts_on_open") for value in (None, True, False)),
    ("close_timeout", 0, 0.0),
    ("close_timeout", 2.5, 2.5),
    ("discard_input_on_open", True, True),
]

NOT_FLAGS = (0, 1, "yes", "", None, 1.0)
REFUSED: list[tuple[str, Any]] = [
    *(("baudrate", value) for value in (0, -1, 2**32, 9600.5, 9600.0, True, False, "9600", None, b"9600", (9600,))),
    *(("byte_size", value) for value in (4, 9, "9", "eight", 8.5, None, True, (8,), b"8", math.nan)),
    *(("parity", value) for value in ("X", "", "nones", " none", None, 0, True, b"N", ("N",))),
    *(("stop_bits", value) for value in (0, 3, 1.6, "3", "one", None, True, (1,), b"1", math.nan, math.inf)),
    *(("flow_control", value) for value in ("rts_cts", True, 0, 1.5, FlowControl)),
    *((name, value) for name in ("exclusive", "hangup_on_close", "low_latency") for value in NOT_FLAGS),
    *(("read_chunk_size", value) for value in (63, 2**24 + 1, 0, -64, 64.0, "64", None, True)),
    *(("rs485", value) for value in (True, False, 0, "on", RS485Config)),
    *(("unsupported_policy", value) for value in ("", "RAISE", "throw", None, True, 1)),
    *(("line_errors", value) for value in ("", "drop", None, True, 0)),
    *((name, value) for name in ("dtr_on_open", "rts_on_open") for value in (0, 1, "on", 1.0)),
    *(("close_timeout", value) for value in (-1, -0.001, math.nan, math.inf, "1", None, True, 1j, 10**400)),
    *(("discard_input_on_open", value) for value in NOT_FLAGS),
]
FLAGS_OF_FLOW = ("xon_xoff", "rts_cts", "dtr_dsr")
REFUSED_RS485: list[tuple[str, Any]] = [
    *((name, value) for name in ("enabled", "rts_on_send", "rts_after_send", "rx_during_tx") for value in NOT_FLAGS),
    *(
        (name, value)
        for name in ("delay_before_send", "delay_after_send")
        for value in (-0.001, math.nan, math.inf, "1", None, True, 5e6, 10**400)
    ),
]


def set_field(name: str, value: Any) -> SerialConfig:
    return SerialConfig(**{name: value})


@pytest.mark.parametrize(("name", "value", "expected"), ACCEPTED)
def test_a_natural_spelling_is_taken(name: str, value: Any, expected: Any) -> None:
    for config in (set_field(name, value), SerialConfig().with_changes(**{name: value})):
        got = getattr(config, name)
        assert got == expected
        assert type(got) is type(expected)


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_wrong_value_is_refused_by_name(name: str, value: Any) -> None:
    before = SerialConfig()

    def change(name: str, value: Any) -> SerialConfig:
        return before.with_changes(**{name: value})

    for build in (set_field, change):
        with pytest.raises(ConfigurationError) as caught:
            build(name, value)
        message = str(caught.value)
        assert message.startswith(f"{name} must be ")
        assert f"(got {value!r})" in message
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, SerialError)
    assert before == SerialConfig()


@pytest.mark.parametrize("name", FLAGS_OF_FLOW)
@pytest.mark.parametrize("value", NOT_FLAGS)
def test_flow_control_takes_flags_only(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must be True or False"):
        FlowControl(**{name: value})


@pytest.mark.parametrize(("name", "value"), REFUSED_RS485)
def test_rs485_refuses_by_name(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must be "):
        RS485Config(**{name: value})


def test_the_defaults_are_the_contract_s() -> None:
    config = SerialConfig()
    assert dataclasses.asdict(config) == {
        "baudrate": 115200,
        "byte_size": ByteSize.EIGHT,
        "parity": Parity.NONE,
        "stop_bits": StopBits.ONE,
        "flow_control": {"xon_xoff": False, "rts_cts": False, "dtr_dsr": False},
        "exclusive": False,
        "hangup_on_close": True,
        "low_latency": False,
        "read_chunk_size": 65536,
        "rs485": None,
        "unsupported_policy": UnsupportedPolicy.RAISE,
        "dtr_on_open": None,
        "rts_on_open": None,
        "line_errors": LineErrors.IGNORE,
        "close_timeout": 1.0,
        "discard_input_on_open": False,
    }
    assert dataclasses.asdict(RS485Config()) == {
        "enabled": True,
        "rts_on_send": True,
        "rts_after_send": False,
        "delay_before_send": 0.0,
        "delay_after_send": 0.0,
        "rx_during_tx": False,
    }
    assert FlowControl.none() == FlowControl()


def test_the_typed_keywords_are_the_fields() -> None:
    assert set(SerialConfigFields.__annotations__) == {field.name for field in dataclasses.fields(SerialConfig)}


@pytest.mark.parametrize(
    "enum",
    [ByteSize, Parity, StopBits, UnsupportedPolicy, LineErrors],
)
def test_the_enums_are_strings(enum: type[StrEnum]) -> None:
    for member in enum:
        assert str(member) == member.value == member.value.lower()


def test_an_integer_of_another_kind_is_an_integer() -> None:
    class Integer:
        def __index__(self) -> int:
            return 9600

    config = SerialConfig(baudrate=Integer())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert type(config.baudrate) is int
    assert config.baudrate == 9600


def test_a_number_that_is_no_integer_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^baudrate"):
        set_field("baudrate", Fraction(9600))


@pytest.mark.parametrize("value", [SerialConfig(baudrate=9600, rs485=RS485Config()), FlowControl(), RS485Config()])
def test_a_setting_is_a_value(value: Any) -> None:
    for same in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):  # noqa: S301
        assert same == value
        assert hash(same) == hash(value)
        assert type(same) is type(value)
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, 1)
    with pytest.raises((AttributeError, TypeError)):
        value.something_else = 1
    assert not hasattr(value, "__dict__")


def test_settings_are_keyword_only() -> None:
    classes: tuple[Any, ...] = (SerialConfig, FlowControl, RS485Config)
    for cls in classes:
        with pytest.raises(TypeError):
            cls(True)


def test_with_changes_changes_only_what_is_named() -> None:
    config = SerialConfig(baudrate=9600, parity="E", close_timeout=0)
    changed = config.with_changes(stop_bits=2, byte_size=7)
    assert (config.stop_bits, config.byte_size) == (StopBits.ONE, ByteSize.EIGHT)
    assert (changed.stop_bits, changed.byte_size) == (StopBits.TWO, ByteSize.SEVEN)
    assert changed.with_changes(stop_bits=1, byte_size=8) == config
    assert config.with_changes() == config


def test_the_type_checkers_take_the_same_spellings() -> None:
    config = SerialConfig(byte_size=8, stop_bits=1.5, parity="E", unsupported_policy="warn", line_errors="raise")
    config = config.with_changes(byte_size="7", stop_bits="2", parity="even").with_changes(stop_bits=1)
    fields: SerialConfigFields = {"byte_size": 7, "stop_bits": 1, "parity": "E", "unsupported_policy": "warn"}
    assert config == SerialConfig(**fields).with_changes(line_errors="raise")
    # An attribute is always the member.
    size, parity, bits, policy = config.byte_size, config.parity, config.stop_bits, config.unsupported_policy
    members: tuple[ByteSize, Parity, StopBits, UnsupportedPolicy] = size, parity, bits, policy
    assert members == (ByteSize.SEVEN, Parity.EVEN, StopBits.ONE, UnsupportedPolicy.WARN)


def test_the_type_checkers_refuse_what_is_refused() -> None:
    # An ignore that nothing needs is an error of mypy's.
    with pytest.raises(ConfigurationError, match="parity"):
        SerialConfig(parity="X")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match="byte_size"):
        SerialConfig(byte_size=9)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match="stop_bits"):
        SerialConfig(stop_bits="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match="baudrate"):
        SerialConfig(baudrate=9600.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match="parity"):
        SerialConfig().with_changes(parity="Z")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="positional"):
        SerialConfig(9600)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(dataclasses.FrozenInstanceError, match="baudrate"):
        SerialConfig().baudrate = 9600  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_an_unknown_field_is_named_with_those_that_exist() -> None:
    with pytest.raises(ConfigurationError, match=r"no field 'baud'.*baudrate.*discard_input_on_open"):
        SerialConfig().with_changes(baud=9600)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="baud"):
        set_field("baud", 9600)


class Changed(SerialConfig):
    """A configuration of a user's own class."""


def test_a_subclass_stays_one() -> None:
    assert type(Changed(baudrate=9600).with_changes(baudrate=4800)) is Changed


ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text()
    | st.binary()
    | st.lists(st.integers())
    | st.complex_numbers()
    | st.sampled_from([*Parity, *ByteSize, *StopBits, *LineErrors, *UnsupportedPolicy, FlowControl(), RS485Config()])
)


@given(st.sampled_from([field.name for field in dataclasses.fields(SerialConfig)]), ANYTHING)
def test_whatever_is_given_is_a_valid_field_or_refused_by_name(name: str, value: Any) -> None:
    try:
        config = set_field(name, value)
    except ConfigurationError as exc:
        assert str(exc).startswith(f"{name} must be ")  # noqa: PT017  # both ends are right
        return
    got: Any = getattr(config, name)
    field_types: dict[str, Any] = {
        "byte_size": ByteSize,
        "parity": Parity,
        "stop_bits": StopBits,
        "flow_control": FlowControl,
    }
    expected: type[Any] = field_types.get(name, type(getattr(SerialConfig(), name)))
    assert got is None or isinstance(got, (bool, RS485Config) if expected is type(None) else expected)
    assert set_field(name, got) == config
    assert hash(config) == hash(set_field(name, got))


@given(st.integers(1, 2**32 - 1), st.sampled_from([5, 6, 7, 8]), st.sampled_from("NOEMS"), st.sampled_from([1, 1.5, 2]))
def test_every_frame_survives_pickling(baudrate: int, size: Any, parity: Any, stop_bits: Any) -> None:
    config = SerialConfig(baudrate=baudrate, byte_size=size, parity=parity, stop_bits=stop_bits)
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301
