"""What every kind of port shares in pySerial: `SerialBase`, the exceptions, the constants, helpers.

Only names belong here.
"""

from anyserial_sync._pyserial._base import SerialBase
from anyserial_sync._pyserial._constants import (
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
)
from anyserial_sync._pyserial._errors import PortNotOpenError, SerialException, SerialTimeoutException
from anyserial_sync._pyserial._helpers import Timeout, iterbytes, to_bytes

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
    "XOFF",
    "XON",
    "PortNotOpenError",
    "SerialBase",
    "SerialException",
    "SerialTimeoutException",
    "Timeout",
    "basestring",
    "iterbytes",
    "to_bytes",
    "unicode",
)

# Python 2's names, which programs written for both import from here.
basestring = str
unicode = str
