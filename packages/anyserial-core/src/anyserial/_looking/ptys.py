"""A pseudo-terminal as a link to a shared port, served by three tasks of an event loop.

One task reads the port, so that the port is read even while no program reads the pty. One writes what its
link receives to the pty, and one sends what is written to the pty. The pty itself is the platform part's.
"""

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from anyserial._drivers import create_pty
from anyserial._looking.log import InputLostError
from anyserial.exceptions import LineError, SerialError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyserial._looking.contract import Pty
    from anyserial._looking.sharing import PortLink, SharedPort

__all__ = ("linked_pty",)

PIECE = 4096  # bytes that are on their way to a pty; more would be old before a program reads them
PAUSE = 0.01  # seconds between two looks at what a program has not read
PATIENCE = 1.0  # seconds that a program gets to read on once the port has ended


@asynccontextmanager
async def linked_pty(shared: "SharedPort") -> "AsyncGenerator[str]":
    """See `SharedPort.pty`."""
    shared.port.input_waiting()  # a port that has ended is refused here and not in a task
    pty = create_pty()
    errors: list[Exception] = []
    try:
        async with shared.link() as link, shared.link() as ahead, anyio.create_task_group() as tasks:
            service = _Service(pty, link, errors, tasks.cancel_scope)
            tasks.start_soon(service.read_ahead, ahead)
            tasks.start_soon(service.show)
            tasks.start_soon(service.take)
            try:
                yield pty.path
            except Exception as exc:  # noqa: BLE001  # raised below, as the task group would put it into a group
                errors.insert(0, exc)
            tasks.cancel_scope.cancel()
    finally:
        pty.close()
    if errors:
        raise errors[0]


class _Service:
    def __init__(self, pty: "Pty", link: "PortLink", errors: list[Exception], whole: anyio.CancelScope) -> None:
        self._pty = pty
        self._link = link
        self._errors = errors
        self._whole = whole
        self._patience: float = math.inf
        self._wait = anyio.CancelScope()

    async def read_ahead(self, ahead: "PortLink") -> None:
        """Read the port until it ends."""
        while True:
            try:
                await ahead.receive()
            except (InputLostError, LineError):
                continue
            except SerialError:
                break
        # `show` meets the same end once it has written what came before; it must not wait forever until then.
        self._patience = PATIENCE
        self._wait.deadline = anyio.current_time() + PATIENCE

    async def show(self) -> None:
        """Write what is received to the pty."""
        while True:
            try:
                await self._write(await self._link.receive(PIECE))
            except InputLostError:
                self._pty.discard_unread()  # it is older than the gap
            except LineError:
                continue
            except SerialError as exc:
                self._errors.append(exc)
                with anyio.move_on_after(PATIENCE):
                    await self._until_read()
                self._whole.cancel()
                return

    async def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            count = self._pty.write(rest)
            if count is None:
                with anyio.move_on_after(self._patience) as self._wait:
                    await anyio.wait_writable(self._pty.fileno())
                if self._wait.cancelled_caught:
                    return
            else:
                rest = rest[count:]

    async def _until_read(self) -> None:
        # Closing the pty destroys what was not read. The kernel may take a moment to pass the last bytes on, so
        # the first look comes after a pause, too.
        while True:
            await anyio.sleep(PAUSE)
            if not self._pty.unread():
                return

    async def take(self) -> None:
        """Send what programs write to the pty."""
        while True:
            data = self._pty.read(PIECE)
            if data is None:
                await anyio.wait_readable(self._pty.fileno())
                continue
            try:
                await self._link.send(data)
            except SerialError:
                return  # `show` reports it
