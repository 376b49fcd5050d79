"""From a path to a descriptor: opening the device node, and saying why it cannot be opened.

What is set on the port is not this module's business.
"""

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from anyserial._spi import translate
from anyserial.exceptions import SerialError

from anyserial_posix._handle import Handle, os_error
from anyserial_posix._lock import holders

if TYPE_CHECKING:
    from anyserial_posix._syscalls import Syscalls
    from anyserial_posix._tables import Platform

__all__ = ("check_node", "open_node")

OPEN_FLAGS: Final = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
# Major numbers that are ttys' alone, so that opening one of those asks sysfs nothing: ttyS, pseudo-terminals,
# ttyACM, ttyUSB, and the UARTs of boards (the kernel's Documentation/admin-guide/devices.txt).
_TTYS: Final = frozenset((4, *range(136, 144), 166, 188, 204))


def check_node(system: "Syscalls", platform: "Platform", path: str) -> os.stat_result:
    """Return the status of the node at *path*, which is not opened: opening a FIFO, ptmx or a watchdog has effects.

    Raises:
        SerialError: The node is of another kind.
        OSError: There is no node, or it cannot be reached.
        ValueError: *path* has a null character.
    """
    status = system.stat(path)
    if not stat.S_ISCHR(status.st_mode):
        raise translate(os_error(errno.ENOTTY), context="open", path=path)
    if status.st_rdev in platform.pty_makers or path.endswith("/ptmx"):
        raise SerialError(errno.ENOTTY, "this is not a serial port: opening it makes a new pseudo-terminal", path)
    if _is_of_another_kind(system, platform, status.st_rdev):
        raise translate(os_error(errno.ENOTTY), context="open", path=path)
    return status


def _is_of_another_kind(system: "Syscalls", platform: "Platform", device: int) -> bool:
    """Return whether Linux says that a character device is not a tty."""
    major = os.major(device)
    if not platform.name.startswith("linux") or major in _TTYS:
        return False
    try:
        subsystem = system.readlink(f"/sys/dev/char/{major}:{os.minor(device)}/subsystem")
    except OSError:  # no sysfs, as in some containers: the first request tells
        return False
    return os.path.basename(subsystem) not in {"tty", "serial-base"}  # as everywhere here


def open_node(system: "Syscalls", platform: "Platform", path: str) -> Handle:
    """Open *path* and return its handle.

    O_NOCTTY, or a hang-up could end the process with SIGHUP; O_NONBLOCK, or opening waits
    for a carrier; O_CLOEXEC, or a child process keeps the port open.

    Raises:
        SerialError: It cannot be opened, or is not a tty.
    """
    try:
        status = check_node(system, platform, path)
        return Handle(system, platform, path, system.open(path, OPEN_FLAGS), status.st_rdev)
    except SerialError:
        raise
    except ValueError as exc:  # a null character, or a surrogate that is not a byte
        raise translate(os_error(errno.ENOENT), context="open", path=path, detail=str(exc)) from exc
    except OSError as exc:
        detail = _detail(system, platform, exc, path)
        raise translate(exc, context="open", path=path, detail=detail) from exc


def _detail(system: "Syscalls", platform: "Platform", error: OSError, path: str) -> str | None:
    if error.errno == errno.EBUSY:
        return holders(system, path)
    if error.errno in (errno.EACCES, errno.EPERM):
        from anyserial_posix._access import explain  # noqa: PLC0415  # user and group databases, needed only now

        return explain(system, platform.name, path, error.errno)
    if error.errno == errno.ENOENT:
        target = system.realpath(path)
        if target != os.path.abspath(path):
            return f"it is a link to {target!r}, which does not exist"
    return None
