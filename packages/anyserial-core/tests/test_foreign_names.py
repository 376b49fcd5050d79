"""pySerial's names on the async port: each is an error that says what to write, also when it is assigned."""

from typing import Any

import pytest
from anyserial import SerialConfig, SerialPort, open_serial_port
from anyserial._foreign_hints import hint
from anyserial._port.face import ASSIGNED
from backends import Far, PtyBackend

pytestmark = pytest.mark.anyio

READ = {
    "read": "write await port.receive(max_bytes)",
    "readline": "wrap the port: FramedStream(port, Delimited(b'\\n')), from anyserial.framing",
    "write": "write await port.send(data)",
    "flush": "write await port.drain()",
    "in_waiting": "write port.input_waiting()",
    "inWaiting": "write port.input_waiting()",
    "close": "write await port.aclose(), or use 'async with'",
    "cts": "write await port.modem_lines()",
    "name": "write port.path",
    "cancel_read": "cancel the task that receives",
    "timeout": "write 'with anyio.fail_after(1.0):' around the call",
}


@pytest.mark.parametrize("name", READ)
async def test_reading_one_says_what_to_write(far: Far, backend: PtyBackend, name: str) -> None:
    async with open_serial_port(far.path, backend=backend) as port:
        assert not hasattr(port, name)
        with pytest.raises(AttributeError) as caught:
            getattr(port, name)
    assert str(caught.value) == f"'SerialPort' object has no attribute {name!r}: {READ[name]}"
    assert (caught.value.name, caught.value.obj) == (name, port)


async def test_assigning_one_is_refused(far: Far, backend: PtyBackend) -> None:
    async with open_serial_port(far.path, backend=backend) as port:
        anything: Any = port
        for name in ASSIGNED:
            with pytest.raises(AttributeError, match=rf"has no attribute {name!r}: \w"):
                setattr(anything, name, 1)
            with pytest.raises(AttributeError, match=name):
                delattr(anything, name)
            assert not hasattr(port, name)
        with pytest.raises(AttributeError, match=r"write await port\.configure\(port\.config\.with_changes\(baudrate="):
            anything.baudrate = 9600
        anything.label = "mine"
        assert anything.label == "mine"
        assert not {*ASSIGNED} & {*dir(port)}


async def test_a_name_of_nobody_s_is_python_s_to_refuse(far: Far, backend: PtyBackend) -> None:
    async with open_serial_port(far.path, backend=backend) as port:
        for name in ("nothing", "_nothing", "__nothing__"):
            with pytest.raises(AttributeError, match=rf"^'SerialPort' object has no attribute '{name}'$"):
                getattr(port, name)


async def test_a_subclass_has_attributes_of_its_own(far: Far, backend: PtyBackend) -> None:
    class Instrument(SerialPort):
        timeout = 3

        def __init__(self, backend: PtyBackend, config: SerialConfig) -> None:
            super().__init__(backend, config)
            self.baudrate = 9600
            self.dtr = True

    backend.open(far.path, SerialConfig())
    async with Instrument(backend, SerialConfig()) as port:
        assert (port.timeout, port.baudrate, port.dtr) == (3, 9600, True)
        assert {"timeout", "baudrate", "dtr"} <= {*dir(port)}
        port.timeout, port.baudrate = 4, 19200
        assert (port.timeout, port.baudrate) == (4, 19200)
        del port.dtr
        with pytest.raises(AttributeError, match="set_control_lines"):
            _ = port.dtr


def test_every_assigned_name_has_a_hint() -> None:
    assert all(hint(name, is_awaited=is_awaited) for name in ASSIGNED for is_awaited in (True, False))
