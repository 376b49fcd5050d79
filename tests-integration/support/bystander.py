"""A port that has nothing to do with what happens to another one: whatever that is, it must go on.

It is a pty, with bytes going through it all the time. Between two of its beats the event loop
went round several times, so that the longest gap tells how long the loop ever stood still.
"""

import os
import time
import tty
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio
from anyserial import SerialPort, open_serial_port

__all__ = ("Bystander", "bystander", "new_pty")

PAUSE = 0.002  # seconds between two beats; some time has to be left to others


class Bystander:
    """Traffic over a port of its own.

    Attributes:
        longest_gap: The longest time between two beats so far, in seconds; set it to 0 to begin anew.
    """

    def __init__(self, port: SerialPort, master: int) -> None:
        self._port = port
        self._master = master
        self._beat = anyio.Event()
        self.longest_gap = 0.0

    async def beats(self, count: int) -> None:
        """Wait until *count* more beats have been."""
        for _ in range(count):
            await self._beat.wait()

    async def run(self) -> None:
        """Beat until cancelled."""
        last = time.monotonic()
        while True:
            os.write(self._master, b"on it goes")
            received = await self._port.receive()
            if received != b"on it goes":
                raise AssertionError(f"the bystander received {received!r}")
            now = time.monotonic()
            self.longest_gap = max(self.longest_gap, now - last)
            last = now
            self._beat.set()
            self._beat = anyio.Event()
            await anyio.sleep(PAUSE)


@asynccontextmanager
async def bystander() -> AsyncGenerator[Bystander]:
    """Run one for the length of a block."""
    with new_pty() as (master, path):
        async with await open_serial_port(path) as port, anyio.create_task_group() as group:
            running = Bystander(port, master)
            group.start_soon(running.run)
            yield running
            group.cancel_scope.cancel()


@contextmanager
def new_pty() -> Generator[tuple[int, str]]:
    """Make a pty: its far side, and the path to open."""
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        yield master, os.ttyname(slave)
    finally:
        os.close(slave)
        os.close(master)
