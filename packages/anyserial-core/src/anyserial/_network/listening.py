"""Where a server listens: a port number, a host and a port number, or any AnyIO listener."""

import errno
import socket
from typing import TYPE_CHECKING, Any, cast

import anyio
from anyio.abc import ByteStream, Listener, SocketAttribute

from anyserial._checks import check_integer, refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Endpoint", "addresses_of", "check_endpoint", "listen")

type Endpoint = int | tuple[str, int] | Listener[ByteStream]
"""Where to listen."""

LOOPBACK = "127.0.0.1"
_HIGHEST = 65535
_PRIVILEGED = 1024


def check_endpoint(name: str, value: object) -> None:
    """Raise TypeError or ValueError unless *value* is an `Endpoint`."""
    port = value
    if isinstance(value, Listener):
        return
    if isinstance(value, tuple):
        pair = cast("tuple[object, ...]", value)
        if len(pair) != 2 or not isinstance(pair[0], str):  # noqa: PLR2004  # a pair
            raise TypeError(refusal(name, "a port number, (host, port number) or an AnyIO listener", pair))
        port = pair[1]
    elif isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(refusal(name, "a port number, (host, port number) or an AnyIO listener", value))
    check_integer(name, port, 0, _HIGHEST)


async def listen(endpoint: Endpoint) -> "Listener[ByteStream]":
    """Return a listener for *endpoint*; a number listens on loopback, 0 on any free port.

    Raises:
        OSError: The system refuses; the message says why, and ``filename`` where.
    """
    if isinstance(endpoint, Listener):
        return endpoint
    host, port = (LOOPBACK, endpoint) if isinstance(endpoint, int) else endpoint
    try:
        listener: Any = await anyio.create_tcp_listener(local_host=host, local_port=port)
    except OSError as exc:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise OSError(exc.errno, _why(exc, port), where) from None
    return cast("Listener[ByteStream]", listener)


def _why(exc: OSError, port: int) -> str:
    if isinstance(exc, socket.gaierror):
        return f"there is no such host to listen on ({exc.strerror})"
    if exc.errno == errno.EADDRINUSE:
        return "another program listens there already: choose another port number"
    if exc.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address"
    if exc.errno in {errno.EACCES, errno.EPERM} and port < _PRIVILEGED:
        return f"port numbers below {_PRIVILEGED} are for root: choose a higher one"
    return exc.strerror or str(exc)


def addresses_of(listener: "Listener[ByteStream]") -> "Sequence[object]":
    """Return the addresses that *listener* is bound to; none if it does not say."""
    several: Any = getattr(listener, "listeners", None)
    found: list[object] = []
    for one in several or (listener,):
        address = one.extra(SocketAttribute.local_address, None)  # noqa: S610  # AnyIO's, not Django's
        if address is not None:
            found.append(address)
    return found
