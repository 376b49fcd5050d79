"""pySerial's module for POSIX: `Serial`, and the numbers of ioctls that programs import from here.

Only names and numbers belong here.
"""

import struct
import sys
import termios

from anyserial_sync._pyserial._base import SerialBase
from anyserial_sync._pyserial._errors import PortNotOpenError, SerialException, SerialTimeoutException
from anyserial_sync._pyserial._helpers import Timeout, to_bytes
from anyserial_sync._pyserial._platform import PlatformSpecific, PlatformSpecificBase
from anyserial_sync._pyserial._serial import Serial

__all__ = (
    "BOTHER",
    "CMSPAR",
    "SER_RS485_ENABLED",
    "SER_RS485_RTS_AFTER_SEND",
    "SER_RS485_RTS_ON_SEND",
    "SER_RS485_RX_DURING_TX",
    "TCGETS2",
    "TCSETS2",
    "TIOCCBRK",
    "TIOCGRS485",
    "TIOCINQ",
    "TIOCMBIC",
    "TIOCMBIS",
    "TIOCMGET",
    "TIOCMSET",
    "TIOCM_CAR",
    "TIOCM_CD",
    "TIOCM_CTS",
    "TIOCM_DSR",
    "TIOCM_DTR",
    "TIOCM_RI",
    "TIOCM_RNG",
    "TIOCM_RTS",
    "TIOCOUTQ",
    "TIOCSBRK",
    "TIOCSRS485",
    "PlatformSpecific",
    "PlatformSpecificBase",
    "PortNotOpenError",
    "PosixPollSerial",
    "Serial",
    "SerialBase",
    "SerialException",
    "SerialTimeoutException",
    "TIOCM_DTR_str",
    "TIOCM_RTS_str",
    "TIOCM_zero_str",
    "Timeout",
    "VTIMESerial",
    "plat",
    "to_bytes",
)

plat = sys.platform.lower()


def _number(name: str, linux: int) -> int:
    value: int = getattr(termios, name, linux)
    return value


CMSPAR = 0o10000000000 if plat.startswith("linux") else 0

TIOCMGET = _number("TIOCMGET", 0x5415)
TIOCMBIS = _number("TIOCMBIS", 0x5416)
TIOCMBIC = _number("TIOCMBIC", 0x5417)
TIOCMSET = _number("TIOCMSET", 0x5418)

TIOCM_DTR = _number("TIOCM_DTR", 0x002)
TIOCM_RTS = _number("TIOCM_RTS", 0x004)
TIOCM_CTS = _number("TIOCM_CTS", 0x020)
TIOCM_CAR = _number("TIOCM_CAR", 0x040)
TIOCM_RNG = _number("TIOCM_RNG", 0x080)
TIOCM_DSR = _number("TIOCM_DSR", 0x100)
TIOCM_CD = _number("TIOCM_CD", TIOCM_CAR)
TIOCM_RI = _number("TIOCM_RI", TIOCM_RNG)

TIOCINQ = _number("FIONREAD", 0x541B)
TIOCOUTQ = _number("TIOCOUTQ", 0x5411)
TIOCSBRK = _number("TIOCSBRK", 0x5427)
TIOCCBRK = _number("TIOCCBRK", 0x5428)

# The arguments of ioctls: an int as the C library takes it.
TIOCM_zero_str: bytes = struct.pack("I", 0)
TIOCM_RTS_str: bytes = struct.pack("I", TIOCM_RTS)
TIOCM_DTR_str: bytes = struct.pack("I", TIOCM_DTR)

# Linux only (asm-generic/ioctls.h, linux/serial.h); elsewhere no driver knows these requests.
TCGETS2 = 0x802C542A
TCSETS2 = 0x402C542B
BOTHER = 0o010000
TIOCGRS485 = 0x542E
TIOCSRS485 = 0x542F
SER_RS485_ENABLED = 0b00000001
SER_RS485_RTS_ON_SEND = 0b00000010
SER_RS485_RTS_AFTER_SEND = 0b00000100
SER_RS485_RX_DURING_TX = 0b00010000


class PosixPollSerial(Serial):
    """The same as `Serial`, which always waits in poll(2). pySerial has this as a way out of select(2)'s limits."""


class VTIMESerial(Serial):
    """The same as `Serial`: `Serial.inter_byte_timeout` works on every port, for which pySerial has this class."""
