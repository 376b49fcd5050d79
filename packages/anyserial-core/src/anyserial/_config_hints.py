"""What to write instead of a setting that is spelled as another library has it."""

__all__ = ("NAMES", "flow_control", "rs485")

_FLOW = {
    "xonxoff": "xon_xoff",
    "software": "xon_xoff",
    "soft": "xon_xoff",
    "sw": "xon_xoff",
    "rtscts": "rts_cts",
    "ctsrts": "rts_cts",
    "crtscts": "rts_cts",
    "hardware": "rts_cts",
    "hard": "rts_cts",
    "hw": "rts_cts",
    "dsrdtr": "dtr_dsr",
    "dtrdsr": "dtr_dsr",
}
_NO_FLOW = ("none", "off", "no")

_TIMEOUT = "anyio.fail_after(1.0) around a call, or default_timeout=1.0 for a blocking port"

NAMES = {word: f"flow_control=FlowControl({field}=True)" for word, field in _FLOW.items()} | {
    "baud": "baudrate",
    "databits": "byte_size",
    "config": "the SerialConfig as the second argument, without its name",
    "dtr": "dtr_on_open",
    "rts": "rts_on_open",
    "timeout": _TIMEOUT,
    "writetimeout": _TIMEOUT,
}
"""Other names of fields, in lower case and without underscores, and what to write."""


def flow_control(value: object) -> str:
    """Return the hint for a ``flow_control`` that is not a FlowControl."""
    word = "".join(filter(str.isalpha, value.lower())) if isinstance(value, str) else ""
    if word in _FLOW:
        return f"write FlowControl({_FLOW[word]}=True)"
    if word in _NO_FLOW or value is False:
        return "write FlowControl()"
    return "write FlowControl(rts_cts=True), for example"


def rs485(value: object) -> str:
    """Return the hint for an ``rs485`` that is not an RS485Config."""
    return (
        "write None, or RS485Config(enabled=False) to switch the mode off" if value is False else "write RS485Config()"
    )
