"""Which platform this is. The only place that looks at `sys.platform`."""

import os
import sys
from typing import TYPE_CHECKING

from anyserial.exceptions import UnsupportedPlatformError

if TYPE_CHECKING:
    from anyserial_posix._tables import Platform

__all__ = ("current_platform", "platform_for")


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
    raise UnsupportedPlatformError(
        f"anyserial has no driver for {system!r}: it needs termios; give open_serial_port(backend=...) one of your own"
    )
