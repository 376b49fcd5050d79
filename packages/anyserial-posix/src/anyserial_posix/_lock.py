"""Exclusive access: flock(2) and TIOCEXCL together, and who holds a port that is busy.

TIOCEXCL makes the kernel refuse every later open, but not root's; flock is only
between those who ask. Together they keep out both. TIOCEXCL belongs to the tty, not to
the descriptor, so it is taken back by hand: a close may be minutes away in another thread.
"""

import errno
import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from anyserial_posix._ioctl import call, get_int

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyserial_posix._ioctl import Ioctls
    from anyserial_posix._syscalls import Syscalls

__all__ = ("acquire", "held_by_other", "holders", "release")

MAX_NAMED = 3


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


def holders(system: "Syscalls", path: str) -> str | None:
    """Say which processes hold *path* open, or None where /proc does not tell.

    Other users' descriptors are visible to root only.
    """
    named: list[str] = []
    for pid in _openers(system, system.realpath(path)):
        if len(named) == MAX_NAMED:
            named.append("and others")
            break
        named.append(f"this process (pid {pid})" if pid == os.getpid() else f"pid {pid} ({_command(system, pid)})")
    return f"held by {', '.join(named)}" if named else None


def _openers(system: "Syscalls", target: str) -> "Iterator[int]":
    with suppress(OSError):
        for name in system.listdir("/proc"):
            if name.isdecimal() and _has_open(system, f"/proc/{name}/fd", target):
                yield int(name)


def _has_open(system: "Syscalls", folder: str, target: str) -> bool:
    # A process may end, or turn out to be another user's, at any point.
    with suppress(OSError):
        for number in system.listdir(folder):
            with suppress(OSError):
                if system.readlink(f"{folder}/{number}") == target:
                    return True
    return False


def _command(system: "Syscalls", pid: int) -> str:
    try:
        return system.read_file(f"/proc/{pid}/comm").strip()
    except OSError:
        return "?"


def is_busy(error: OSError) -> bool:
    """Return whether *error* means that somebody else has the port."""
    return error.errno in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)
