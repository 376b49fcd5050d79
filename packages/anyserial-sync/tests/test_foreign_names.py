"""pySerial's names on the blocking port: each is an error that says what to write, also when it is assigned."""

from typing import Any

import pytest
from anyserial.sync import SerialPort

HINTS = {
    "read": "write port.receive(max_bytes)",
    "readline": "write port.receive_until(b'\\n', max_bytes), or for line in port.lines()",
    "in_waiting": "write port.input_waiting()",
    "aclose": "write port.close(), or use 'with'",
    "cancel_read": "write port.cancel_receive()",
    "timeout": "write port.default_timeout = 1.0, or give a call its timeout=1.0",
    "rts": "write port.set_control_lines(rts=True), or read it with port.control_lines()",
}


@pytest.mark.parametrize("name", HINTS)
def test_using_one_says_what_to_write(rig: Any, name: str) -> None:
    port: Any = rig.port
    assert isinstance(port, SerialPort)
    with pytest.raises(AttributeError) as caught:
        getattr(port, name)
    assert str(caught.value) == f"'SerialPort' object has no attribute {name!r}: {HINTS[name]}"


@pytest.mark.parametrize("name", ["timeout", "baudrate", "rts", "break_condition", "write_timeout"])
def test_assigning_one_is_refused(rig: Any, name: str) -> None:
    port: Any = rig.port
    with pytest.raises(AttributeError, match=rf"has no attribute {name!r}: write "):
        setattr(port, name, 1)
