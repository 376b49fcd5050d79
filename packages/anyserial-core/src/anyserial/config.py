"""How a port is to be set: validated when built, never changed after.

Every value that `SerialConfig` accepts has one meaning and reaches the driver as it
is; everything else is refused here, by name. What only a driver can refuse is not
this module's business.
"""

import math
import operator
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Any, Literal, Self, SupportsIndex, Unpack

from anyserial._value import Value, value_class
from anyserial.exceptions import ConfigurationError

if TYPE_CHECKING:
    from anyserial._config_fields import SerialConfigFields

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
    if name == "SerialConfigFields":
        from anyserial._config_fields import SerialConfigFields  # noqa: PLC0415  # it imports this module

        return SerialConfigFields
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_MAX_BAUDRATE = 2**32 - 1  # speed_t is 32 bits wide everywhere it matters
_MIN_READ_CHUNK_SIZE = 64
_MAX_READ_CHUNK_SIZE = 2**24
_MAX_RS485_DELAY = (2**32 - 1) / 1000  # struct serial_rs485 counts milliseconds in a __u32


@unique
class ByteSize(StrEnum):
    """Data bits per character."""

    FIVE = "5"
    SIX = "6"
    SEVEN = "7"
    EIGHT = "8"


@unique
class Parity(StrEnum):
    """The parity bit: none, odd, even, or stuck at mark (1) or space (0)."""

    NONE = "none"
    ODD = "odd"
    EVEN = "even"
    MARK = "mark"
    SPACE = "space"


@unique
class StopBits(StrEnum):
    """Stop bits per character; 1.5 exists with five data bits only."""

    ONE = "1"
    ONE_POINT_FIVE = "1.5"
    TWO = "2"


@unique
class UnsupportedPolicy(StrEnum):
    """What to do with a setting that the platform or the driver does not have.

    RAISE refuses it, WARN gives a RuntimeWarning and goes on without, IGNORE goes on without.
    """

    RAISE = "raise"
    WARN = "warn"
    IGNORE = "ignore"


@unique
class LineErrors(StrEnum):
    """What to do with characters that the line damaged, and with breaks.

    IGNORE delivers whatever the driver delivers, DISCARD drops damaged characters and
    breaks, RAISE reports them as `LineError`, in their place among the data.
    """

    IGNORE = "ignore"
    DISCARD = "discard"
    RAISE = "raise"


type ByteSizeLike = ByteSize | Literal[5, 6, 7, 8, "5", "6", "7", "8"]
type ParityLike = Parity | Literal["none", "odd", "even", "mark", "space", "N", "O", "E", "M", "S"]
type StopBitsLike = StopBits | Literal[1, 2, "1", "1.5", "2"] | float
type PolicyLike = UnsupportedPolicy | Literal["raise", "warn", "ignore"]
type LineErrorsLike = LineErrors | Literal["ignore", "discard", "raise"]

_BYTE_SIZES = {spelling: size for size in ByteSize for spelling in (size.value, int(size))}
_PARITIES = {parity.value: parity for parity in Parity} | {parity.name[0].lower(): parity for parity in Parity}
_STOP_BITS = {spelling: bits for bits in StopBits for spelling in (bits.value, float(bits))}


@value_class
class FlowControl(Value):
    """Which flow controls are on; they can be combined.

    Attributes:
        xon_xoff: Software flow control, both directions (XON 0x11, XOFF 0x13).
        rts_cts: Hardware flow control on RTS and CTS.
        dtr_dsr: Hardware flow control on DTR and DSR; few platforms have it.
    """

    __slots__ = (  # noqa: RUF023  # in the order of the fields
        "xon_xoff",
        "rts_cts",
        "dtr_dsr",
    )

    xon_xoff: bool
    rts_cts: bool
    dtr_dsr: bool

    def __init__(self, *, xon_xoff: bool = False, rts_cts: bool = False, dtr_dsr: bool = False) -> None:
        object.__setattr__(self, "xon_xoff", _flag("xon_xoff", xon_xoff))
        object.__setattr__(self, "rts_cts", _flag("rts_cts", rts_cts))
        object.__setattr__(self, "dtr_dsr", _flag("dtr_dsr", dtr_dsr))

    @classmethod
    def none(cls) -> Self:
        """Return the setting without any flow control."""
        return cls()


