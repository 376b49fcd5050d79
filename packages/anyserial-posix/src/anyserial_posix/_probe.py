"""What a port can do: what is known of every device of its kind, and what queries say. None may change anything."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from anyserial.capabilities import Capability

from anyserial_posix import _ioctl
from anyserial_posix._handle import NO_MECHANISM
from anyserial_posix._ioctl import get_struct

if TYPE_CHECKING:
    from anyserial.capabilities import SerialCapabilities

    from anyserial_posix._syscalls import Syscalls
    from anyserial_posix._tables import Platform

__all__ = ("before_asking", "refine", "through_c_library")


def before_asking(platform: "Platform", device: int) -> "SerialCapabilities":
    """Return what a port with this device number can do, as far as that is known without opening it."""
    return platform.pty_capabilities if os.major(device) in platform.pty_majors else platform.capabilities


def through_c_library(found: "SerialCapabilities") -> "SerialCapabilities":
    """Return what is left where the kernel has no attributes of its own (see `Platform.simpler`)."""
    unsupported = Capability.UNSUPPORTED
    return replace(found, custom_baudrate=unsupported, mark_space_parity=unsupported)


def refine(platform: "Platform", system: "Syscalls", fd: int) -> "tuple[SerialCapabilities, bytes | None]":
    """Return the platform's capabilities with what the open port's driver says about them, and TIOCGSERIAL's answer.

    Args:
        platform: The tables.
        system: The system calls.
        fd: The open port; no pty, of which all that can be asked is known.
    """
    found = platform.capabilities
    ioctls = platform.ioctls
    if _answer(system, fd, ioctls.tiocmget, _ioctl.INT_SIZE) is False:
        found = replace(found, modem_lines=Capability.UNSUPPORTED)
    # That the structure can be read does not say whether the flag in it has an effect.
    serial = _answer(system, fd, ioctls.tiocgserial, _ioctl.SERIAL_STRUCT_SIZE)
    if serial is False:
        found = replace(found, low_latency=Capability.UNSUPPORTED)
    mode = _answer(system, fd, ioctls.tiocgrs485, _ioctl.RS485.size)
    if mode is False:
        found = replace(found, rs485=Capability.UNSUPPORTED)
    elif mode and any(mode):
        # 8250 answers with zeros where it has no RS-485: only a mode that is set says yes.
        found = replace(found, rs485=Capability.SUPPORTED)
    return found, serial or None


def _answer(system: "Syscalls", fd: int, request: int | None, size: int) -> bytes | Literal[False] | None:
    """Return what a query gives: False if the driver does not have it, None if that is not known."""
    if request is None:
        return None
    try:
        return get_struct(system, fd, request, size)
    except OSError as exc:
        return False if exc.errno in NO_MECHANISM else None
