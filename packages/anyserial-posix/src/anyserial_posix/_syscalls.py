"""The one door to the operating system: every system call of the driver goes through it.

A test passes its own object and plays a kernel, so what a pty cannot do is tried
without hardware. Nothing here knows what a call is for. The functions are bound
as they are, so that the two hot ones (`read`, `write`) cost no Python frame of their own.
"""

import errno
import fcntl
import os
import posix
import select
import termios
import time
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("FLUSH_INPUT", "FLUSH_OUTPUT", "KERNEL", "Kernel", "Syscalls")

FLUSH_INPUT = termios.TCIFLUSH
FLUSH_OUTPUT = termios.TCOFLUSH

_NODEV = getattr(os, "ST_NODEV", 0)  # Linux only

# eventlet takes poll away from the module, and gevent puts one there that reports no hang-up.
_POLL = select.poll if isinstance(getattr(select, "poll", None), BuiltinFunctionType) else None
_POLL_GONE = 0 if _POLL is None else select.POLLHUP | select.POLLERR
_HUNG_UP = frozenset({errno.EIO, errno.ENXIO, errno.ENODEV})
_LOOK_INTERVAL = 0.005  # seconds


class Syscalls(Protocol):
    """What the driver asks of the operating system.

    Each call raises OSError and nothing else, and none because of a signal: one that a signal
    interrupts is made again once Python's handler has run (PEP 475), unless that raises.
    """

    @property
    def read(self) -> "Callable[[int, int], bytes]":
        """``os.read``."""
        ...

    @property
    def readv(self) -> "Callable[[int, tuple[memoryview]], int]":
        """``os.readv``."""
        ...

    @property
    def write(self) -> "Callable[[int, bytes | memoryview], int]":
        """``os.write``."""
        ...

    def ioctl(self, fd: int, request: int, argument: bytes) -> bytes:
        """Pass a structure to the driver, and return it as the driver left it."""
        ...

    def ioctl_value(self, fd: int, request: int, argument: int) -> None:
        """Pass a number, or none (0), to the driver."""
        ...

    def open(self, path: str, flags: int) -> int:
        """``os.open``."""
        ...

    def close(self, fd: int, /) -> None:
        """``os.close``."""
        ...

    def stat(self, path: str) -> os.stat_result:
        """``os.stat``."""
        ...

    def allows_devices(self, path: str) -> bool:
        """Return whether devices can be opened where *path* is, or whether its file system is mounted nodev."""
        ...

    def flock(self, fd: int, operation: int, /) -> None:
        """``fcntl.flock``."""
        ...

    def is_own_terminal(self, fd: int) -> bool:
        """Return whether it is the controlling terminal of this process."""
        ...

    def gone(self, fd: int, patience: float = 0.0) -> bool:
        """Return whether poll(2) reports POLLHUP or POLLERR, now or within *patience* seconds."""
        ...

    def pause(self, seconds: float, /) -> None:
        """``time.sleep``."""
        ...

    def drain(self, fd: int) -> None:
        """tcdrain(3)."""
        ...

    def flush(self, fd: int, queue: int) -> None:
        """tcflush(3)."""
        ...

    def get_attributes(self, fd: int) -> list[int | list[bytes | int]]:
        """``termios.tcgetattr``, for the platforms whose structures are not known here."""
        ...

    def set_attributes(self, fd: int, attributes: list[int | list[bytes | int]]) -> None:
        """``termios.tcsetattr`` with TCSANOW."""
        ...

    def read_file(self, path: str) -> str:
        """Return a small text file (sysfs, procfs)."""
        ...

    def write_file(self, path: str, text: str) -> None:
        """Write a sysfs file."""
        ...

    def listdir(self, path: str) -> list[str]:
        """``os.listdir``."""
        ...

    def readlink(self, path: str) -> str:
        """``os.readlink``."""
        ...

    def realpath(self, path: str) -> str:
        """``os.path.realpath``."""
        ...


