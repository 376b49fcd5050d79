"""Port settings as people write them: ``115200,8N1``, ``9600 7e1 rtscts``, ``parity=odd``."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyserial import SerialConfig

__all__ = ("describe", "parse_settings")

_FRAME = re.compile(r"([5-8])([noems])(1|1\.5|2)", re.IGNORECASE)
_FLOW = {
    "noflow": {},
    "none": {},
    "rtscts": {"rts_cts": True},
    "hw": {"rts_cts": True},
    "xonxoff": {"xon_xoff": True},
    "sw": {"xon_xoff": True},
    "dtrdsr": {"dtr_dsr": True},
}
_PARITIES = ("even", "odd", "mark", "space")
_RS485 = {"rs485": True, "nors485": False}
EXPECTED = (
    "a baud rate (115200), a frame (8N1), a parity (even), flow control (rtscts, xonxoff, dtrdsr, noflow)"
    " or a mode (rs485, nors485)"
)


def parse_settings(text: str) -> dict[str, Any]:
    """Return the fields of `SerialConfig` that *text* names, separated by commas or spaces.

    Raises:
        ValueError: A word is none that is known; the message says what is expected.
    """
    from anyserial import FlowControl, RS485Config  # noqa: PLC0415 - not for parsing arguments

    fields: dict[str, Any] = {}
    for word in filter(None, re.split(r"[\s,]+", text)):
        lowered = word.lower()
        if lowered.isdecimal():
            fields["baudrate"] = int(lowered)
        elif match := _FRAME.fullmatch(lowered):
            size, parity, stop = match.groups()
            fields |= {"byte_size": int(size), "parity": parity.upper(), "stop_bits": stop}
        elif lowered in _FLOW:
            fields["flow_control"] = FlowControl(**_FLOW[lowered])
        elif lowered in _RS485:
            fields["rs485"] = RS485Config(enabled=_RS485[lowered])
        elif lowered in _PARITIES:
            fields["parity"] = lowered
        else:
            raise ValueError(f"{word!r} is not {EXPECTED}")
    return fields


def describe(config: "SerialConfig") -> str:
    """Return the settings in the short form, such as ``115200,8N1,rtscts``."""
    flow = config.flow_control
    words = [str(config.baudrate), f"{config.byte_size}{config.parity.name[0]}{config.stop_bits}"]
    words += [
        name
        for name, is_on in (("rtscts", flow.rts_cts), ("xonxoff", flow.xon_xoff), ("dtrdsr", flow.dtr_dsr))
        if is_on
    ]
    if config.rs485 is not None and config.rs485.enabled:
        words.append("rs485")
    return ",".join(words)
