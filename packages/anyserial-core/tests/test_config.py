"""What a configuration takes, what it refuses by name, and that nothing else exists."""

import copy
import dataclasses
import inspect
import math
import pickle
import pydoc
import subprocess
import sys
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, TypeAliasType, Union, get_args, get_origin, get_type_hints

import anyserial
import pytest
from anyserial._value import Value
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

OPTIONAL_FLAGS = ("dtr_on_open", "rts_on_open", "hangup_on_close")
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
    *((name, value, value) for name in ("exclusive", "low_latency") for value in (True, False)),
    ("read_chunk_size", 64, 64),
    ("read_chunk_size", 2**24, 2**24),
    ("rs485", None, None),
    ("rs485", RS485Config(), RS485Config()),
    *(("unsupported_policy", spelling, policy) for policy in UnsupportedPolicy for spelling in (policy, policy.value)),
    *(("line_errors", spelling, what) for what in LineErrors for spelling in (what, what.value)),
    *((name, value, value) for name in OPTIONAL_FLAGS for value in (None, True, False)),
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
    *((name, value) for name in ("exclusive", "low_latency") for value in NOT_FLAGS),
    *(("read_chunk_size", value) for value in (63, 2**24 + 1, 0, -64, 64.0, "64", None, True)),
    *(("rs485", value) for value in (True, False, 0, "on", RS485Config)),
    *(("unsupported_policy", value) for value in ("", "RAISE", "throw", None, True, 1)),
    *(("line_errors", value) for value in ("", "drop", None, True, 0)),
    *((name, value) for name in OPTIONAL_FLAGS for value in (0, 1, "on", 1.0)),
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


RECORDS: tuple[Any, ...] = (SerialConfig, FlowControl, RS485Config)
FIELDS = [(cls, name) for cls in RECORDS for name in cls.__rows__]


@pytest.mark.parametrize(("cls", "name"), FIELDS)
def test_a_row_is_whole(cls: Any, name: str) -> None:
    default, check, doc, _ = cls.__rows__[name]
    assert check(name, default) == default
    assert type(check(name, default)) is type(default)
    assert getattr(cls(), name) is default
    assert doc.endswith(".")
    assert "\n" not in doc


@pytest.mark.parametrize("cls", RECORDS)
def test_everything_that_tools_look_at_is_made_of_the_rows(cls: Any) -> None:
    types = get_type_hints(cls)
    defaults = {name: row[0] for name, row in cls.__rows__.items()}
    assert list(defaults) == list(types) == list(cls.__slots__)
    default = cls()
    for fields in (dataclasses.fields(cls), dataclasses.fields(default)):
        assert [(field.name, field.type, field.default) for field in fields] == [
            (name, types[name], value) for name, value in defaults.items()
        ]
    parameters = inspect.signature(cls).parameters.values()
    assert [(each.name, each.kind, each.default, each.annotation) for each in parameters] == [
        (name, inspect.Parameter.KEYWORD_ONLY, value, types[name]) for name, value in defaults.items()
    ]
    assert [dataclasses.is_dataclass(thing) for thing in (cls, default)] == [True, True]


@pytest.mark.parametrize("cls", RECORDS)
def test_the_docstring_has_a_line_for_each_field(cls: Any) -> None:
    lines = inspect.cleandoc(cls.__doc__).splitlines()
    attributes = lines[lines.index("Attributes:") + 1 : lines.index("Raises:") - 1]
    assert attributes == [f"    {name}: {doc}" for name, (_, _, doc, _) in cls.__rows__.items()]
    assert lines[0].endswith(".")
    assert lines[1] == ""
    assert attributes[0] in pydoc.plain(pydoc.render_doc(cls)).replace(" |", "")
    assert not cls().__doc__.startswith("Attributes")


def test_the_docstring_is_there_without_docstrings() -> None:
    code = "from anyserial import FlowControl; print(FlowControl.__doc__)"
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("FlowControl\n\nAttributes:\n    xon_xoff: Software")


def test_the_typed_keywords_are_the_fields_and_take_what_they_hold() -> None:
    accepted, held = get_type_hints(SerialConfigFields), get_type_hints(SerialConfig)
    assert list(accepted) == list(held)
    for name, kind in held.items():
        assert _members(kind) <= _members(accepted[name]), name


