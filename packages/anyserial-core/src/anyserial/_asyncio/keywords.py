"""pySerial's keywords as the settings of a port.

pySerial's own names come first; the names of `SerialConfig` are accepted beside them. The timeouts mean nothing
to a transport, so they are checked and then ignored. Nothing is opened here.
"""

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from anyserial._checks import check_timeout, refusal
from anyserial.config import FlowControl, LineErrors, SerialConfig
from anyserial.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import LineErrorsLike, ParityLike, PolicyLike, RS485Config

__all__ = ("SerialKeywords", "settings_from")

# In the order in which pySerial's constructor takes them after the port.
_POSITIONAL = (
    "baudrate",
    "bytesize",
    "parity",
    "stopbits",
    "timeout",
    "xonxoff",
    "rtscts",
    "write_timeout",
    "dsrdtr",
    "inter_byte_timeout",
    "exclusive",
)
_SPELLINGS = {
    "bytesize": "byte_size",
    "stopbits": "stop_bits",
    "writeTimeout": "write_timeout",
    "interCharTimeout": "inter_byte_timeout",
}
_TIMEOUTS = ("timeout", "write_timeout", "inter_byte_timeout")
_FLOWS = ("xonxoff", "rtscts", "dsrdtr")
# pySerial opens at 9600 and flushes the input, and does not ask what the driver has made of a setting.
_DEFAULTS: dict[str, Any] = {"baudrate": 9600, "discard_input_on_open": True, "unsupported_policy": "ignore"}


class SerialKeywords(TypedDict, total=False):
    """The keywords of `create_serial_connection` that describe the port."""

    baudrate: int | str
    bytesize: int
    parity: "ParityLike | str"
    stopbits: float
    timeout: float | None
    xonxoff: bool | int | None
    rtscts: bool | int | None
    write_timeout: float | None
    dsrdtr: bool | int | None
    inter_byte_timeout: float | None
    exclusive: bool | None
    writeTimeout: float | None
    interCharTimeout: float | None
    do_not_open: Literal[False]
    flow_control: FlowControl | Literal["hardware", "software"] | None
    hangup_on_close: bool
    low_latency: bool
    read_chunk_size: int
    rs485: "RS485Config | None"
    unsupported_policy: "PolicyLike"
    dtr_on_open: bool | None
    rts_on_open: bool | None
    line_errors: "LineErrorsLike"
    close_timeout: float
    discard_input_on_open: bool
    backend: "SerialBackend | AsyncSerialBackend | None"


def settings_from(function: str, arguments: "Sequence[Any]", keywords: "Mapping[str, Any]") -> SerialConfig:
    """Return the settings that a call describes.

    Args:
        function: What was called, for messages.
        arguments: What was given by position, in the order of pySerial's constructor after the port.
        keywords: What was given by name.

    Raises:
        TypeError: There is no such keyword, or it was given twice.
        ConfigurationError: A value is not valid.
    """
    given, words = _gather(function, arguments, keywords)
    if given.pop("do_not_open", False):
        raise ConfigurationError(refusal("do_not_open", "False", True, "a transport needs an open port"))
    for name in _TIMEOUTS:
        _checked(check_timeout, given.pop(name, None), words.get(name, name))
    flows = {name: _flag(name, given.pop(name, None)) for name in _FLOWS}
    if "flow_control" in given:
        given["flow_control"] = _combined(given["flow_control"], flows)
    else:
        given["flow_control"] = FlowControl(xon_xoff=flows["xonxoff"], rts_cts=flows["rtscts"])
    # pySerial raises the lines unless they are left to a flow control.
    given.setdefault("dtr_on_open", None if flows["dsrdtr"] else True)
    given.setdefault("rts_on_open", None if given["flow_control"].rts_cts else True)
    if given.get("exclusive", False) is None:  # pySerial's word for False
        del given["exclusive"]
    if "baudrate" in given:
        given["baudrate"] = _rate(given["baudrate"])
    try:
        config = SerialConfig(**{**_DEFAULTS, **given})
    except TypeError as exc:
        raise TypeError(str(exc).replace("SerialConfig", function, 1)) from None
    except ConfigurationError as exc:
        raise _in_the_words_of(exc, words) from None
    if config.line_errors is LineErrors.RAISE:
        accepted = "'ignore' or 'discard'"
        hint = "an asyncio protocol has no callback for them; use open_serial_port to have them reported"
        raise ConfigurationError(refusal("line_errors", accepted, "raise", hint))
    return config


def _gather(
    function: str, arguments: "Sequence[Any]", keywords: "Mapping[str, Any]"
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what was given under one name each, and the words that the caller used for those names."""
    if len(arguments) > len(_POSITIONAL):
        raise TypeError(
            f"{function}() takes at most {len(_POSITIONAL)} arguments after the URL by position"
            f" (got {len(arguments)}); give the others by name"
        )
    given: dict[str, Any] = {}
    words: dict[str, str] = {}
    for word, value in [*zip(_POSITIONAL, arguments, strict=False), *keywords.items()]:
        name = _SPELLINGS.get(word, word)
        if name in given:
            raise TypeError(f"{function}() got multiple values for argument {word!r}")
        given[name] = value
        words[name] = word
    return given, words


def _checked(check: "Callable[[Any, str], None]", value: object, name: str) -> None:
    try:
        check(value, name)
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(str(exc)) from None


def _flag(name: str, value: object) -> bool:
    # pySerial takes whatever can be true or false; a word such as "no" is a mistake all the same.
    if value is None or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise ConfigurationError(refusal(name, "True or False", value))


def _combined(value: object, flows: "dict[str, bool]") -> FlowControl:
    """Return what ``flow_control`` says, which must not contradict ``xonxoff`` and ``rtscts``."""
    if isinstance(value, FlowControl):
        flow = value
    elif value is None or value in ("software", "hardware"):
        flow = FlowControl(xon_xoff=value == "software", rts_cts=value == "hardware")
    else:
        accepted = "'hardware' (RTS/CTS), 'software' (XON/XOFF), None or a FlowControl"
        raise ConfigurationError(refusal("flow_control", accepted, value))
    for name, is_on in (("xonxoff", flow.xon_xoff), ("rtscts", flow.rts_cts)):
        if flows[name] and not is_on:
            raise ConfigurationError(f"{name}=True and flow_control={value!r} contradict each other: give one of them")
    return flow


def _rate(value: Any) -> Any:
    """Return the rate as pySerial reads it: text of digits, and floats without a fraction, are numbers."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _in_the_words_of(error: ConfigurationError, words: "dict[str, str]") -> ConfigurationError:
    """Return *error* with the name that the caller has used."""
    text = str(error)
    name, space, rest = text.partition(" ")
    return ConfigurationError(f"{words.get(name, name)}{space}{rest}")
