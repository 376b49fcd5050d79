"""The blocking API, from the distribution anyserial-sync."""

from anyserial._parts import load_part

load_part("anyserial_sync")  # or an error that says what to install

from anyserial_sync import (  # noqa: E402
    SerialConnectable,
    SerialPort,
    configure_portal,
    get_portal_provider,
    open_serial_port,
)

_get_provider = get_portal_provider  # the name that users of 0.2 import

__all__ = (
    "SerialConnectable",
    "SerialPort",
    "configure_portal",
    "get_portal_provider",
    "open_serial_port",
)