@value_class
class RS485Config(Value):
    """The kernel's RS-485 mode (Linux ``struct serial_rs485``): RTS drives the transceiver.

    Attributes:
        enabled: Whether the mode is on.
        rts_on_send: RTS level while sending.
        rts_after_send: RTS level after sending.
        delay_before_send: Seconds between RTS and the first bit; >= 0, applied in whole milliseconds.
        delay_after_send: Seconds between the last bit and RTS; >= 0, applied in whole milliseconds.
        rx_during_tx: Whether what is sent is received too.
    """

    __slots__ = (  # noqa: RUF023  # in the order of the fields
        "enabled",
        "rts_on_send",
        "rts_after_send",
        "delay_before_send",
        "delay_after_send",
        "rx_during_tx",
    )

    enabled: bool
    rts_on_send: bool
    rts_after_send: bool
    delay_before_send: float
    delay_after_send: float
    rx_during_tx: bool

    def __init__(
        self,
        *,
        enabled: bool = True,
        rts_on_send: bool = True,
        rts_after_send: bool = False,
        delay_before_send: float = 0.0,
        delay_after_send: float = 0.0,
        rx_during_tx: bool = False,
    ) -> None:
        object.__setattr__(self, "enabled", _flag("enabled", enabled))
        object.__setattr__(self, "rts_on_send", _flag("rts_on_send", rts_on_send))
        object.__setattr__(self, "rts_after_send", _flag("rts_after_send", rts_after_send))
        object.__setattr__(
            self, "delay_before_send", _seconds("delay_before_send", delay_before_send, _MAX_RS485_DELAY)
        )
        object.__setattr__(self, "delay_after_send", _seconds("delay_after_send", delay_after_send, _MAX_RS485_DELAY))
        object.__setattr__(self, "rx_during_tx", _flag("rx_during_tx", rx_during_tx))


