"""macOS: 4.4BSD's bits in structures of 64-bit fields, and a request of its own for odd rates.

tcsetattr takes the rates of sys/termios.h; for any other, IOKit's serial drivers have
IOSSIOSPEED (IOKit/serial/ioss.h), which must come after it and is undone by the next one.
Given an odd rate, tcsetattr is refused by them, or sets an external clock (IOSerialBSDClient's
iossparam); tcgetattr shows the rate that IOSSIOSPEED has set. Nothing here decides when a call
is made.
"""

import errno
import struct
from typing import TYPE_CHECKING, Final, override

from anyserial.capabilities import Capability

from anyserial_posix._baudrate import DARWIN_RATES
from anyserial_posix._bsd import BSD_IOCTLS, DISCIPLINES, READ_LIMIT, SPLIT_FLOW_FLAGS, bsd_capabilities
from anyserial_posix._handle import os_error
from anyserial_posix._ioctl import ModemBits, set_struct
from anyserial_posix._tables import Layout, Platform

if TYPE_CHECKING:
    from anyserial_posix._syscalls import Syscalls
    from anyserial_posix._termios import Attributes

__all__ = ("PLATFORM",)

IOSSIOSPEED: Final = 0x80085402
SPEED: Final = struct.Struct("=Q")
EDEVERR: Final = 83  # sys/errno.h: the serial driver itself refused; Python has its name on macOS only
# In force only from tcsetattr to IOSSIOSPEED.
_STOPGAP_RATE = 9600


class _Darwin(Platform):
    """macOS's way with odd rates."""

    @override
    def set_attributes(self, system: "Syscalls", fd: int, attributes: "Attributes") -> None:
        rate = attributes.ospeed
        if rate in DARWIN_RATES:
            super().set_attributes(system, fd, attributes)
            return
        super().set_attributes(system, fd, attributes._replace(ispeed=_STOPGAP_RATE, ospeed=_STOPGAP_RATE))
        try:
            set_struct(system, fd, IOSSIOSPEED, SPEED.pack(rate))
        except OSError as exc:
            if exc.errno == EDEVERR:
                raise os_error(errno.EINVAL) from exc
            if exc.errno != errno.ENOTTY:
                raise
            # No IOKit serial port but, say, a pty: it takes the rate as it is.
            super().set_attributes(system, fd, attributes)


PLATFORM = _Darwin(
    name="darwin",
    flags=SPLIT_FLOW_FLAGS,
    ioctls=BSD_IOCTLS._replace(tcgets=0x40487413, tcsets=0x80487414),
    modem=ModemBits(),
    layout=Layout("=4Q20s4x2Q"),
    capabilities=bsd_capabilities("darwin", dtr_dsr=Capability.UNKNOWN),
    disciplines=DISCIPLINES,
    read_limit=READ_LIMIT,
)
