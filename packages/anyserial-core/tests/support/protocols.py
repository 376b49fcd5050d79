"""asyncio protocols that note what happens to them."""

import asyncio
from typing import Any

import anyio
from anyserial.asyncio import SerialTransport, create_serial_connection
from backends import PtyBackend

__all__ = ("Notes", "connect", "reports")


class Notes(asyncio.Protocol):
    """Notes every callback, and what it received."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.data = b""
        self.transport: Any = None
        self._changed = asyncio.Event()

    def note(self, event: Any) -> None:
        self.events.append(event)
        self._changed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.note("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self._changed.set()

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.note(("lost", exc))

    async def until(self, condition: Any) -> None:
        """Wait for what a callback makes true."""
        with anyio.fail_after(5):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def lost(self) -> Exception | None:
        """Wait until the connection is lost; return with what. It must be the last event, and the only one."""
        await self.until(lambda: self.losses)
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(self.losses) == 1
        assert self.events[-1] == self.losses[0]
        error: Exception | None = self.losses[0][1]
        return error

    @property
    def losses(self) -> list[tuple[str, Exception | None]]:
        return [event for event in self.events if isinstance(event, tuple)]


async def connect(path: str, backend: Any = None, **keywords: Any) -> tuple[SerialTransport, Notes]:
    """Open a port with a protocol that takes notes."""
    loop = asyncio.get_running_loop()
    backend = PtyBackend() if backend is None else backend
    transport, protocol = await create_serial_connection(loop, Notes, url=path, backend=backend, **keywords)
    await protocol.until(lambda: protocol.events == ["made"])
    return transport, protocol


def reports() -> list[dict[str, Any]]:
    """Return a list that the running event loop's exception handler fills from now on."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: found.append(context))
    return found
