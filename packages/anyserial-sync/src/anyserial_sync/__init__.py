"""Blocking ports: the implementation behind ``anyserial.sync``. Only names, no code, belong here."""

from anyserial_sync._discovery import PortWatch, find_serial_port, list_serial_ports, watch_serial_ports
from anyserial_sync._open import SerialConnectable, open_serial_port
from anyserial_sync._port import SerialPort
from anyserial_sync._portal import configure_portal, get_portal_provider

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
