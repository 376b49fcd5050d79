"""What to write instead of a name that pySerial's port has."""

__all__ = ("hint",)

# What a port is asked to do. The keys are in lower case and without underscores: `in_waiting` and `inWaiting`.
_CALLS = {
    "read": "receive(max_bytes)",
    "recv": "receive(max_bytes)",
    "readall": "receive_available()",
    "readinto": "receive_into(buffer)",
    "write": "send(data)",
    "writelines": "send(data)",
    "sendall": "send(data)",
    "flush": "drain()",
    "flushinput": "reset_input_buffer()",
    "flushoutput": "reset_output_buffer()",
    "sendbreak": "send_break()",
    "breakcondition": "set_break(True)",
    "setbreak": "set_break(True)",
    "setrts": "set_control_lines(rts=True)",
    "setdtr": "set_control_lines(dtr=True)",
    **dict.fromkeys(("cts", "dsr", "ri", "cd", "getcts", "getdsr", "getri", "getcd"), "modem_lines()"),
}
_LINES = ("rts", "dtr")
_FIELDS = {
    "baudrate": "baudrate=9600",
    "bytesize": "byte_size=8",
    "parity": 'parity="even"',
    "stopbits": "stop_bits=2",
    "xonxoff": "flow_control=FlowControl(xon_xoff=True)",
    "rtscts": "flow_control=FlowControl(rts_cts=True)",
    "dsrdtr": "flow_control=FlowControl(dtr_dsr=True)",
    "exclusive": "exclusive=True",
    "rs485mode": "rs485=RS485Config()",
}
_VALUES = {
    "inwaiting": "port.input_waiting()",
    "outwaiting": "port.output_waiting()",
    "isopen": "port.is_open",
    "port": "port.path",
    "portstr": "port.path",
    "name": "port.path",
}
_TIMEOUTS = ("timeout", "writetimeout", "interbytetimeout")
_LINE_WISE = ("readline", "readlines", "readuntil")
_BLOCKING = {
    "aclose": "write port.close(), or use 'with'",
    "cancelread": "write port.cancel_receive()",
    "cancelwrite": "write port.cancel_send()",
    **dict.fromkeys(_TIMEOUTS, "write port.default_timeout = 1.0, or give a call its timeout=1.0"),
    **dict.fromkeys(_LINE_WISE, "write port.receive_until(b'\\n', max_bytes), or for line in port.lines()"),
}
_AWAITED = {
    "close": "write await port.aclose(), or use 'async with'",
    "fileno": "write port.extra(SerialStreamAttribute.fileno)",
    "cancelread": "cancel the task that receives",
    "cancelwrite": "cancel the task that sends",
    **dict.fromkeys(_TIMEOUTS, "write 'with anyio.fail_after(1.0):' around the call"),
    **dict.fromkeys(_LINE_WISE, "wrap the port: FramedStream(port, Delimited(b'\\n')), from anyserial.framing"),
}


def hint(name: str, *, is_awaited: bool) -> str | None:
    """Return what to write instead of an attribute, or None if it is not one of pySerial's.

    Args:
        name: The attribute.
        is_awaited: Whether the port is the async one.
    """
    key = name.replace("_", "").lower()
    port = "await port" if is_awaited else "port"
    if instead := (_AWAITED if is_awaited else _BLOCKING).get(key):
        return instead
    if call := _CALLS.get(key):
        return f"write {port}.{call}"
    if key in _LINES:
        return f"write {port}.set_control_lines({key}=True), or read it with {port}.control_lines()"
    if field := _FIELDS.get(key):
        read = f"port.config.{field.partition('=')[0]}"
        return f"write {port}.configure(port.config.with_changes({field})), or read {read}"
    if value := _VALUES.get(key):
        return f"write {value}"
    return None
