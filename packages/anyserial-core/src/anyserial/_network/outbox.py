"""What a client has sent and the port has not taken yet: a bounded queue of bytes.

`put` never waits. The task that reads from the network asks for `room` before it reads on, so the queue holds
at most `LIMIT` bytes and one read more, and TCP holds the client back. A client by RFC 2217 is asked earlier
to stop sending (at `HIGH`, until `LOW`), so that its commands still get through.
"""

from typing import Final

import anyio

__all__ = ("HIGH", "LIMIT", "LOW", "PIECE", "Outbox")

LIMIT: Final = 65536
HIGH: Final = 32768
LOW: Final = 8192
PIECE = 4096  # bytes handed to the port at once: as much as a tty takes


class Outbox:
    """The queue. One task puts, one takes.

    Attributes:
        put_in: The bytes put in so far.
        gone: The bytes that have left so far, sent or discarded.
        purged: How often everything was discarded.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._changed: anyio.Event | None = None
        self.put_in = 0
        self.gone = 0
        self.purged = 0

    @property
    def size(self) -> int:
        """The bytes that are held, those that are being sent included."""
        return len(self._data)

    def put(self, data: bytes) -> None:
        """Append *data*."""
        self.put_in += len(data)
        self._data += data
        self._tell()

    def peek(self) -> bytes:
        """Return the oldest bytes, as many as are sent at once, empty if there are none; `sent` removes them."""
        return bytes(self._data[:PIECE])

    def sent(self, count: int, purged: int) -> None:
        """Remove the oldest *count* bytes, unless they were discarded since `purged` had the value *purged*."""
        if purged == self.purged:
            del self._data[:count]
            self.gone += count
            self._tell()

    def clear(self) -> None:
        """Discard everything."""
        self._data.clear()
        self.gone = self.put_in
        self.purged += 1
        self._tell()

    async def room(self) -> None:
        """Wait until another read may be put in."""
        while len(self._data) >= LIMIT:
            await self.change()

    async def change(self) -> None:
        """Wait until something was put in, or has left."""
        self._changed = self._changed or anyio.Event()
        await self._changed.wait()

    def _tell(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set()
