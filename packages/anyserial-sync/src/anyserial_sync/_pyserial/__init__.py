"""pySerial 3.5's API on anyserial's blocking port.

It is what `anyserial.pyserial` shows, and what ``import serial`` gets
in a program that `anyserial run` starts.

The layout is that of the package ``serial``, module for module, so that an alias of each module is all that
it takes to put this in its place: ``serial.X`` is ``anyserial_sync._pyserial.X``, the same module object.

| module | what pySerial has there | its home here |
|---|---|---|
| ``serial`` | everything that programs import | this module |
| ``serial.serialutil`` | SerialBase, exceptions, constants, Timeout | ``serialutil``, from ``_base`` and others |
| ``serial.serialposix`` | Serial and its kin, numbers of ioctls | ``serialposix``, from ``_serial`` |
| ``serial.rs485`` | RS485, RS485Settings | ``rs485`` |
| ``serial.rfc2217`` | Serial and PortManager over the network | ``rfc2217`` |
| ``serial.threaded`` | ReaderThread, Protocol and its kin | ``threaded`` |
| ``serial.urlhandler.protocol_X`` | the handler of ``X://`` | ``urlhandler.protocol_X`` |
| ``serial.tools.list_ports`` | comports, grep | ``tools.list_ports``, ``tools.list_ports_common``, ... |
| ``serial.tools.miniterm`` | Miniterm, Console | ``tools.miniterm`` |
| ``serial.tools.hexlify_codec`` | the codec | ``tools.hexlify_codec`` |

Modules whose names begin with an underscore are anyserial's own and have no counterpart.
"""

import importlib
from typing import Any

from anyserial_sync._pyserial.serialposix import PosixPollSerial, Serial, VTIMESerial
from anyserial_sync._pyserial.serialutil import (
    CR,
    EIGHTBITS,
    FIVEBITS,
    LF,
    PARITY_EVEN,
    PARITY_MARK,
    PARITY_NAMES,
    PARITY_NONE,
    PARITY_ODD,
    PARITY_SPACE,
    SEVENBITS,
    SIXBITS,
    STOPBITS_ONE,
    STOPBITS_ONE_POINT_FIVE,
    STOPBITS_TWO,
    XOFF,
    XON,
    PortNotOpenError,
    SerialBase,
    SerialException,
    SerialTimeoutException,
    Timeout,
    basestring,
    iterbytes,
    to_bytes,
    unicode,
)

__all__ = (
    "CR",
    "EIGHTBITS",
    "FIVEBITS",
    "LF",
    "PARITY_EVEN",
    "PARITY_MARK",
    "PARITY_NAMES",
    "PARITY_NONE",
    "PARITY_ODD",
    "PARITY_SPACE",
    "SEVENBITS",
    "SIXBITS",
    "STOPBITS_ONE",
    "STOPBITS_ONE_POINT_FIVE",
    "STOPBITS_TWO",
    "VERSION",
    "XOFF",
    "XON",
    "PortNotOpenError",
    "PosixPollSerial",
    "Serial",
    "SerialBase",
    "SerialException",
    "SerialTimeoutException",
    "Timeout",
    "VTIMESerial",
    "basestring",
    "iterbytes",
    "protocol_handler_packages",
    "serial_for_url",
    "to_bytes",
    "unicode",
)

__version__ = "3.5"
VERSION = __version__
"""The version of pySerial whose API this is; programs compare it."""

protocol_handler_packages: list[str] = [f"{__name__}.urlhandler"]
"""Where `serial_for_url` looks for the module ``protocol_X`` that handles ``X://``; add packages of your own."""


def serial_for_url(url: str | None, *args: Any, do_not_open: bool = False, **kwargs: Any) -> Serial:
    """Return a port for a URL, or for a device's path.

    Args:
        url: A path, or a URL such as ``loop://`` whose scheme has a handler in `protocol_handler_packages`.
        *args: Settings, in the order of `Serial`, without the port.
        do_not_open: Whether to leave the port closed.
        **kwargs: Settings, as of `Serial`.

    Returns:
        An instance of the handler's class, which has the methods of `Serial`.

    Raises:
        ValueError: No handler knows the URL's scheme, or a setting is not valid.
        SerialException: The port cannot be opened.
    """
    port: Any = Serial
    scheme, is_url, _ = url.partition("://") if isinstance(url, str) else ("", "", "")
    if is_url:
        handler = _handler_of(scheme.lower())
        choose = getattr(handler, "serial_class_for_url", None)
        if choose is None:
            port = handler.Serial
        else:
            url, port = choose(url)
    instance: Serial = port(None, *args, **kwargs)
    instance.port = url
    if not do_not_open:
        instance.open()
    return instance


def _handler_of(scheme: str) -> Any:
    for package in protocol_handler_packages:
        name = f"{package}.protocol_{scheme}"
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as exc:
            # A handler that is there and fails to import something else shows its own error.
            if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
                raise
    raise ValueError(
        f"no handler for URLs that begin with {scheme}://"
        f" (looked for protocol_{scheme} in {', '.join(protocol_handler_packages)})"
    )
