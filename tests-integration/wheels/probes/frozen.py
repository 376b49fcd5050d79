"""A program to freeze: open a pty by its path, async and blocking, list the ports, and watch for a moment.

It prints, as JSON, what each of these came to. It names no part, as no user's program does.
"""

import json
import os
import sys

import anyio
from anyserial import PortInfo, list_serial_ports, open_serial_port, watch_serial_ports

found: dict[str, object] = {}


async def main() -> None:
    far, near = os.openpty()
    async with await open_serial_port(os.ttyname(near)) as port:
        with anyio.fail_after(10):
            await port.send(b"ping\n")
            assert os.read(far, 64) == b"ping\n"
            os.write(far, b"pong\n")
            found["async"] = (await port.receive(64)).decode()
        found["no information"] = port.port_info is None
    # A pty has none, so discovery was not asked. It is asked where the port of a PortInfo is now.
    async with await open_serial_port(PortInfo(device=os.ttyname(near))):
        found["discovery"] = "anyserial_discovery" in sys.modules
    try:
        found["listed"] = all(port.device for port in await list_serial_ports())
        async with watch_serial_ports() as events:
            found["watched"] = type(events).__name__
    except ImportError as exc:
        found["listed"] = str(exc)


anyio.run(main, backend=sys.argv[1])
try:
    from anyserial.sync import SerialPort
except ImportError as exc:
    found["blocking"] = str(exc)
else:
    far, near = os.openpty()
    with SerialPort.open(os.ttyname(near)) as port:
        port.send(b"ping\n", timeout=10)
        found["blocking"] = os.read(far, 64).decode()
try:
    from anyserial.testing import serial_port_pair
except ImportError as exc:
    found["testing"] = str(exc)
else:
    found["testing"] = serial_port_pair.__name__
print(json.dumps(found))
