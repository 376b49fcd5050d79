"""The connections of a server: what a peer is called, how a dead one is noticed, how a connection ends politely."""

import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
from anyio.abc import SocketAttribute

from anyserial._printable import printable

if TYPE_CHECKING:
    from anyio.abc import ByteStream

__all__ = ("close", "part", "peer_name", "shown_address", "watch_for_death")

PATIENCE: Final = 1.0  # seconds that a peer gets to read the last bytes and to close its end
# A peer that is gone without a word is noticed after about a minute: what TCP does by itself takes two hours.
KEEP_ALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}
_LOST = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


def shown_address(address: object) -> str:
    """Return an address as ``host:port``, with the host in brackets if it is IPv6; a path as it is."""
    if not isinstance(address, tuple):
        return printable(str(address))
    host, port = map(str, cast("tuple[object, ...]", address)[:2])
    return printable(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def peer_name(stream: "ByteStream") -> str:
    """Return what *stream*'s far end is called in messages and logs."""
    address = stream.extra(SocketAttribute.remote_address, None)  # noqa: S610  # AnyIO's, not Django's
    return shown_address(address) if address else "a local client"


def watch_for_death(stream: "ByteStream") -> None:
    """Have TCP notice a peer that is gone, and send small packets at once; nothing if it is not a TCP connection."""
    raw: Any = stream.extra(SocketAttribute.raw_socket, None)  # noqa: S610  # AnyIO's, not Django's
    if raw is None or raw.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in KEEP_ALIVE.items():
            if sys.platform == "darwin" and name == "TCP_KEEPIDLE":
                name = "TCP_KEEPALIVE"  # noqa: PLW2901  # its name there
            if (option := getattr(socket, name, None)) is not None:
                raw.setsockopt(socket.IPPROTO_TCP, option, value)


async def part(stream: "ByteStream", message: bytes = b"") -> None:
    """Send the last bytes, and wait a moment until the peer has read them and has closed its end, too.

    A connection that is closed while bytes of the peer are unread is reset, and the peer then loses what
    it has not read either.

    Cancellation: at once.
    """
    with anyio.move_on_after(PATIENCE), suppress(*_LOST, NotImplementedError):
        if message:
            await stream.send(message)
        try:
            await stream.send_eof()
        except RuntimeError:  # uvloop's, of a connection that was reset
            return
        while True:
            await stream.receive()


async def close(stream: "ByteStream") -> None:
    """Close *stream*, also if cancelled."""
    with anyio.move_on_after(PATIENCE, shield=True), suppress(*_LOST):
        await stream.aclose()
