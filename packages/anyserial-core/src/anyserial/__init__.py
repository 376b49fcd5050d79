"""Async serial-port I/O on AnyIO: the public names, and nothing else.

Every name is loaded from its home when it is first used, so that
``from anyserial import open_serial_port`` costs no more than opening a port needs.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyserial._async_opening import SerialConnectable, open_serial_port
    from anyserial._inspection import PortState, inspect_serial_port
    from anyserial._reconnection import Reconnection, reconnect, wait_for_port
    from anyserial._version import __version__
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.capabilities import (
        Capability,
        CommEvent,
        ControlLines,
        LineCounters,
        ModemLines,
        PortStatistics,
        SerialCapabilities,
    )
    from anyserial.config import (
        ByteSize,
        FlowControl,
        LineErrors,
        Parity,
        RS485Config,
        SerialConfig,
        StopBits,
        UnsupportedPolicy,
    )
    from anyserial.discovery import (
        DiscoveryBackend,
        PortEvent,
        PortInfo,
        canonical_port_name,
        find_serial_port,
        list_serial_ports,
        watch_serial_ports,
    )
    from anyserial.exceptions import (
        ConfigurationError,
        LineError,
        PortBusyError,
        PortNotFoundError,
        PortPermissionError,
        SerialCancelledError,
        SerialClosedError,
        SerialDisconnectedError,
        SerialError,
        UnsupportedAsyncBackendError,
        UnsupportedConfigurationError,
        UnsupportedFeatureError,
        UnsupportedPlatformError,
    )
    from anyserial.stream import BytesLike, SerialPort, SerialStreamAttribute

__all__ = (
    "AsyncSerialBackend",
    "ByteSize",
    "BytesLike",
    "Capability",
    "CommEvent",
    "ConfigurationError",
    "ControlLines",
    "DiscoveryBackend",
    "FlowControl",
    "LineCounters",
    "LineError",
    "LineErrors",
    "ModemLines",
    "Parity",
    "PortBusyError",
    "PortEvent",
    "PortInfo",
    "PortNotFoundError",
    "PortPermissionError",
    "PortState",
    "PortStatistics",
    "RS485Config",
    "Reconnection",
    "SerialBackend",
    "SerialCancelledError",
    "SerialCapabilities",
    "SerialClosedError",
    "SerialConfig",
    "SerialConnectable",
    "SerialDisconnectedError",
    "SerialError",
    "SerialPort",
    "SerialStreamAttribute",
    "StopBits",
    "UnsupportedAsyncBackendError",
    "UnsupportedConfigurationError",
    "UnsupportedFeatureError",
    "UnsupportedPlatformError",
    "UnsupportedPolicy",
    "__version__",
    "canonical_port_name",
    "find_serial_port",
    "inspect_serial_port",
    "list_serial_ports",
    "open_serial_port",
    "reconnect",
    "wait_for_port",
    "watch_serial_ports",
)

_HOMES = {
    "_async_opening": ("SerialConnectable", "open_serial_port"),
    "_inspection": ("PortState", "inspect_serial_port"),
    "_reconnection": ("Reconnection", "reconnect", "wait_for_port"),
    "_version": ("__version__",),
    "backend": ("AsyncSerialBackend", "SerialBackend"),
    "capabilities": (
        "Capability",
        "CommEvent",
        "ControlLines",
        "LineCounters",
        "ModemLines",
        "PortStatistics",
        "SerialCapabilities",
    ),
    "config": (
        "ByteSize",
        "FlowControl",
        "LineErrors",
        "Parity",
        "RS485Config",
        "SerialConfig",
        "StopBits",
        "UnsupportedPolicy",
    ),
    "discovery": (
        "DiscoveryBackend",
        "PortEvent",
        "PortInfo",
        "canonical_port_name",
        "find_serial_port",
        "list_serial_ports",
        "watch_serial_ports",
    ),
    "exceptions": (
        "ConfigurationError",
        "LineError",
        "PortBusyError",
        "PortNotFoundError",
        "PortPermissionError",
        "SerialCancelledError",
        "SerialClosedError",
        "SerialDisconnectedError",
        "SerialError",
        "UnsupportedAsyncBackendError",
        "UnsupportedConfigurationError",
        "UnsupportedFeatureError",
        "UnsupportedPlatformError",
    ),
    "stream": ("BytesLike", "SerialPort", "SerialStreamAttribute"),
}
# `sync` and `testing` are a part's: asked for without it, they say what to install.
_SUBMODULES = (
    "asyncio",
    "backend",
    "capabilities",
    "config",
    "discovery",
    "exceptions",
    "framing",
    "network",
    "stream",
    "sync",
    "tap",
    "testing",
)


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415  # not part of this module's face

    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(f"anyserial.{home}"), name)
            globals()[name] = value
            return value
    if name in _SUBMODULES:
        return import_module(f"anyserial.{name}")
    raise AttributeError(f"module 'anyserial' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_SUBMODULES]
