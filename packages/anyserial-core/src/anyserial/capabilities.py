"""What a platform, a driver and an open port can do, and the states of the modem lines.

Plain values only; the backend finds them out.
"""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyserial._attributes import SerialStreamAttribute

__all__ = (
    "Capability",
    "CommEvent",
    "ControlLines",
    "LineCounters",
    "ModemLines",
    "PortStatistics",
    "SerialCapabilities",
    "SerialStreamAttribute",
)


def __getattr__(name: str) -> Any:
    if name == "SerialStreamAttribute":  # where users of 0.2 find it
        from anyserial._attributes import SerialStreamAttribute  # noqa: PLC0415  # most of core

        return SerialStreamAttribute
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@unique
class Capability(StrEnum):
    """Whether the platform and the driver support a mechanism.

    SUPPORTED means that the platform has it, UNKNOWN that only the driver can tell
    (try the call), UNSUPPORTED that the call raises an error.
    """

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialCapabilities:
    """What one backend can do on this platform, refined on an open port where a harmless query can tell."""

    platform: str
    backend: str
    custom_baudrate: Capability
    mark_space_parity: Capability
    one_point_five_stop_bits: Capability
    xon_xoff: Capability
    rts_cts: Capability
    dtr_dsr: Capability
    modem_lines: Capability
    break_signal: Capability
    exclusive_access: Capability
    low_latency: Capability
    rs485: Capability
    input_waiting: Capability
    output_waiting: Capability
    port_discovery: Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class ModemLines:
    """The modem lines, which the other end drives; True is asserted."""

    cts: bool
    dsr: bool
    ri: bool
    cd: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlLines:
    """The control lines, which this end drives; True is asserted."""

    rts: bool
    dtr: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommEvent:
    """What changed on the line since the last look, as flags."""

    cts_changed: bool = False
    dsr_changed: bool = False
    rlsd_changed: bool = False
    ring: bool = False
    error: bool = False
    break_received: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCounters:
    """The driver's totals since it was bound to the port (Linux TIOCGICOUNT, ``struct serial_icounter_struct``).

    The modem-line fields count changes, the others count characters or events. Not every
    driver counts all of them: see the table of drivers on the page about hardware.
    """

    cts: int
    dsr: int
    ri: int
    cd: int
    rx: int
    tx: int
    frame: int
    overrun: int
    parity: int
    brk: int
    buf_overrun: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PortStatistics:
    """How many bytes one open port has sent and received until now.

    Attributes:
        bytes_sent: Bytes that the kernel accepted, also in a cancelled send.
        bytes_received: Bytes that were returned to callers.
    """

    bytes_sent: int
    bytes_received: int