def _members(kind: Any) -> set[Any]:
    if isinstance(kind, TypeAliasType):
        return _members(kind.__value__)
    return {part for each in get_args(kind) for part in _members(each)} if _is_union(kind) else {kind}


def _is_union(kind: Any) -> bool:
    return isinstance(kind, type(int | None)) or get_origin(kind) is Union


@pytest.mark.parametrize(
    "enum",
    [ByteSize, Parity, StopBits, UnsupportedPolicy, LineErrors],
)
def test_the_enums_are_strings(enum: type[StrEnum]) -> None:
    for member in enum:
        assert str(member) == member.value == member.value.lower()


@pytest.mark.parametrize("enum", [ByteSize, Parity, StopBits, UnsupportedPolicy, LineErrors])
def test_no_two_members_share_a_value(enum: type[StrEnum]) -> None:
    assert len(enum.__members__) == len(list(enum))


NUMBERS = [(ByteSize(str(number)), number) for number in (5, 6, 7, 8)]
NUMBERS_AND_HALVES: list[tuple[ByteSize | StopBits, float]] = [
    *NUMBERS,
    (StopBits.ONE, 1),
    (StopBits.ONE_POINT_FIVE, 1.5),
    (StopBits.TWO, 2),
]


@pytest.mark.parametrize(("member", "number"), NUMBERS_AND_HALVES)
def test_a_number_s_member_equals_the_number_and_the_string(member: ByteSize | StopBits, number: float) -> None:
    for same in (number, float(number), Fraction(number), Decimal(str(number)), member, member.value, str(number)):
        assert member == same
        assert same == member
        assert (member != same, same != member) == (False, False)
    for other in (number + 1, str(number + 1), None, b"8", [number], math.nan, object(), Parity.NONE):
        assert member != other
        assert other != member
        assert (member == other, other == member) == (False, False)
    assert not isinstance(member, (int, float))
    assert isinstance(member, str)


@pytest.mark.parametrize(("member", "number"), NUMBERS_AND_HALVES)
def test_sets_and_dictionaries_find_it_by_the_number(member: ByteSize | StopBits, number: float) -> None:
    assert hash(member) == hash(number) == hash(float(number))
    by_number: dict[Any, str] = {number: "x"}
    by_member: dict[Any, str] = {member: "x"}
    assert by_number[member] == by_member[number] == by_member[member] == "x"
    assert {member, number} == {number} == {member}
    # Strings have another hash: a table of them is asked with the plain string.
    assert {str(number): "x"}[member.value] == "x"


def test_the_members_of_two_enums_differ_though_both_are_numbers() -> None:
    values = {*ByteSize, *StopBits}
    assert len(values) == 7
    config = SerialConfig(byte_size=8, stop_bits=1)
    assert config.byte_size == 8
    assert config.stop_bits == 1
    assert config.byte_size != config.stop_bits


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
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(value, name)
    assert not hasattr(value, "__dict__")
    assert copy.replace(value) == dataclasses.replace(value) == value


def test_a_copy_with_changes_is_checked() -> None:
    flow = FlowControl(rts_cts=True)
    for changed in (copy.replace(flow, xon_xoff=True), dataclasses.replace(flow, xon_xoff=True)):
        assert changed == FlowControl(xon_xoff=True, rts_cts=True)
    with pytest.raises(ConfigurationError, match="xon_xoff"):
        copy.replace(flow, xon_xoff=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_settings_are_keyword_only() -> None:
    for cls in RECORDS:
        first = next(iter(cls.__rows__))
        with pytest.raises(TypeError, match=rf"no positional arguments.*as in {cls.__name__}\({first}=True\)$"):
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


HINTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    *(
        ({"flow_control": word}, ConfigurationError, f"; write FlowControl({field}=True)")
        for word, field in (
            ("rtscts", "rts_cts"),
            ("RTS/CTS", "rts_cts"),
            ("rts_cts", "rts_cts"),
            ("hardware", "rts_cts"),
            ("XON/XOFF", "xon_xoff"),
            ("xonxoff", "xon_xoff"),
            ("Software", "xon_xoff"),
            ("dsrdtr", "dtr_dsr"),
            ("dtr-dsr", "dtr_dsr"),
        )
    ),
    *(({"flow_control": no}, ConfigurationError, "; write FlowControl()") for no in ("none", "None", "off", False)),
    *(
        ({"flow_control": value}, ConfigurationError, "; write FlowControl(rts_cts=True), for example")
        for value in (True, 1, 0, "", "x", {"rts_cts": True}, FlowControl)
    ),
    ({"rs485": True}, ConfigurationError, "must be an RS485Config or None (got True); write RS485Config()"),
    (
        {"rs485": False},
        ConfigurationError,
        "(got False); write None, or RS485Config(enabled=False) to switch the mode off",
    ),
    ({"bytesize": 8}, TypeError, "has no field 'bytesize'; write byte_size. Its fields are baudrate, "),
    ({"stopbits": 1}, TypeError, "; write stop_bits. "),
    ({"baud_rate": 9600}, TypeError, "; write baudrate. "),
    ({"baud": 9600}, TypeError, "; write baudrate. "),
    ({"rtscts": True}, TypeError, "; write flow_control=FlowControl(rts_cts=True). "),
    ({"xonxoff": True}, TypeError, "; write flow_control=FlowControl(xon_xoff=True). "),
    ({"rts_cts": True}, TypeError, "; write flow_control=FlowControl(rts_cts=True). "),
    ({"dsrdtr": False}, TypeError, "; write flow_control=FlowControl(dtr_dsr=True). "),
    ({"colour": 1}, TypeError, "SerialConfig has no field 'colour'; its fields are baudrate, "),
]


