"""Blocking ports: the implementation behind ``anyserial.sync``. Only names, no code, belong here."""

from anyserial_sync._discovery import PortWatch, find_serial_port, list_serial_ports, watch_serial_ports
from anyserial_sync._opening import SerialConnectable, open_serial_port
from anyserial_sync._portal_provider import configure_portal, get_portal_provider
from anyserial_sync._serial_port import SerialPort

__all__ = (
    "PortWatch",
    "SerialConnectable",
    "SerialPort",
    "configure_portal",
    "find_serial_port",
    "get_portal_provider",
    "list_serial_ports",
    "open_serial_port",
    "watch_serial_ports",
)
