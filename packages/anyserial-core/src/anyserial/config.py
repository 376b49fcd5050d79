"""How a port is set: validated when built, never changed after.

Each field of `SerialConfig`, `FlowControl` and `RS485Config` is one row in the body of its class:
name, type, default, check and documentation. `_value` makes the constructor and everything else of
these rows; `_config_fields`, which only type checkers need, and the tables in docs/ are checked
against them by the tests. Every value that a check accepts has one meaning and reaches the driver
as it is. Only a driver can refuse the rest, so that is not this module's business.
"""

import operator
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self, SupportsIndex, Unpack, override

from anyserial._checks import check_flag, check_integer, check_seconds, refusal
from anyserial._value import Value, setting
from anyserial.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._config_fields import (
        ByteSizeLike,
        LineErrorsLike,
        ParityLike,
        PolicyLike,
        SerialConfigFields,
        StopBitsLike,
    )

__all__ = (
    "ByteSize",
    "ByteSizeLike",
    "FlowControl",
    "LineErrors",
    "LineErrorsLike",
    "Parity",
    "ParityLike",
    "PolicyLike",
    "RS485Config",
    "SerialConfig",
    "SerialConfigFields",
    "StopBits",
    "StopBitsLike",
    "UnsupportedPolicy",
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        from anyserial import _config_fields  # noqa: PLC0415  # it imports this module

        return getattr(_config_fields, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _equals_number(self: StrEnum, other: object) -> bool:
    return str(self) == other if isinstance(other, str) else float(self) == other


def _hash_of_number(self: StrEnum) -> int:
    # It cannot be the hash of 8 and that of "8", though a member equals both.
    return hash(float(self))


def _of_number[E: StrEnum](cls: type[E], value: object) -> E | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return next((member for member in cls if float(member) == value), None)


class ByteSize(StrEnum):
    """Data bits per character. A member equals the number and the string, and hashes as the number."""

    FIVE = "5"
    SIX = "6"
    SEVEN = "7"
    EIGHT = "8"

    def __eq__(self, other: object) -> bool:
        """Compare with a member, a number or a string."""
        return _equals_number(self, other)

    def __ne__(self, other: object) -> bool:
        """Compare as ``==`` does, which `str` would not."""
        return not _equals_number(self, other)

    def __hash__(self) -> int:
        """Return the hash of the number."""
        return _hash_of_number(self)

    @classmethod
    @override
    def _missing_(cls, value: object) -> Self | None:
        return _of_number(cls, value)


class Parity(StrEnum):
    """The parity bit: none, odd, even, or stuck at mark (1) or space (0)."""

    NONE = "none"
    ODD = "odd"
    EVEN = "even"
    MARK = "mark"
    SPACE = "space"


class StopBits(StrEnum):
    """Stop bits per character; 1.5 exists with five data bits only.

    A member equals the number and the string, and hashes as the number.
    """

    ONE = "1"
    ONE_POINT_FIVE = "1.5"
    TWO = "2"

    def __eq__(self, other: object) -> bool:
        """Compare with a member, a number or a string."""
        return _equals_number(self, other)

    def __ne__(self, other: object) -> bool:
        """Compare as ``==`` does, which `str` would not."""
        return not _equals_number(self, other)

    def __hash__(self) -> int:
        """Return the hash of the number."""
        return _hash_of_number(self)

    @classmethod
    @override
    def _missing_(cls, value: object) -> Self | None:
        return _of_number(cls, value)


class UnsupportedPolicy(StrEnum):
    """What to do with a setting that the platform or the driver does not have.

    RAISE refuses it, WARN gives a RuntimeWarning and continues without it, IGNORE continues without it.
    """

    RAISE = "raise"
    WARN = "warn"
    IGNORE = "ignore"


class LineErrors(StrEnum):
    """What to do with characters that the line damaged, and with breaks.

    IGNORE delivers whatever the driver delivers, DISCARD drops damaged characters and
    breaks, RAISE reports them as `LineError`, in their place among the data.
    """

    IGNORE = "ignore"
    DISCARD = "discard"
    RAISE = "raise"


_MAX_BAUDRATE = 2**32 - 1  # speed_t is 32 bits wide everywhere it matters
_MAX_RS485_DELAY = (2**32 - 1) / 1000  # struct serial_rs485 counts milliseconds in a __u32


def _integer(low: int, high: int) -> "Callable[[str, object], int]":
    def check(name: str, value: object) -> int:
        # SupportsIndex takes the integers of numpy as well.
        if isinstance(value, SupportsIndex) and not isinstance(value, bool):
            value = operator.index(value)
        return check_integer(name, value, low, high)

    return check


def _delay(name: str, value: object) -> float:
    return check_seconds(name, value, high=_MAX_RS485_DELAY)


def _member[E: StrEnum](enum: type[E], accepted: str, *types: type) -> "Callable[[str, object], E]":
    def check(name: str, value: object) -> E:
        if isinstance(value, types) and not isinstance(value, bool):
            try:
                return enum(str(value).removesuffix(".0") if isinstance(value, float) else str(value))
            except ValueError:
                pass
        raise ValueError(refusal(name, accepted, value))

    return check


def _parity(name: str, value: object) -> Parity:
    if isinstance(value, str):
        word = value.lower()
        for parity in Parity:
            if word in (parity.value, parity.value[0]):
                return parity
    accepted = "'none', 'odd', 'even', 'mark' or 'space', or one of the letters N, O, E, M and S"
    raise ValueError(refusal(name, accepted, value))


def _optional_flag(name: str, value: object) -> bool | None:
    return None if value is None else check_flag(name, value)


class FlowControl(Value):
    """Which flow controls are on; they can be combined."""

    xon_xoff: bool = setting(
        False, check_flag, "Software flow control in both directions (XON 0x11, XOFF 0x13).", brief=True
    )
    rts_cts: bool = setting(False, check_flag, "Hardware flow control on RTS and CTS.", brief=True)
    dtr_dsr: bool = setting(
        False, check_flag, "Hardware flow control on DTR and DSR; few platforms have it.", brief=True
    )

    @classmethod
    def none(cls) -> Self:
        """Return the setting without any flow control."""
        return cls()

    @override
    def __str__(self) -> str:
        """Return the flow controls that are on, as in ``rtscts``, or ``none``."""
        return " ".join(word.replace("_", "") for word in self._words()) or "none"


def _flow_control(name: str, value: object) -> FlowControl:
    if value is None:
        return FlowControl()
    if isinstance(value, FlowControl):
        return value
    from anyserial._config_hints import flow_control  # noqa: PLC0415  # for errors only

    raise TypeError(refusal(name, "a FlowControl or None", value, flow_control(value)))


class RS485Config(Value):
    """The kernel's RS-485 mode (Linux ``struct serial_rs485``): RTS drives the transceiver."""

    enabled: bool = setting(True, check_flag, "Whether the mode is on.", brief=True)
    rts_on_send: bool = setting(True, check_flag, "RTS level while sending.", brief=True)
    rts_after_send: bool = setting(False, check_flag, "RTS level after sending.", brief=True)
    delay_before_send: float = setting(
        0.0,
        _delay,
        "Seconds between RTS and the first bit, 0 or more; applied in whole milliseconds.",
        brief=True,
    )
    delay_after_send: float = setting(
        0.0,
        _delay,
        "Seconds between the last bit and RTS, 0 or more; applied in whole milliseconds.",
        brief=True,
    )
    rx_during_tx: bool = setting(False, check_flag, "Whether the port receives what it sends.", brief=True)

    @override
    def __str__(self) -> str:
        """Return ``rs485`` and what differs from the defaults."""
        return " ".join(("rs485", *self._words()))


def _rs485(name: str, value: object) -> RS485Config | None:
    if value is None or isinstance(value, RS485Config):
        return value
    from anyserial._config_hints import rs485  # noqa: PLC0415  # for errors only

    raise TypeError(refusal(name, "an RS485Config or None", value, rs485(value)))


class SerialConfig(Value):
    """Everything that is set on a port. Immutable, hashable, compared by value.

    Natural spellings are accepted: ``byte_size=8``, ``stop_bits=1.5``, ``parity="even"`` or
    ``"E"``; the attributes always hold the enum's member. ``str`` gives a short form
    (``9600 7E1 rtscts``), ``repr`` the call that builds an equal one.
    """

    baudrate: int = setting(
        115200,
        _integer(1, _MAX_BAUDRATE),
        "Bits per second, an integer from 1 to 4294967295. Whether the hardware can make the rate shows"
        " only when it is applied.",
    )
    byte_size: ByteSize = setting(
        ByteSize.EIGHT, _member(ByteSize, "5, 6, 7 or 8", int, str), "Data bits per character: 5, 6, 7 or 8."
    )
    parity: Parity = setting(
        Parity.NONE,
        _parity,
        'The parity bit: `"none"`, `"odd"`, `"even"`, `"mark"`, `"space"`, or one of the letters N, O, E, M and S.',
    )
    stop_bits: StopBits = setting(
        StopBits.ONE, _member(StopBits, "1, 1.5 or 2", int, float, str), "Stop bits per character: 1, 1.5 or 2."
    )
    flow_control: FlowControl = setting(
        FlowControl(), _flow_control, "The flow controls that are on, as a `FlowControl`; None for none.", brief=True
    )
    exclusive: bool = setting(
        False, check_flag, "Keep other programs from opening the port while it is open.", brief=True
    )
    hangup_on_close: bool | None = setting(
        True,
        _optional_flag,
        "Let the kernel drop DTR and RTS at the last close (HUPCL); None keeps the tty's own setting.",
    )
    low_latency: bool = setting(
        False,
        check_flag,
        "Ask the driver to deliver every byte at once. Closing restores the earlier setting.",
        brief=True,
    )
    read_chunk_size: int = setting(
        65536, _integer(64, 2**24), "The most bytes that one read returns, an integer from 64 to 16777216."
    )
    rs485: RS485Config | None = setting(
        None, _rs485, "The kernel's RS-485 mode, as an `RS485Config`; None leaves it unchanged.", brief=True
    )
    unsupported_policy: UnsupportedPolicy = setting(
        UnsupportedPolicy.RAISE,
        _member(UnsupportedPolicy, "'raise', 'warn' or 'ignore'", str),
        'What happens to a setting that the platform or the driver lacks: `"raise"`, `"warn"` or `"ignore"`.',
    )
    dtr_on_open: bool | None = setting(
        None,
        _optional_flag,
        "Level of DTR set right after opening; None leaves it unchanged. The kernel raises DTR and RTS while it opens"
        " the tty, before any program can ask it not to.",
        brief=True,
    )
    rts_on_open: bool | None = setting(
        None, _optional_flag, "Level of RTS set right after opening; None leaves it unchanged.", brief=True
    )
    line_errors: LineErrors = setting(
        LineErrors.IGNORE,
        _member(LineErrors, "'ignore', 'discard' or 'raise'", str),
        'What happens to damaged bytes and breaks: `"ignore"`, `"discard"` or `"raise"`.',
        brief=True,
    )
    close_timeout: float = setting(
        1.0,
        check_seconds,
        "Seconds that closing waits for output that does not move, 0 or more; 0 discards it at once.",
    )
    discard_input_on_open: bool = setting(
        False, check_flag, "Discard the bytes that arrived before the port was opened."
    )

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[SerialConfigFields]) -> None: ...

    def with_changes(self, **changes: "Unpack[SerialConfigFields]") -> Self:
        """Return a copy with some fields changed.

        Args:
            **changes: Fields of `SerialConfig` with their new values.

        Raises:
            ConfigurationError: A value is not valid, or there is no such field.
        """
        self._check_names(changes, ConfigurationError)
        replace: Any = self.__replace__  # the type checkers know one that takes only what the attributes hold
        changed: Self = replace(**changes)
        return changed

    @override
    def __str__(self) -> str:
        """Return rate and frame, and what else on the line differs from the defaults: ``9600 7E1 rtscts``."""
        frame = f"{self.baudrate} {self.byte_size.value}{self.parity.name[0]}{self.stop_bits.value}"
        return " ".join((frame, *self._words()))
