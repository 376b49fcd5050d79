"""Open a pty by its path and exchange a line over it, on the runtime named in the argument."""

import os
import sys
from typing import Any

import anyio
from anyserial import SerialConfig, SerialDisconnectedError, open_serial_port

OPTIONS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


async def main() -> None:
    far, near = os.openpty()
    async with await open_serial_port(os.ttyname(near), SerialConfig(baudrate=57600)) as port:
        os.close(near)
        with anyio.fail_after(10):
            await port.send(b"ping\n")
            assert os.read(far, 64) == b"ping\n"
            os.write(far, b"pong\n")
            assert await port.receive(64) == b"pong\n"
            await port.configure(port.config.with_changes(baudrate=115200))
            assert port.config.baudrate == 115200
            os.close(far)
            try:
                await port.receive()
            except SerialDisconnectedError as exc:
                print(type(exc).__name__)


anyio.run(main, **OPTIONS[sys.argv[1]])
