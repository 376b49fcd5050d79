"""Which platform this is. The only place that looks at `sys.platform`."""

import errno
import os
import sys
from functools import cache
from typing import TYPE_CHECKING

from anyserial.exceptions import UnsupportedPlatformError

if TYPE_CHECKING:
    from anyserial_posix._tables import Platform

__all__ = ("current_platform", "platform_for")


@cache
def current_platform() -> "Platform":
    """Return the tables of the platform that this process runs on.

    Raises:
        UnsupportedPlatformError: There is no termios here.
    """
    machine = os.uname().machine if hasattr(os, "uname") else ""
    return platform_for(sys.platform, machine)


def platform_for(system: str, machine: str) -> "Platform":
    """Return the tables of a platform.

    Args:
        system: As `sys.platform` spells it.
        machine: As `os.uname` spells it; matters on Linux only.

    Raises:
        UnsupportedPlatformError: There is no termios there.
    """
    # Imported here: each platform needs its own tables only.
    if system == "linux":
        from anyserial_posix import _linux  # noqa: PLC0415

        tables = _linux.platform(machine)
        if tables is not None:
            return tables
    elif system == "darwin":
        from anyserial_posix import _darwin  # noqa: PLC0415

        return _darwin.PLATFORM
    elif "bsd" in system:
        from anyserial_posix import _bsd  # noqa: PLC0415

        for name, tables in _bsd.PLATFORMS.items():
            if system.startswith(name):
                return tables
    try:
        from anyserial_posix import _generic  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        if exc.name != "termios":
            raise
        raise UnsupportedPlatformError(
            errno.ENOSYS,
            f"anyserial has no driver for {system!r}, which has no termios:"
            " give open_serial_port a backend of your own (backend=...)",
        ) from exc
    return _generic.platform(system)
