"""What the fields of `SerialConfig` accept, as types; apart, because only type checkers need them.

The attributes of a configuration always hold the enum's member.
"""

from typing import Literal, TypedDict

from anyserial.config import ByteSize, FlowControl, LineErrors, Parity, RS485Config, StopBits, UnsupportedPolicy

__all__ = (
    "ByteSizeLike",
    "LineErrorsLike",
    "ParityLike",
    "PolicyLike",
    "SerialConfigFields",
    "StopBitsLike",
)

type ByteSizeLike = ByteSize | Literal[5, 6, 7, 8, "5", "6", "7", "8"]
type ParityLike = Parity | Literal["none", "odd", "even", "mark", "space", "N", "O", "E", "M", "S"]
type StopBitsLike = StopBits | Literal[1, 2, "1", "1.5", "2"] | float
type PolicyLike = UnsupportedPolicy | Literal["raise", "warn", "ignore"]
type LineErrorsLike = LineErrors | Literal["ignore", "discard", "raise"]


class SerialConfigFields(TypedDict, total=False):
    """The keywords of `SerialConfig`, for calls that pass them on."""

    baudrate: int
    byte_size: ByteSizeLike
    parity: ParityLike
    stop_bits: StopBitsLike
    flow_control: FlowControl | None
    exclusive: bool
    hangup_on_close: bool | None
    low_latency: bool
    read_chunk_size: int
    rs485: RS485Config | None
    unsupported_policy: PolicyLike
    dtr_on_open: bool | None
    rts_on_open: bool | None
    line_errors: LineErrorsLike
    close_timeout: float
    discard_input_on_open: bool
