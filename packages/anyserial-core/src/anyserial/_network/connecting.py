"""Connecting a TCP socket to a host: resolving its name, trying its addresses, and what an error means.

The socket is non-blocking, and used without an event loop's transport; see `connection`. No protocol belongs here.
"""

import errno
import os
import socket
from typing import TYPE_CHECKING, Final

import anyio

from anyserial._printable import printable
from anyserial.exceptions import PortNotFoundError, SerialError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyserial._network.address import Address

__all__ = ("CONNECT_TIMEOUT", "connect", "tuned")

CONNECT_TIMEOUT: Final = 10.0  # seconds, unless the URL says otherwise
STAGGER = 0.25  # seconds until the next address is tried as well (RFC 8305)

# Seconds and counts: an idle peer that is dead is noticed within about half a minute.
_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPALIVE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
_UNACKNOWLEDGED = 30_000  # milliseconds after which output that is not acknowledged ends the connection (Linux)

# Bytes that wait in this system. A request waits behind them, and Linux would let megabytes pile up.
_QUEUE = 32768

type _Target = tuple[int, tuple[object, ...]]  # address family, socket address


async def connect(address: "Address") -> socket.socket:
    """Return a connected socket.

    Raises:
        PortNotFoundError: The name cannot be resolved, or nothing listens there.
        SerialError: The host cannot be reached, or does not answer in time.

    Cancellation: nothing is left open.
    """
    limit = float(address.options.get("connect_timeout", CONNECT_TIMEOUT))
    try:
        with anyio.fail_after(limit):
            return tuned(await _connect_to_any(await _resolve(address)))
    except TimeoutError:
        raise SerialError(errno.ETIMEDOUT, f"{address} did not answer within {limit:g} s", address.url) from None
    except OSError as exc:
        if isinstance(exc, SerialError):
            raise
        raise _failure(exc, address) from exc


def tuned(sock: socket.socket) -> socket.socket:
    """Return *sock*, set so that small messages leave at once and a dead peer is noticed."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _QUEUE)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {**_KEEPALIVE, "TCP_USER_TIMEOUT": _UNACKNOWLEDGED}
    for name, value in options.items():
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
    return sock


async def _resolve(address: "Address") -> "list[_Target]":
    host, port = address.host, address.port
    try:
        # Without a thread, for the usual numeric address.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [(info[0], info[4]) for info in found]
    except (socket.gaierror, UnicodeError):
        pass
    try:
        resolved = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as exc:
        what = "the address" if ":" in host else "the host name"
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise PortNotFoundError(
            errno.ENOENT, f"{what} {printable(host)!r} cannot be resolved ({why}{_about_zone(host)})", address.url
        ) from exc
    return [(info[0], info[4]) for info in resolved]


async def _connect_to_any(targets: "Sequence[_Target]") -> socket.socket:
    if len(targets) == 1:
        return await _attempt(*targets[0])
    found: list[socket.socket] = []
    failures: list[OSError] = []

    async def attempt(target: _Target, over: anyio.Event) -> None:
        try:
            sock = await _attempt(*target)
        except OSError as exc:
            failures.append(exc)
        else:
            found.append(sock)
            tasks.cancel_scope.cancel()
        over.set()

    try:
        async with anyio.create_task_group() as tasks:
            for target in targets:
                over = anyio.Event()
                tasks.start_soon(attempt, target, over)
                with anyio.move_on_after(STAGGER):
                    await over.wait()
        if found:
            return found.pop(0)
    finally:
        for sock in found:
            sock.close()
    # A host that refuses has answered; another address may only have had no route.
    raise min(failures, key=lambda exc: exc.errno != errno.ECONNREFUSED)


async def _attempt(family: int, where: "tuple[object, ...]") -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        number = sock.connect_ex(where)
        if number in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            await anyio.wait_writable(sock)
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))  # noqa: TRY301  # beside the call that may fail
    except BaseException:
        sock.close()
        raise
    return sock


def _failure(error: OSError, address: "Address") -> SerialError:
    if error.errno == errno.ECONNREFUSED:
        return PortNotFoundError(
            errno.ECONNREFUSED,
            f"nothing listens at {address} (connection refused): start the server, or correct the URL",
            address.url,
        )
    why = (error.strerror or str(error)).lower()
    if error.errno == errno.EINVAL:
        why += _about_zone(address.host)
    return SerialError(error.errno, f"{address} cannot be reached ({why})", address.url)


def _about_zone(host: str) -> str:
    """Return what may be wrong with the zone of an IPv6 address; loops report that with different errors."""
    zone = host.partition("%")[2]
    if zone:
        return f"; is there a network interface {printable(zone)!r}?"
    if host.startswith("fe80:"):
        return "; a link-local address needs its network interface, as in [fe80::1%eth0]"
    return ""