@value_class
class SerialConfig(Value):
    """Everything that is set on a port. Immutable, hashable, compared by value.

    Natural spellings are taken: ``byte_size=8``, ``stop_bits=1.5``, ``parity="even"`` or
    ``"E"``; the attributes always hold the enum's member.

    Attributes:
        baudrate: Bits per second, 1..4294967295. Rates that the hardware cannot make are
            found out when applied.
        byte_size: Data bits per character.
        parity: The parity bit.
        stop_bits: Stop bits per character.
        flow_control: The flow controls that are on.
        exclusive: Refuse the port to everybody else while it is open.
        hangup_on_close: Let the kernel drop DTR and RTS at the last close (HUPCL).
        low_latency: Ask the driver to hand on every byte at once; put back on close.
        read_chunk_size: Most bytes that a single read takes, 64..16777216.
        rs485: The kernel's RS-485 mode; None leaves it alone.
        unsupported_policy: What to do with an unsupported setting.
        dtr_on_open: Level of DTR set right after opening; None leaves it. The kernel
            raises both lines while it opens the tty, before anybody can ask it not to.
        rts_on_open: Level of RTS set right after opening; None leaves it.
        line_errors: What to do with damaged characters and breaks.
        close_timeout: Seconds that queued output may stand still, while the port is being closed,
            before it is discarded; >= 0, 0 discards at once.
        discard_input_on_open: Whether bytes that came before opening are thrown away.

    Raises:
        ConfigurationError: A value is not valid; the message names the field, the value
            and what is accepted.
    """

    __slots__ = (  # noqa: RUF023  # in the order of the fields
        "baudrate",
        "byte_size",
        "parity",
        "stop_bits",
        "flow_control",
        "exclusive",
        "hangup_on_close",
        "low_latency",
        "read_chunk_size",
        "rs485",
        "unsupported_policy",
        "dtr_on_open",
        "rts_on_open",
        "line_errors",
        "close_timeout",
        "discard_input_on_open",
    )

    baudrate: int
    byte_size: ByteSize
    parity: Parity
    stop_bits: StopBits
    flow_control: FlowControl
    exclusive: bool
    hangup_on_close: bool
    low_latency: bool
    read_chunk_size: int
    rs485: RS485Config | None
    unsupported_policy: UnsupportedPolicy
    dtr_on_open: bool | None
    rts_on_open: bool | None
    line_errors: LineErrors
    close_timeout: float
    discard_input_on_open: bool

    def __init__(
        self,
        *,
        baudrate: int = 115200,
        byte_size: ByteSizeLike = ByteSize.EIGHT,
        parity: ParityLike = Parity.NONE,
        stop_bits: StopBitsLike = StopBits.ONE,
        flow_control: FlowControl | None = None,
        exclusive: bool = False,
        hangup_on_close: bool = True,
        low_latency: bool = False,
        read_chunk_size: int = 65536,
        rs485: RS485Config | None = None,
        unsupported_policy: PolicyLike = UnsupportedPolicy.RAISE,
        dtr_on_open: bool | None = None,
        rts_on_open: bool | None = None,
        line_errors: LineErrorsLike = LineErrors.IGNORE,
        close_timeout: float = 1.0,
        discard_input_on_open: bool = False,
    ) -> None:
        values = {
            "baudrate": _integer("baudrate", baudrate, 1, _MAX_BAUDRATE),
            "byte_size": _byte_size(byte_size),
            "parity": _parity(parity),
            "stop_bits": _stop_bits(stop_bits),
            "flow_control": FlowControl()
            if flow_control is None
            else _instance("flow_control", flow_control, FlowControl),
            "exclusive": _flag("exclusive", exclusive),
            "hangup_on_close": _flag("hangup_on_close", hangup_on_close),
            "low_latency": _flag("low_latency", low_latency),
            "read_chunk_size": _integer("read_chunk_size", read_chunk_size, _MIN_READ_CHUNK_SIZE, _MAX_READ_CHUNK_SIZE),
            "rs485": None if rs485 is None else _instance("rs485", rs485, RS485Config),
            "unsupported_policy": _member("unsupported_policy", unsupported_policy, UnsupportedPolicy),
            "dtr_on_open": None if dtr_on_open is None else _flag("dtr_on_open", dtr_on_open),
            "rts_on_open": None if rts_on_open is None else _flag("rts_on_open", rts_on_open),
            "line_errors": _member("line_errors", line_errors, LineErrors),
            "close_timeout": _seconds("close_timeout", close_timeout),
            "discard_input_on_open": _flag("discard_input_on_open", discard_input_on_open),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def with_changes(self, **changes: "Unpack[SerialConfigFields]") -> Self:
        """Return a copy with some fields changed.

        Args:
            **changes: Fields of `SerialConfig` with their new values.

        Raises:
            ConfigurationError: A value is not valid, or there is no such field.
        """
        current: dict[str, Any] = {name: getattr(self, name) for name in self.names()}
        for name in changes:
            if name not in current:
                raise ConfigurationError(f"SerialConfig has no field {name!r}; its fields are {', '.join(current)}")
        current |= changes
        return type(self)(**current)


def _refuse(field: str, value: object, accepted: str) -> ConfigurationError:
    return ConfigurationError(f"{field} must be {accepted} (got {value!r})")


def _integer(field: str, value: object, low: int, high: int) -> int:
    # SupportsIndex takes numpy's integers along.
    number = operator.index(value) if isinstance(value, SupportsIndex) and not isinstance(value, bool) else None
    if number is None or not low <= number <= high:
        raise _refuse(field, value, f"an integer from {low} to {high}")
    return int(number)


def _flag(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _refuse(field, value, "True or False")
    return value


def _seconds(field: str, value: object, high: float = math.inf) -> float:
    accepted = "a finite number of seconds, 0 or more" if high == math.inf else f"a number of seconds from 0 to {high}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _refuse(field, value, accepted)
    try:
        seconds = float(value)
    except OverflowError:
        raise _refuse(field, value, accepted) from None
    if not math.isfinite(seconds) or not 0 <= seconds <= high:
        raise _refuse(field, value, accepted)
    return seconds


def _instance[T](field: str, value: object, cls: type[T]) -> T:
    if not isinstance(value, cls):
        raise _refuse(field, value, f"a {cls.__name__}")
    return value


def _member[E: StrEnum](field: str, value: object, enum: type[E]) -> E:
    if isinstance(value, str):
        try:
            return enum(value)
        except ValueError:
            pass
    raise _refuse(field, value, "one of " + ", ".join(repr(member.value) for member in enum))


def _byte_size(value: object) -> ByteSize:
    size = _BYTE_SIZES.get(value) if isinstance(value, (int, str)) else None
    if size is None:
        raise _refuse("byte_size", value, "5, 6, 7 or 8")
    return size


def _parity(value: object) -> Parity:
    parity = _PARITIES.get(value.lower()) if isinstance(value, str) else None
    if parity is None:
        raise _refuse(
            "parity", value, "'none', 'odd', 'even', 'mark' or 'space', or one of the letters N, O, E, M and S"
        )
    return parity


def _stop_bits(value: object) -> StopBits:
    bits = _STOP_BITS.get(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    if bits is None:
        raise _refuse("stop_bits", value, "1, 1.5 or 2")
    return bits
