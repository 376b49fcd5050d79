"""Low latency: ASYNC_LOW_LATENCY, and the FTDI timer that it changes; both put back on close.

ftdi_sio sets the chip's latency timer to 1 ms as soon as the flag is set, and takes over what
the chip says whenever the sysfs file is read. So the timer is read before the flag is set, and
not again before it is cleared. The flag needs no privilege; the sysfs file needs root. When
they are changed is not decided here: that is `_settings`.

A process that is killed restores nothing, and the kernel keeps flag and timer until the adapter
is unplugged. To distinguish them from an administrator's, the custom divisor is set to a
value of our own as well. It has no effect without ASYNC_SPD_CUST, and needs no privilege either.
"""

import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from anyserial_posix import _ioctl
from anyserial_posix._ioctl import get_struct, set_struct

if TYPE_CHECKING:
    from anyserial_posix._ioctl import Ioctls
    from anyserial_posix._syscalls import Syscalls

__all__ = ("LowLatency", "left_on")

_INT = struct.Struct("=i")
_OURS = 0x616E79


class LowLatency:
    """One port's low latency, from being switched on to being put back.

    Args:
        system: The system calls.
        fd: The port.
        ioctls: The platform's requests.
        device: The device number of the tty, to find its sysfs folder.
    """

    def __init__(self, system: "Syscalls", fd: int, ioctls: "Ioctls", device: int) -> None:
        self._system = system
        self._fd = fd
        self._get = ioctls.tiocgserial
        self._set = ioctls.tiocsserial
        self._timer_path = f"/sys/dev/char/{os.major(device)}:{os.minor(device)}/device/latency_timer"
        self._timer: str | None = None
        self._was_on = False

    def switch_on(self) -> bool:
        """Ask the driver for it, and return whether it was taken over.

        Raises:
            OSError: The driver has no such setting (ENOTTY).
        """
        current = get_struct(self._system, self._fd, self._get, _ioctl.SERIAL_STRUCT_SIZE)
        self._was_on = _is_on(current)
        if not self._was_on:
            with suppress(OSError):
                self._timer = self._system.read_file(self._timer_path).strip()
            after = _with(current, _flags(current) | _ioctl.ASYNC_LOW_LATENCY)
            if self._timer is not None and not _divisor(current) and not _flags(current) & _ioctl.ASYNC_SPD_MASK:
                after = _with(after, divisor=_OURS)
            set_struct(self._system, self._fd, self._set, after)
        return _is_on(get_struct(self._system, self._fd, self._get, _ioctl.SERIAL_STRUCT_SIZE))

    def put_back(self) -> None:
        """Undo `switch_on`, as far as the device is still there."""
        with suppress(OSError):
            current = get_struct(self._system, self._fd, self._get, _ioctl.SERIAL_STRUCT_SIZE)
            if _is_on(current) and not self._was_on:
                after = _with(current, _flags(current) & ~_ioctl.ASYNC_LOW_LATENCY)
                if _divisor(current) == _OURS:
                    after = _with(after, divisor=0)
                set_struct(self._system, self._fd, self._set, after)
        if self._timer is not None:
            with suppress(OSError):
                if self._system.read_file(self._timer_path).strip() != self._timer:
                    self._system.write_file(self._timer_path, self._timer)


def left_on(serial: bytes) -> bool:
    """Return whether low latency was switched on by anyserial: in a process that uses it, or that was killed.

    Args:
        serial: What TIOCGSERIAL gives.
    """
    return _is_on(serial) and _divisor(serial) == _OURS


def _flags(serial: bytes) -> int:
    (flags,) = _INT.unpack_from(serial, _ioctl.SERIAL_FLAGS_OFFSET)
    return int(flags)


def _divisor(serial: bytes) -> int:
    (divisor,) = _INT.unpack_from(serial, _ioctl.SERIAL_DIVISOR_OFFSET)
    return int(divisor)


def _is_on(serial: bytes) -> bool:
    return bool(_flags(serial) & _ioctl.ASYNC_LOW_LATENCY)


def _with(serial: bytes, flags: int | None = None, divisor: int | None = None) -> bytes:
    """Return a struct serial_struct with those of its fields changed that are not None."""
    raw = bytearray(serial)
    if flags is not None:
        _INT.pack_into(raw, _ioctl.SERIAL_FLAGS_OFFSET, flags)
    if divisor is not None:
        _INT.pack_into(raw, _ioctl.SERIAL_DIVISOR_OFFSET, divisor)
    return bytes(raw)
