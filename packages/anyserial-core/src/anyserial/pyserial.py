"""pySerial 3.5's API on anyserial, from the distribution anyserial-sync: ``import anyserial.pyserial as serial``.

pySerial's submodules are attributes: ``serial.tools.list_ports``, ``serial.rs485``. Only names belong here.
"""

from anyserial._parts import load_part

load_part("anyserial_sync")  # or an error that says what to install

from anyserial_sync._pyserial import (  # noqa: E402
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
    VERSION,
    XOFF,
    XON,
    PortNotOpenError,
    PosixPollSerial,
    Serial,
    SerialBase,
    SerialException,
    SerialTimeoutException,
    Timeout,
    VTIMESerial,
    basestring,
    iterbytes,
    protocol_handler_packages,
    serial_for_url,
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

__version__ = VERSION