class Kernel:
    """The real operating system."""

    # Of posix and not of os: eventlet replaces those of os by some that wait, and never return EAGAIN.
    read = staticmethod(posix.read)
    readv = staticmethod(posix.readv)
    write = staticmethod(posix.write)
    close = staticmethod(os.close)
    pause = staticmethod(time.sleep)

    def flock(self, fd: int, operation: int, /) -> None:
        """Lock or unlock the open file description."""
        fcntl.flock(fd, operation)

    def ioctl(self, fd: int, request: int, argument: bytes) -> bytes:
        """Call with a copy of *argument* and return that."""
        # CPython learns by an exception that an argument is immutable, which takes longer than the call itself.
        buffer = bytearray(argument)
        while True:
            try:
                fcntl.ioctl(fd, request, buffer)
            except InterruptedError:  # fcntl.ioctl is the one call that PEP 475 left out
                continue
            return bytes(buffer)

    def ioctl_value(self, fd: int, request: int, argument: int) -> None:
        """Call with *argument* by value."""
        while True:
            try:
                if argument:
                    fcntl.ioctl(fd, request, argument)
                else:  # it is 0 anyway, and CPython learns by two exceptions that it is a number
                    fcntl.ioctl(fd, request)
            except InterruptedError:
                continue
            return

    def open(self, path: str, flags: int) -> int:
        """Open without making a new tty the controlling one, and without waiting for a carrier."""
        return os.open(path, flags)

    def stat(self, path: str) -> os.stat_result:
        """Follow links to the device node."""
        return os.stat(path)

    def allows_devices(self, path: str) -> bool:
        """Look at the flags of the mount."""
        return not os.statvfs(path).f_flag & _NODEV

    def is_own_terminal(self, fd: int) -> bool:
        """Ask for its foreground group, which the kernel reports for this terminal only."""
        try:
            os.tcgetpgrp(fd)
        except OSError:
            return False
        return True

    def gone(self, fd: int, patience: float = 0.0) -> bool:
        """Ask poll(2), which reports hang-up and error whether they are asked for or not."""
        if _POLL is None:
            return _gone_by_request(fd, patience)
        poller = _POLL()  # a poll object refuses two threads at once, so each call has its own
        poller.register(fd, 0)
        events = poller.poll(patience * 1000)
        return bool(events) and bool(events[0][1] & _POLL_GONE)

    def drain(self, fd: int) -> None:
        """Wait for tcdrain(3)."""
        _library_call(termios.tcdrain, fd)

    def flush(self, fd: int, queue: int) -> None:
        """Discard with tcflush(3)."""
        _library_call(termios.tcflush, fd, queue)

    def get_attributes(self, fd: int) -> list[int | list[bytes | int]]:
        """Read the attributes through the C library."""
        return _library_call(termios.tcgetattr, fd)

    def set_attributes(self, fd: int, attributes: list[int | list[bytes | int]]) -> None:
        """Set the attributes at once, through the C library."""
        _library_call(termios.tcsetattr, fd, termios.TCSANOW, attributes)

    def read_file(self, path: str) -> str:
        """Read a small text file."""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def write_file(self, path: str, text: str) -> None:
        """Write a sysfs file."""
        with open(path, "w", encoding="ascii") as file:
            file.write(text)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a directory."""
        return os.listdir(path)

    def readlink(self, path: str) -> str:
        """Return where a link points."""
        return os.readlink(path)

    def realpath(self, path: str) -> str:
        """Return the path with every link followed, whether it exists or not."""
        return os.path.realpath(path)


def _gone_by_request(fd: int, patience: float) -> bool:
    """Return whether the tty answers no request any more, for a process without poll(2).

    Reading the attributes asks the kernel only, which refuses it once a tty has hung up: with EIO
    on Linux, ENXIO elsewhere.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            termios.tcgetattr(fd)
        except termios.error as exc:
            if exc.args[0] in _HUNG_UP:
                return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_INTERVAL)


def _library_call[**P, T](function: "Callable[P, T]", *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of the termios module, again after a signal, and raise its error as an OSError."""
    while True:
        try:
            return function(*args, **kwargs)
        except termios.error as exc:
            # It is not an OSError, though it carries the same two arguments.
            if exc.args[0] != errno.EINTR:
                raise OSError(*exc.args) from exc


KERNEL = Kernel()
