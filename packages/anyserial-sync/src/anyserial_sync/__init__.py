"""Blocking ports: the implementation behind ``anyserial.sync``.

Only names, no code, belong here. Each is loaded from its home when it is first used, so that
``from anyserial.sync import SerialPort`` costs no more than opening a port needs.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyserial_sync._connectable import SerialConnectable
    from anyserial_sync._discovery import PortWatch, find_serial_port, list_serial_ports, watch_serial_ports
    from anyserial_sync._framed_stream import BlockingByteStream, FramedStream
    from anyserial_sync._inspection import inspect_serial_port
    from anyserial_sync._opening import open_serial_port
    from anyserial_sync._portal_provider import configure_portal, get_portal_provider
    from anyserial_sync._reconnection import Reconnection, reconnect, wait_for_port
    from anyserial_sync._serial_port import SerialPort
    from anyserial_sync._sharing import PortLink, SharedPort, share

__all__ = (
    "BlockingByteStream",
    "FramedStream",
    "PortLink",
    "PortWatch",
    "Reconnection",
    "SerialConnectable",
    "SerialPort",
    "SharedPort",
    "configure_portal",
    "find_serial_port",
    "get_portal_provider",
    "inspect_serial_port",
    "list_serial_ports",
    "open_serial_port",
    "reconnect",
    "share",
    "wait_for_port",
    "watch_serial_ports",
)

_HOMES = {
    "BlockingByteStream": "_framed_stream",
    "FramedStream": "_framed_stream",
    "PortLink": "_sharing",
    "PortWatch": "_discovery",
    "Reconnection": "_reconnection",
    "SerialConnectable": "_connectable",
    "SerialPort": "_serial_port",
    "SharedPort": "_sharing",
    "configure_portal": "_portal_provider",
    "find_serial_port": "_discovery",
    "get_portal_provider": "_portal_provider",
    "inspect_serial_port": "_inspection",
    "list_serial_ports": "_discovery",
    "open_serial_port": "_opening",
    "reconnect": "_reconnection",
    "wait_for_port": "_reconnection",
    "share": "_sharing",
    "watch_serial_ports": "_discovery",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415  # not part of this module's face

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"anyserial_sync.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__]
