"""Opening a port and making a transport of it.

`_async_opening` opens the port, as for the async face; only what is asyncio's own belongs here.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Unpack

from anyserial._async_opening import opened
from anyserial._asyncio.errors import as_expected
from anyserial._asyncio.keywords import settings_from
from anyserial._asyncio.serial_object import TransportSerial
from anyserial._asyncio.transport import SerialTransport
from anyserial._opening import Opening
from anyserial._parts import load_part
from anyserial._port.closing import GRACE
from anyserial.exceptions import ConfigurationError, SerialError, UnsupportedAsyncBackendError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from anyserial._asyncio.keywords import SerialKeywords
    from anyserial.backend import SerialBackend
    from anyserial.discovery import PortInfo
    from anyserial.tap import TapEvent

__all__ = ("connection_for_serial", "create_serial_connection", "open_serial_connection")

_LIMIT = 2**16  # asyncio's own
_PYSERIAL_URLS = ("alt://", "hwgrep://", "loop://", "spy://")  # those that no driver of anyserial's serves


async def create_serial_connection[P: asyncio.BaseProtocol](
    loop: asyncio.AbstractEventLoop | None,
    protocol_factory: "Callable[[], P]",
    url: "str | os.PathLike[str] | PortInfo",
    *args: Any,
    **kwargs: "Unpack[SerialKeywords]",
) -> tuple[SerialTransport, P]:
    """Open a serial port and connect a protocol to it.

    The port is opened on a worker, so the event loop goes on meanwhile. ``connection_made`` is called soon after
    this has returned, and before anything is received. The transport can be written to at once.

    Args:
        loop: The running event loop; None for it as well.
        protocol_factory: Called without arguments, once the port is open.
        url: The device's path, a URL (pySerial's ``alt://``, ``hwgrep://``, ``loop://`` and ``spy://``, too), or what
            discovery found.
        *args: pySerial's arguments after the port, in its order: baudrate, bytesize, parity, stopbits, timeout,
            xonxoff, rtscts, write_timeout, dsrdtr, inter_byte_timeout, exclusive.
        **kwargs: The same by name, ``flow_control`` (``"hardware"``, ``"software"``, None or a `FlowControl`), the
            other fields of `SerialConfig`, and ``backend`` as for `open_serial_port`. The defaults are pySerial's: 9600
            8N1, DTR and RTS raised unless ``dsrdtr`` and ``rtscts`` leave them to flow control, input from
            before discarded, and no complaint about a setting that the driver drops (``unsupported_policy="raise"``
            gives an error). The timeouts are checked and have no effect.

    Returns:
        The transport and the protocol.

    Raises:
        SerialError: The port cannot be opened; as `open_serial_port`.
        ConfigurationError: A value is not valid; nothing was opened.
        TypeError: There is no such keyword, or it was given twice.
        UnsupportedAsyncBackendError: No asyncio event loop is running.
        ValueError: *loop* is not the running event loop.

    Cancellation: nothing is left open; as `open_serial_port`.
    """
    running = _running(loop)
    backend = kwargs.pop("backend", None)
    config = settings_from("create_serial_connection", args, kwargs)

    sink: Callable[[TapEvent], object] | None = None
    if backend is None and isinstance(url, str) and url.lower().startswith(_PYSERIAL_URLS):
        url, backend, sink = await asyncio.to_thread(_target_of, url)
    serial = await _opened(Opening(url, config, backend))
    serial.attach(running)
    try:
        if sink is not None:
            from anyserial._looking.tapping import Tap  # noqa: PLC0415  # few ports need it

            Tap(serial, sink)
        protocol = protocol_factory()
        transport = SerialTransport(running, protocol, serial)
    except BaseException:
        await _close(serial)
        raise
    return transport, protocol


async def connection_for_serial[P: asyncio.BaseProtocol](
    loop: asyncio.AbstractEventLoop | None, protocol_factory: "Callable[[], P]", serial_instance: Any
) -> tuple[SerialTransport, P]:
    """Connect a protocol to a port that is open.

    Args:
        loop: The running event loop; None for it as well.
        protocol_factory: Called without arguments.
        serial_instance: A blocking port of ``anyserial.sync`` or ``anyserial.pyserial``. It belongs to the transport
            from now on.

    Returns:
        The transport and the protocol.

    Raises:
        SerialClosedError: The port is closed.
        TypeError: *serial_instance* is not such a port.
        UnsupportedAsyncBackendError: No asyncio event loop is running.
        ValueError: *loop* is not the running event loop.

    Cancellation: this never waits, so it cannot be cancelled.
    """
    running = _running(loop)
    protocol = protocol_factory()
    transport = SerialTransport(running, protocol, serial_instance)
    return transport, protocol


async def open_serial_connection(
    *,
    loop: asyncio.AbstractEventLoop | None = None,
    limit: int | None = None,
    **kwargs: Any,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a serial port as a pair of asyncio streams.

    Args:
        loop: The running event loop; None for it as well.
        limit: The most bytes that the reader holds before it stops the transport; None for asyncio's own limit.
        **kwargs: ``url`` and the keywords of `create_serial_connection`.

    Returns:
        The reader and the writer. ``writer.transport`` is the `SerialTransport`.

    Raises:
        SerialError: As `create_serial_connection`, as everything else.

    Cancellation: nothing is left open.
    """
    running = _running(loop)
    reader = asyncio.StreamReader(limit=_LIMIT if limit is None else limit, loop=running)
    protocol = asyncio.StreamReaderProtocol(reader, loop=running)
    transport, _ = await create_serial_connection(running, lambda: protocol, **kwargs)
    return reader, asyncio.StreamWriter(transport, protocol, reader, running)


def _running(loop: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        raise UnsupportedAsyncBackendError(
            "anyserial.asyncio needs a running asyncio event loop; anyserial.open_serial_port works with trio, too"
        ) from None
    if loop is not None and loop is not running:
        raise ValueError(f"loop must be the running event loop, or None for it (got {loop!r})")
    return running


def _target_of(url: str) -> "tuple[str, SerialBackend | None, Callable[[TapEvent], object] | None]":
    """Return what a URL of pySerial's opens, what opens it, and who looks on."""
    try:
        target: tuple[str, SerialBackend | None, Callable[[TapEvent], object] | None]
        target = load_part("anyserial_sync._pyserial.urlhandler._transports").target_of(url)
    except SerialError:
        raise
    except ValueError as exc:
        raise ConfigurationError(f"{exc} (in the URL {url!r})") from None
    return target


async def _opened(opening: Opening) -> TransportSerial:
    try:
        return await opened(TransportSerial, opening)
    except SerialError as exc:
        failure = as_expected(exc, exclusive=opening.config.exclusive)
    # Raised here, because in the handler its context would become another.
    try:
        raise failure
    finally:
        del failure  # a traceback refers to this frame, which would refer to the error


async def _close(serial: TransportSerial) -> None:
    """Close a port that has no transport, without waiting for output."""
    # The transport's own way, with a protocol that does not care.
    transport = SerialTransport(asyncio.get_running_loop(), asyncio.Protocol(), serial)
    transport.abort()
    await transport.wait_lost(GRACE)
