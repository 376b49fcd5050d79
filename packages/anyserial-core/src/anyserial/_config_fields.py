"""The keywords of `SerialConfig` as a type; apart, for only type checkers need it."""

from typing import TypedDict

from anyserial.config import (
    ByteSizeLike,
    FlowControl,
    LineErrorsLike,
    ParityLike,
    PolicyLike,
    RS485Config,
    StopBitsLike,
)

__all__ = ("SerialConfigFields",)


class SerialConfigFields(TypedDict, total=False):
    """The keywords of `SerialConfig`, for calls that pass them on."""

    baudrate: int
    byte_size: ByteSizeLike
    parity: ParityLike
    stop_bits: StopBitsLike
    flow_control: FlowControl | None
    exclusive: bool
    hangup_on_close: bool
    low_latency: bool
    read_chunk_size: int
    rs485: RS485Config | None
    unsupported_policy: PolicyLike
    dtr_on_open: bool | None
    rts_on_open: bool | None
    line_errors: LineErrorsLike
    close_timeout: float
    discard_input_on_open: bool
