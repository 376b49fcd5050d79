"""Blocking ports: the implementation behind ``anyserial.sync``. Only names, no code, belong here."""

from anyserial_sync._open import SerialConnectable, open_serial_port
from anyserial_sync._port import SerialPort
from anyserial_sync._portal import configure_portal, get_portal_provider

__all__ = (
    "SerialConnectable",
    "SerialPort",
    "configure_portal",
    "get_portal_provider",
    "open_serial_port",
)
