"""Exclusive access: flock(2) and TIOCEXCL together, and which process holds a port that is busy.

TIOCEXCL makes the kernel refuse every later open, but not root's; flock only affects programs
that ask for it. Together they keep out both. TIOCEXCL belongs to the tty, not to the
descriptor, so it is taken back by hand: a close may be minutes away in another thread.
When it is taken and given back is not decided here: that is `_settings`.
"""

import errno
import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from anyserial._spi import printable

from anyserial_posix._ioctl import call, get_int

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyserial_posix._ioctl import Ioctls
    from anyserial_posix._syscalls import Syscalls

__all__ = ("acquire", "alone", "held_by_other", "holders", "release")

MAX_NAMED = 3
_LOCK_NODE = 5  # the field of /proc/locks that names the file; the process is the field before it


def held_by_other(system: "Syscalls", fd: int, ioctls: "Ioctls") -> bool:
    """Return whether somebody has set TIOCEXCL already; root's open succeeds all the same."""
    if ioctls.tiocgexcl is None:
        return False
    try:
        return get_int(system, fd, ioctls.tiocgexcl) != 0
    except OSError:
        return False  # a kernel without it (before 3.8)


def acquire(system: "Syscalls", fd: int, ioctls: "Ioctls") -> None:
    """Take both locks, or neither.

    Raises:
        OSError: EWOULDBLOCK if somebody else has the port.
    """
    system.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        call(system, fd, ioctls.tiocexcl)
    except OSError:
        with suppress(OSError):
            system.flock(fd, fcntl.LOCK_UN)
        raise


def release(system: "Syscalls", fd: int, ioctls: "Ioctls") -> None:
    """Give both back; a device that is gone has none."""
    with suppress(OSError):
        call(system, fd, ioctls.tiocnxcl)
    with suppress(OSError):
        system.flock(fd, fcntl.LOCK_UN)


def holders(system: "Syscalls", path: str, own: int | None = None) -> str | None:
    """Say which processes hold *path* open, or None where /proc does not tell.

    Other users' descriptors are visible to root only, but every user can see which process holds a lock.

    Args:
        system: The system calls.
        path: The port's path.
        own: The descriptor on which the port turned out to be busy; it holds nobody out.
    """
    target = system.realpath(path)
    named: list[str] = []
    for pid in [*_openers(system, target, own)] or _lockers(system, target):
        if len(named) == MAX_NAMED:
            named.append("and others")
            break
        named.append(f"this process (pid {pid})" if pid == os.getpid() else f"pid {pid} ({_command(system, pid)})")
    return f"held by {', '.join(named)}" if named else None


def alone(system: "Syscalls", path: str) -> bool:
    """Return whether *path* is open once only, by this process, as far as /proc tells."""
    target = system.realpath(path)
    if any(pid != os.getpid() for pid in _openers(system, target)):
        return False
    return len([*_descriptors(system, f"/proc/{os.getpid()}/fd", target)]) <= 1


def _openers(system: "Syscalls", target: str, own: int | None = None) -> "Iterator[int]":
    with suppress(OSError):
        for name in system.listdir("/proc"):
            if name.isdecimal():
                found = {*_descriptors(system, f"/proc/{name}/fd", target)}
                if int(name) == os.getpid():
                    found.discard(str(own))
                if found:
                    yield int(name)


def _lockers(system: "Syscalls", target: str) -> "Iterator[int]":
    """Yield the processes that hold a flock(2) on the node (proc_locks(5))."""
    with suppress(OSError):
        node = system.stat(target)
        device = f"{os.major(node.st_dev):02x}:{os.minor(node.st_dev):02x}:{node.st_ino}"
        for line in system.read_file("/proc/locks").splitlines():
            # "1: FLOCK  ADVISORY  WRITE 4711 00:06:123 0 EOF"; a process that waits for it has "->" after the number.
            fields = line.split()
            if len(fields) > _LOCK_NODE and fields[1] == "FLOCK" and fields[_LOCK_NODE] == device:
                pid = int(fields[_LOCK_NODE - 1])
                if pid > 0:  # not in this process's PID namespace otherwise
                    yield pid


def _descriptors(system: "Syscalls", folder: str, target: str) -> "Iterator[str]":
    # A process may end, or turn out to be another user's, at any point.
    with suppress(OSError):
        for number in system.listdir(folder):
            with suppress(OSError):
                if system.readlink(f"{folder}/{number}") == target:
                    yield number


def _command(system: "Syscalls", pid: int) -> str:
    try:
        # The user who runs the process chooses its name, escape sequences included.
        return printable(system.read_file(f"/proc/{pid}/comm").removesuffix("\n"))
    except OSError:
        return "?"


def is_busy(error: OSError) -> bool:
    """Return whether *error* means that somebody else has the port."""
    return error.errno in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)
