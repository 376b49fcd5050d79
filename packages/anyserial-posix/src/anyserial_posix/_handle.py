"""An open descriptor with its path, and what an error on it means.

No request is made here but the two that tell one error from another: poll(2) says whether the
device is gone, TIOCGETD whether a line discipline has taken the tty.
"""

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from anyserial._spi import translate
from anyserial.exceptions import SerialError

from anyserial_posix._ioctl import get_int
from anyserial_posix._lock import holders

if TYPE_CHECKING:
    from collections.abc import Generator

    from anyserial._spi import ErrorContext

    from anyserial_posix._syscalls import Syscalls
    from anyserial_posix._tables import Platform

__all__ = ("CLOSED", "NO_MECHANISM", "Handle", "os_error")

# No descriptor ever has this number, so a call on it is answered EBADF by the kernel; -1 would
# be refused by Python itself, each function in its own way.
CLOSED: Final = 2**31 - 1

# Seconds. A transfer that fails because the device is being unplugged fails before the kernel
# reports the hang-up, which follows within 20 ms.
UNPLUG_PATIENCE: Final = 0.025

# What such a transfer fails with: most drivers translate what the USB core says
# (Documentation/driver-api/usb/error-codes.rst) to EIO, not all, and not everywhere.
_CUT_OFF: Final = frozenset(
    {errno.EIO, errno.EPROTO, errno.EILSEQ, errno.ETIMEDOUT, errno.ESHUTDOWN, errno.ECONNRESET, errno.EPIPE}
)

# What a tty answers that another line discipline has: EIO to a read or write, the others to requests.
_TAKEN: Final = frozenset({errno.EIO, errno.EINVAL, errno.ENOTTY, errno.EOPNOTSUPP})

# The line discipline of a tty that is in the middle of a hang-up (drivers/tty/tty_ldisc.c, tty_ldisc_hangup).
_HANGING_UP: Final = "null"

# What drivers answer to a request that they do not have.
NO_MECHANISM: Final = frozenset({errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


def os_error(number: int) -> OSError:
    """Return the OSError that the kernel would give."""
    return OSError(number, os.strerror(number))


class Handle:
    """A descriptor, `CLOSED` when there is none."""

    __slots__ = ("device", "fd", "is_pty", "path", "platform", "system")

    def __init__(
        self, system: "Syscalls", platform: "Platform", path: str = "", fd: int = CLOSED, device: int = 0
    ) -> None:
        self.system = system
        self.platform = platform
        self.path = path
        self.fd = fd
        self.device = device
        self.is_pty = os.major(device) in platform.pty_majors

    def hung_up(self, patience: float = 0.0) -> bool:
        """Return whether the device is gone for certain (POLLHUP or POLLERR), now or within *patience* seconds."""
        if self.fd == CLOSED:
            return False
        try:
            return self.system.gone(self.fd, patience)
        except OSError:
            return False

    def discipline(self) -> str | None:
        """Return what line discipline takes all that the tty receives; None while reads get it."""
        if not self.platform.disciplines:
            return None
        try:
            number = get_int(self.system, self.fd, self.platform.ioctls.tiocgetd)
        except OSError:
            return None
        return self.platform.discipline(number)

    def taken(
        self,
        discipline: str,
        cause: OSError | None = None,
        *,
        context: "ErrorContext" = "open",
        may_wait: bool = True,
    ) -> SerialError:
        """Return the error of a port that a line discipline has."""
        if discipline == _HANGING_UP and may_wait and self.hung_up(UNPLUG_PATIENCE):
            gone = os_error(errno.ENODEV if context == "open" else errno.EIO)
            return translate(gone, context=context, path=self.path, hung_up=True)
        detail = f"its line discipline is {discipline}, so the kernel takes all that it receives"
        if may_wait and (holder := holders(self.system, self.path, self.fd)) is not None:
            detail = f"{detail}; {holder}"
        error = translate(os_error(errno.EBUSY), context="open", path=self.path, detail=detail)
        if cause is not None:
            error.__cause__ = cause
        return error

    def lacks(self, error: OSError) -> bool:
        """Return whether *error* means that the driver does not have the mechanism, rather than that it is gone."""
        return error.errno in NO_MECHANISM and not self.hung_up()

    def error(
        self,
        error: OSError,
        context: "ErrorContext",
        detail: str | None = None,
        *,
        feature: str | None = None,
        may_wait: bool = True,
    ) -> SerialError:
        """Return the SerialError that *error* means on this descriptor.

        Args:
            error: What the system call raised.
            context: What was being done.
            detail: What else is known.
            feature: What was asked for, with its article, where the driver may lack it.
            may_wait: False on the event loop's thread.
        """
        hung_up = self.hung_up(UNPLUG_PATIENCE if may_wait and error.errno in _CUT_OFF else 0.0)
        if error.errno in _TAKEN and not hung_up and (discipline := self.discipline()) is not None:
            return self.taken(discipline, error, context=context, may_wait=may_wait)
        if error.errno == errno.EPIPE and context in {"ioctl", "configure"} and not hung_up:
            # No pipe is broken: a USB device refuses a control request with STALL, and cp210x, ch341
            # and others hand on what the USB core calls that.
            refused = SerialError(errno.EPIPE, "the device refused the request (USB stall)", self.path)
            refused.__cause__ = error
            return refused
        if hung_up and context == "open":
            error = os_error(errno.ENODEV)
        if feature is not None:
            feature = f"{feature}{self.remark}"
        return translate(error, context=context, path=self.path, hung_up=hung_up, detail=detail, feature=feature)

    @property
    def remark(self) -> str:
        """What to add to a message about something that the driver does not have or take."""
        return "; a pseudo-terminal has no line" if self.is_pty else ""

    @contextmanager
    def translated(self, context: "ErrorContext", feature: str | None = None) -> "Generator[None]":
        """Raise what goes wrong in the block as a SerialError. Not for the event loop's thread."""
        try:
            yield
        except SerialError:
            raise
        except OSError as exc:
            raise self.error(exc, context, feature=feature) from exc
