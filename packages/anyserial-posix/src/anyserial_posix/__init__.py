"""The termios driver behind ``anyserial.open_serial_port`` on Linux, macOS and the BSDs.

Only the ways to a backend, to a pty and to a look at a port stand here, and importing it loads nothing but itself.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyserial import PortState
    from anyserial.backend import SerialBackend

    from anyserial_posix._pty import Pty

__all__ = ("create_backend", "create_pty", "inspect_port")


def create_backend() -> "SerialBackend":
    """Return a backend for this platform, with no port open yet.

    Raises:
        UnsupportedPlatformError: There is no termios on this platform.
    """
    from anyserial_posix._platform import current_platform  # noqa: PLC0415  # first the platform, then termios

    platform = current_platform()
    from anyserial_posix._backend import PosixBackend  # noqa: PLC0415

    return PosixBackend(platform)


def create_pty() -> "Pty":
    """Return a new pseudo-terminal, for a program that looks on at a shared port.

    Raises:
        SerialError: The system has none left.
    """
    from anyserial_posix._pty import Pty  # noqa: PLC0415  # only for shared ports

    return Pty()


def inspect_port(path: str, *, opens: bool) -> "PortState":
    """Return what can be seen of the port at *path*, with nothing set on it.

    Args:
        path: The port's path.
        opens: Also read what the port has to be opened for: settings, lines, counters.

    Raises:
        SerialError: There is no such port, it is none, or it cannot be opened.
        UnsupportedPlatformError: There is no termios on this platform.
    """
    from anyserial_posix._platform import current_platform  # noqa: PLC0415  # first the platform, then termios

    platform = current_platform()
    from anyserial_posix._inspection import inspect  # noqa: PLC0415
    from anyserial_posix._syscalls import KERNEL  # noqa: PLC0415

    return inspect(KERNEL, platform, path, opens=opens)
