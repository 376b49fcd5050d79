"""Low latency: ASYNC_LOW_LATENCY, and the FTDI timer that it changes; both put back on close.

ftdi_sio sets the chip's latency timer to 1 ms as soon as the flag is set, and takes over what
the chip says whenever the sysfs file is read. So the timer is read before the flag is set, and
not again before it is cleared. The flag needs no privilege; the sysfs file needs root. When
they are changed is not decided here: that is `_settings`.
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

__all__ = ("LowLatency",)

_FLAGS = struct.Struct("=i")


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
            OSError: The driver has nothing of the kind (ENOTTY).
        """
        current = get_struct(self._system, self._fd, self._get, _ioctl.SERIAL_STRUCT_SIZE)
        self._was_on = _is_on(current)
        if not self._was_on:
            with suppress(OSError):
                self._timer = self._system.read_file(self._timer_path).strip()
            set_struct(self._system, self._fd, self._set, _changed(current, on=True))
        return _is_on(get_struct(self._system, self._fd, self._get, _ioctl.SERIAL_STRUCT_SIZE))

    def put_back(self) -> None:
        """Undo `switch_on`, as far as the device is still there."""
        with suppress(OSError):
            current = get_struct(self._system, self._fd, self._get, _ioctl.SERIAL_STRUCT_SIZE)
            if _is_on(current) and not self._was_on:
                set_struct(self._system, self._fd, self._set, _changed(current, on=False))
        if self._timer is not None:
            with suppress(OSError):
                if self._system.read_file(self._timer_path).strip() != self._timer:
                    self._system.write_file(self._timer_path, self._timer)


def _is_on(serial: bytes) -> bool:
    (flags,) = _FLAGS.unpack_from(serial, _ioctl.SERIAL_FLAGS_OFFSET)
    return bool(flags & _ioctl.ASYNC_LOW_LATENCY)


def _changed(serial: bytes, *, on: bool) -> bytes:
    raw = bytearray(serial)
    (flags,) = _FLAGS.unpack_from(raw, _ioctl.SERIAL_FLAGS_OFFSET)
    flags = flags | _ioctl.ASYNC_LOW_LATENCY if on else flags & ~_ioctl.ASYNC_LOW_LATENCY
    _FLAGS.pack_into(raw, _ioctl.SERIAL_FLAGS_OFFSET, flags)
    return bytes(raw)
