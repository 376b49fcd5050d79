"""Print, as JSON, the resident memory of this process at each step to an open port, and the modules it took.

The port is a pty, and a line goes each way, so that everything that a program needs has been loaded.
"""

import json
import os
import sys


def resident() -> int:
    """KiB of memory that this process holds."""
    with open("/proc/self/status") as status:  # noqa: PTH123  # pathlib would be counted too
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


steps = {"interpreter": resident()}

import asyncio  # noqa: E402

steps["asyncio"] = resident()

import anyio  # noqa: E402

steps["anyio"] = resident()

from anyserial import open_serial_port  # noqa: E402

steps["anyserial"] = resident()


async def main() -> None:
    far, near = os.openpty()
    async with await open_serial_port(os.ttyname(near), baudrate=57600) as port:
        with anyio.fail_after(30):
            await port.send(b"ping\n")
            assert os.read(far, 64) == b"ping\n"
            os.write(far, b"pong\n")
            assert await port.receive(64) == b"pong\n"
        steps["open port"] = resident()
    os.close(near)
    os.close(far)


asyncio.run(main())
loaded = sorted(name for name in sys.modules if name.partition(".")[0] in {"anyserial", "anyserial_posix"})
print(json.dumps({"steps": steps, "modules": loaded}))