@pytest.mark.parametrize(("fields", "error", "hint"), HINTS)
def test_the_words_of_other_libraries_get_a_hint(fields: dict[str, Any], error: type[Exception], hint: str) -> None:
    with pytest.raises(error) as caught:
        SerialConfig(**fields)
    assert hint in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        SerialConfig().with_changes(**fields)
    assert hint in str(caught.value)


def test_a_field_of_flow_control_gets_a_hint() -> None:
    with pytest.raises(TypeError, match=r"FlowControl has no field 'rtscts'; write rts_cts\. Its fields are xon_xoff"):
        FlowControl(rtscts=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_a_mistake_shows_one_frame_of_ours() -> None:
    with pytest.raises(ConfigurationError) as caught:
        SerialConfig(parity="X")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert len(caught.traceback) == 2
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


SHOWN: list[tuple[Any, str, str | None]] = [
    (SerialConfig(), "115200 8N1", "SerialConfig()"),
    (
        SerialConfig(baudrate=9600, byte_size=7, parity="E", flow_control=FlowControl(rts_cts=True)),
        "9600 7E1 rtscts",
        "SerialConfig(baudrate=9600, byte_size=7, parity='even', flow_control=FlowControl(rts_cts=True))",
    ),
    (
        SerialConfig(byte_size=5, parity="mark", stop_bits=1.5, exclusive=True, low_latency=True),
        "115200 5M1.5 exclusive low_latency",
        "SerialConfig(byte_size=5, parity='mark', stop_bits=1.5, exclusive=True, low_latency=True)",
    ),
    (
        SerialConfig(dtr_on_open=False, rts_on_open=True, line_errors="raise"),
        "115200 8N1 dtr_on_open=False rts_on_open line_errors=raise",
        "SerialConfig(dtr_on_open=False, rts_on_open=True, line_errors='raise')",
    ),
    # What does not concern the line is in the long form only.
    (
        SerialConfig(hangup_on_close=False, read_chunk_size=4096, unsupported_policy="warn"),
        "115200 8N1",
        "SerialConfig(hangup_on_close=False, read_chunk_size=4096, unsupported_policy='warn')",
    ),
    (
        SerialConfig(close_timeout=0, discard_input_on_open=True),
        "115200 8N1",
        "SerialConfig(close_timeout=0.0, discard_input_on_open=True)",
    ),
    (SerialConfig(rs485=RS485Config()), "115200 8N1 rs485", "SerialConfig(rs485=RS485Config())"),
    (
        SerialConfig(rs485=RS485Config(rts_on_send=False, delay_before_send=0.001)),
        "115200 8N1 rs485 rts_on_send=False delay_before_send=0.001",
        "SerialConfig(rs485=RS485Config(rts_on_send=False, delay_before_send=0.001))",
    ),
    (FlowControl(), "none", "FlowControl()"),
    (FlowControl(xon_xoff=True, dtr_dsr=True), "xonxoff dtrdsr", "FlowControl(xon_xoff=True, dtr_dsr=True)"),
    (RS485Config(), "rs485", "RS485Config()"),
    (RS485Config(enabled=False, rx_during_tx=True), "rs485 enabled=False rx_during_tx", None),
]


@pytest.mark.parametrize(("value", "short", "long"), SHOWN)
def test_a_setting_is_shown_by_what_differs(value: Any, short: str, long: str | None) -> None:
    assert str(value) == f"{value}" == short
    if long is not None:
        assert repr(value) == long
    assert evaluated(repr(value)) == value


def evaluated(text: str) -> Any:
    return eval(text, vars(anyserial) | {cls.__name__: cls for cls in RECORDS})  # noqa: S307


class Changed(SerialConfig):
    """A configuration of a user's own class."""


class Slow(SerialConfig):
    def __init__(self, *, baudrate: int = 300) -> None:
        super().__init__(baudrate=baudrate)


def test_a_subclass_stays_one() -> None:
    config = Changed(baudrate=9600)
    assert type(config.with_changes(baudrate=4800)) is Changed
    assert repr(config) == "Changed(baudrate=9600)"
    assert str(config) == "9600 8N1"
    assert config != SerialConfig(baudrate=9600)
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301
    assert dataclasses.asdict(config) == dataclasses.asdict(SerialConfig(baudrate=9600))
    assert Changed.__doc__ == "A configuration of a user's own class."
    assert inspect.signature(Changed) == inspect.signature(SerialConfig)


def test_a_subclass_with_a_constructor_of_its_own() -> None:
    assert str(Slow()) == "300 8N1"
    assert list(inspect.signature(Slow).parameters) == ["baudrate"]
    # Its defaults are its own affair, so that everything is shown.
    assert repr(Slow()).startswith("Slow(baudrate=300, byte_size=8, parity='none', stop_bits=1, flow_control=")
    assert Slow.__doc__ is None


def test_a_record_without_rows_is_only_a_base() -> None:
    assert Value.__doc__ == "An immutable record: compared, hashed, printed and pickled by its fields."
    assert dict(Value.__rows__) == {}


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


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "baudrate": st.integers(1, 2**32 - 1),
            "byte_size": st.sampled_from(ByteSize),
            "parity": st.sampled_from(Parity),
            "stop_bits": st.sampled_from(StopBits),
            "flow_control": st.builds(FlowControl, xon_xoff=st.booleans(), rts_cts=st.booleans()),
            "exclusive": st.booleans(),
            "rs485": st.none() | st.builds(RS485Config, enabled=st.booleans(), delay_after_send=st.floats(0, 1)),
            "line_errors": st.sampled_from(LineErrors),
            "unsupported_policy": st.sampled_from(UnsupportedPolicy),
            "dtr_on_open": st.none() | st.booleans(),
            "close_timeout": st.floats(0, allow_nan=False, allow_infinity=False),
        },
    )
)
def test_the_long_form_evaluates_back_and_shows_only_what_differs(fields: dict[str, Any]) -> None:
    config = SerialConfig(**fields)
    assert evaluated(repr(config)) == config
    default = SerialConfig()
    for name in dataclasses.asdict(config):
        assert (f"{name}=" in repr(config)) is (getattr(config, name) != getattr(default, name))
    assert str(config).startswith(f"{config.baudrate} {config.byte_size}")


@given(st.integers(1, 2**32 - 1), st.sampled_from([5, 6, 7, 8]), st.sampled_from("NOEMS"), st.sampled_from([1, 1.5, 2]))
def test_every_frame_survives_pickling(baudrate: int, size: Any, parity: Any, stop_bits: Any) -> None:
    config = SerialConfig(baudrate=baudrate, byte_size=size, parity=parity, stop_bits=stop_bits)
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301


def test_a_member_is_found_by_its_number() -> None:
    size: Any = ByteSize  # whose strings alone the type checkers know
    stop: Any = StopBits
    assert [size(number) for number in (5, 6, 7, 8)] == [*ByteSize]
    assert (size(8.0), stop(1), stop(1.5), stop(2.0)) == (ByteSize.EIGHT, *StopBits)
    for cls, wrong in ((size, 9), (size, 7.5), (size, True), (size, None), (stop, True)):
        with pytest.raises(ValueError, match="is not a valid"):
            cls(wrong)
