"""The blocking API, from the distribution anyserial-sync.

Only names, no code, belong here.
"""

from anyserial._parts import load_part

load_part("anyserial_sync")  # or an error that says what to install

from anyserial_sync import (  # noqa: E402
    PortWatch,
    SerialConnectable,
    SerialPort,
    configure_portal,
    find_serial_port,
    get_portal_provider,
    list_serial_ports,
    open_serial_port,
    watch_serial_ports,
)

_get_provider = get_portal_provider  # the name that users of 0.2 import

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
