"""A connected socket in whatever event loop uses it: attempts that never wait, and the waiter to wait with.

Theory of operation. The socket is used as a tty's descriptor is: attempt first, and wait with `_readiness`,
whose registration stays from one receive to the next. Nothing is read for a caller that may not come to take
it, so a cancellation loses nothing, and the port may move from one event loop to the next.

The descriptor must stay open until every event loop has released it. `_Socket` counts them, and closes it
after the last.

What the bytes mean, and which call may wait, belongs to `channel`.
"""

import errno
import os
import socket
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from anyserial import _readiness
from anyserial._readiness import NOWHERE
from anyserial.exceptions import SerialDisconnectedError

if TYPE_CHECKING:
    from anyserial._network.address import Address
    from anyserial._readiness._contract import Waiter

__all__ = ("Connection",)

_CHUNK = 65536  # bytes a read
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: discard what was not sent


class _Use:
    """One event loop's use of the socket; see `Watch`."""

    def __init__(self, owner: "_Socket") -> None:
        self._owner = owner
        owner.uses.add(self)

    def on_idle(self) -> None:
        """See `Watch`: the next call finds out."""

    def on_release(self) -> None:
        """See `Watch`."""
        self._owner.uses.discard(self)
        self._owner.close_if_unused()


class _Socket:
    """The socket, closed when it is not wanted any more and no event loop uses it."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.uses: set[_Use] = set()
        self.is_wanted = True

    def close_if_unused(self) -> None:
        if not self.is_wanted and not self.uses:
            self.socket.close()


class Connection:
    """A connected, non-blocking socket.

    Args:
        sock: The socket; it belongs to this object from now on.
        address: What it is connected to, for messages.

    Attributes:
        fileno: The descriptor.
        receive: The socket's own `recv`.
        send: The socket's own `send`.
        unfiled: What another thread has read and left for the event loop (see `thread_calls`); `b""` is the end.
        error: What ended another thread's read.
    """

    def __init__(self, sock: socket.socket, address: "Address") -> None:
        self._owner = _Socket(sock)
        self._address = address
        self._waiter: Waiter = NOWHERE
        self._process = os.getpid()
        self.receive: Any = sock.recv
        self.send: Any = sock.send
        self.fileno = sock.fileno()
        self.unfiled: list[bytes] = []
        self.error: OSError | None = None

    def waiter(self) -> "Waiter":
        """Return what waits for the socket in the running event loop."""
        waiter = self._waiter
        try:
            if waiter.running() is waiter.home:
                return waiter
        except RuntimeError:
            pass
        if waiter is not NOWHERE:
            waiter.wake()  # of another event loop, where no call waits now
        self._waiter = waiter = _readiness.waiter(self.fileno, _Use(self._owner))
        return waiter

    def interrupt(self) -> None:
        """End what waits for the socket with anyio.ClosedResourceError; the next wait begins afresh."""
        if self._waiter is not NOWHERE:
            self._waiter.wake()

    def receive_now(self) -> bytes | None:
        """Return what has arrived; None if nothing has.

        Raises:
            SerialDisconnectedError: The peer has closed the connection, or it broke.
        """
        if self.unfiled:
            data = self.unfiled.pop(0)
        elif self.error is not None:
            raise self._broken(self.error) from self.error
        else:
            try:
                data = self.receive(_CHUNK)
            except BlockingIOError:
                return None
            except OSError as exc:
                raise self._broken(exc) from exc
        if not data:
            raise self._closed()
        return data

    def send_now(self, data: "bytes | bytearray | memoryview") -> int | None:
        """Send what the kernel takes of *data* (not empty), and return how much; None if it takes nothing.

        Raises:
            SerialDisconnectedError: The connection broke.
        """
        try:
            count: int = self.send(data)
        except BlockingIOError:
            return None
        except OSError as exc:
            raise self._broken(exc) from exc
        return count

    def end(self) -> SerialDisconnectedError | None:
        """Return what has ended the connection; None while something may still be read. Nothing is taken."""
        try:
            data = self.receive(1, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError as exc:
            return self._broken(exc)
        return None if data else self._closed()

    def unsent(self) -> int:
        """Return how many bytes the kernel holds that the peer's has not acknowledged; 0 where it cannot tell."""
        return self._ask("TIOCOUTQ")

    def unread(self) -> int:
        """Return how many bytes the kernel holds that were not read; 0 where it cannot tell."""
        return self._ask("FIONREAD")

    def _ask(self, name: str) -> int:
        try:
            import termios  # noqa: PLC0415  # not on every platform
            from fcntl import ioctl  # noqa: PLC0415

            held = ioctl(self.fileno, getattr(termios, name), bytes(4))
        except (ImportError, AttributeError, OSError):
            return 0
        return int.from_bytes(held, sys.byteorder)

    def close(self, *, discard: bool = False) -> None:
        """Close the connection; from the event loop that uses it, or from a finalizer.

        Args:
            discard: Whether output that has not left is discarded.
        """
        owner = self._owner
        if not owner.is_wanted:
            return
        owner.is_wanted = False
        if self._process != os.getpid():
            owner.socket.close()  # this is a forked child: the event loop's registrations are the parent's
            return
        if discard:
            with suppress(OSError):
                owner.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        if self._waiter is not NOWHERE:
            self._waiter.wake()
        owner.close_if_unused()

    def finish(self) -> None:
        """Tell the peer that nothing more is sent."""
        with suppress(OSError):
            self._owner.socket.shutdown(socket.SHUT_WR)

    def __del__(self) -> None:
        """Close a connection that was forgotten."""
        if hasattr(self, "fileno"):
            self.close()

    def _closed(self) -> SerialDisconnectedError:
        return SerialDisconnectedError(errno.ECONNRESET, f"{self._address} closed the connection", self._address.url)

    def _broken(self, exc: OSError) -> SerialDisconnectedError:
        why = (exc.strerror or str(exc)).lower()
        return SerialDisconnectedError(exc.errno, f"the connection to {self._address} broke ({why})", self._address.url)
