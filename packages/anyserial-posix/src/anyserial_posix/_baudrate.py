"""Baud rates: the codes that Linux keeps for some of them, and macOS's odd ones.

Linux codes the standard rates in CBAUD and takes every other one as BOTHER with the
rate in c_ispeed and c_ospeed (asm/termbits.h, drivers/tty/tty_baudrate.c). A coded rate
is used where there is one, so that programs that know only codes can read it. The
numbers are the kernel's: current glibc defines B115200 as 115200. Tables only: how a
rate is set is `_termios`'s business.
"""

from typing import Final

__all__ = ("DARWIN_RATES", "GENERIC_CODES", "POWERPC_CODES", "SPARC_CODES")

_LOW_RATES = (50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400)
_LOW_CODES: Final = {rate: code for code, rate in enumerate(_LOW_RATES, 1)}

_HIGH_RATES = (
    57600,
    115200,
    230400,
    460800,
    500000,
    576000,
    921600,
    1000000,
    1152000,
    1500000,
    2000000,
    2500000,
    3000000,
    3500000,
    4000000,
)
_SPARC_HIGH_RATES = (
    57600,
    115200,
    230400,
    460800,
    76800,
    153600,
    307200,
    614400,
    921600,
    500000,
    576000,
    1000000,
    1152000,
    1500000,
    2000000,
)

GENERIC_CODES: Final = _LOW_CODES | {rate: code for code, rate in enumerate(_HIGH_RATES, 0x1001)}
SPARC_CODES: Final = _LOW_CODES | {rate: code for code, rate in enumerate(_SPARC_HIGH_RATES, 0x1001)}
POWERPC_CODES: Final = _LOW_CODES | {rate: code for code, rate in enumerate(_HIGH_RATES, 0x10)}

# The rates that tcsetattr takes everywhere on macOS (sys/termios.h); any other needs IOSSIOSPEED.
DARWIN_RATES: Final = frozenset(
    {*_LOW_RATES, 7200, 14400, 28800, 57600, 76800, 115200, 230400},
)
