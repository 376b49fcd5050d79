"""Request numbers, the bits that go with them, and how their arguments are packed.

Only shapes and encodings belong here; the numbers of a platform are in its own module.
"""

import errno
import os
import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from anyserial_posix._syscalls import Syscalls

__all__ = ("ICOUNTER", "Ioctls", "ModemBits", "call", "get_int", "get_struct", "set_int", "set_struct")

INT_SIZE = 4
_ZERO = bytes(INT_SIZE)


class ModemBits(NamedTuple):
    """The bits of TIOCMGET; these values are everybody's but for MIPS."""

    dtr: int = 0x002
    rts: int = 0x004
    cts: int = 0x020
    cd: int = 0x040
    ri: int = 0x080
    dsr: int = 0x100

    def with_lines(self, lines: int, *, rts: bool | None, dtr: bool | None) -> int:
        """Return *lines* with the control lines that are not None set or cleared."""
        for level, bit in ((rts, self.rts), (dtr, self.dtr)):
            if level is not None:
                lines = lines | bit if level else lines & ~bit
        return lines


class Ioctls(NamedTuple):
    """A platform's request numbers; None where the platform has no such request.

    ``tcgets`` and ``tcsets`` stand for whatever reads and sets the whole termios
    structure at once: TCGETS2 and TCSETS2 on Linux, TCGETS and TCSETS on powerpc,
    TIOCGETA and TIOCSETA on the BSDs.
    """

    tcgets: int | None
    tcsets: int | None
    fionread: int | None
    tiocoutq: int | None
    tiocexcl: int | None
    tiocnxcl: int | None
    tiocmget: int | None
    tiocmset: int | None
    tiocmbis: int | None
    tiocmbic: int | None
    tiocsbrk: int | None
    tioccbrk: int | None
    tiocgexcl: int | None = None
    tiocgetd: int | None = None
    tiocgicount: int | None = None
    tiocsergetlsr: int | None = None
    tiocgserial: int | None = None
    tiocsserial: int | None = None
    tiocgrs485: int | None = None
    tiocsrs485: int | None = None


def _known(request: int | None) -> int:
    # The same answer as from a driver that does not have the request.
    if request is None:
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
    return request


def get_int(system: "Syscalls", fd: int, request: int | None) -> int:
    """Return the C int that *request* writes."""
    return int.from_bytes(system.ioctl(fd, _known(request), _ZERO), sys.byteorder, signed=True)


def set_int(system: "Syscalls", fd: int, request: int | None, value: int) -> None:
    """Pass a C int by reference, as the modem-line requests take it."""
    system.ioctl(fd, _known(request), value.to_bytes(INT_SIZE, sys.byteorder, signed=True))


def get_struct(system: "Syscalls", fd: int, request: int | None, size: int) -> bytes:
    """Return the structure of *size* bytes that *request* writes."""
    return system.ioctl(fd, _known(request), bytes(size))


def set_struct(system: "Syscalls", fd: int, request: int | None, value: bytes) -> None:
    """Pass a structure."""
    system.ioctl(fd, _known(request), value)


def call(system: "Syscalls", fd: int, request: int | None) -> None:
    """Make a request that takes no argument."""
    system.ioctl_value(fd, _known(request), 0)


# struct serial_icounter_struct (linux/serial.h): eleven ints and nine reserved.
ICOUNTER = struct.Struct("=11i36x")
# struct serial_struct (linux/serial.h): `flags` is the fifth int on every architecture;
# what follows holds pointers, so the buffer is larger than any of its sizes (60 or 72).
SERIAL_STRUCT_SIZE = 128
SERIAL_FLAGS_OFFSET = 16
SERIAL_DIVISOR_OFFSET = 24
ASYNC_LOW_LATENCY = 0x2000
ASYNC_SPD_MASK = 0x1030
# struct serial_rs485 (linux/serial.h): flags, two delays in milliseconds, padding to 32 bytes.
RS485 = struct.Struct("=3I20s")
SER_RS485_ENABLED = 0x01
SER_RS485_RTS_ON_SEND = 0x02
SER_RS485_RTS_AFTER_SEND = 0x04
SER_RS485_RX_DURING_TX = 0x10
TIOCSER_TEMT = 0x01
