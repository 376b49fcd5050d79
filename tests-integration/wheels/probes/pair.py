"""Exchange a line over a pair of mock ports."""

import anyio
from anyserial.testing import serial_port_pair


async def main() -> None:
    host, device = serial_port_pair()
    async with host, device:
        with anyio.fail_after(10):
            await host.send(b"ping\n")
            assert await device.receive() == b"ping\n"
    print("pair")


anyio.run(main)
