"""Leave 100 closes stuck, use all of AnyIO's threads, say so, and exit: `stuck_closes.py RUNTIME`."""

import asyncio
import os
import sys
import threading
from typing import Any

import anyio
import anyserial_posix
from anyserial import SerialConfig, open_serial_port

PORTS = 100


class Stuck:
    """A tty whose output never leaves, and whose close never returns."""

    def __init__(self) -> None:
        self._inner = anyserial_posix.create_backend()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def output_waiting(self) -> int:
        return 1

    def close(self) -> None:
        threading.Event().wait()


async def run_in_thread(barrier: threading.Barrier) -> None:
    await anyio.to_thread.run_sync(barrier.wait)


async def main() -> None:
    if sys.argv[1] != "trio":
        # Under -X dev, asyncio would report every step that a busy machine holds up for a tenth of a second.
        asyncio.get_running_loop().slow_callback_duration = 60
    config = SerialConfig(close_timeout=0.05)
    ends: list[int] = []
    ports: list[Any] = []
    for _ in range(PORTS):
        master, slave = os.openpty()
        ends += master, slave
        backend: Any = Stuck()
        ports.append(await open_serial_port(os.ttyname(slave), config, backend=backend))
    async with anyio.create_task_group() as group:
        for port in ports:
            group.start_soon(port.aclose)
    # The application's own threads are all there: as many calls at once as AnyIO ever allows.
    barrier = threading.Barrier(40)
    async with anyio.create_task_group() as group:
        for _ in range(40):
            group.start_soon(run_in_thread, barrier)
    print("all closed, 40 application threads ran")


if __name__ == "__main__":
    use_uvloop = sys.argv[1] == "uvloop"
    if sys.argv[1] == "trio":
        anyio.run(main, backend="trio")
    else:
        anyio.run(main, backend="asyncio", backend_options={"use_uvloop": use_uvloop})
