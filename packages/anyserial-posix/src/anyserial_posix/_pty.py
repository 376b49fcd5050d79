"""Pseudo-terminals, for programs that look on at a shared port.

A pty is two descriptors: a program opens the path of one side, and this process plays the device on the
other. This process holds the program's side open as well: without that, the kernel would report a hang-up
until a program opens it and after each close (drivers/tty/pty.c).
"""

import fcntl
import os
import struct
import termios
import tty

from anyserial.exceptions import SerialError, errno_to_exception

__all__ = ("Pty",)

_INT = struct.Struct("i")


class Pty:
    """A pseudo-terminal in raw mode, seen from the side that plays the device. Nothing here blocks.

    Attributes:
        path: What a program opens.

    Raises:
        SerialError: The system has no pty left.
    """

    __slots__ = ("_device", "_program", "path")

    def __init__(self) -> None:
        try:
            self._device, self._program = os.openpty()
        except OSError as exc:
            raise SerialError(exc.errno, f"the system gives no pseudo-terminal ({exc.strerror})") from exc
        try:
            tty.setraw(self._program)
            os.set_blocking(self._device, False)
            self.path: str = os.ttyname(self._program)
        except (OSError, termios.error) as exc:
            self.close()
            error = exc if isinstance(exc, OSError) else OSError(*exc.args)
            raise errno_to_exception(error, context="configure") from exc

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._device

    def read(self, max_bytes: int) -> bytes | None:
        """Return 1..*max_bytes* bytes that programs have written, or None if there are none now."""
        try:
            return os.read(self._device, max_bytes) or None
        except BlockingIOError:
            return None
        except OSError as exc:
            raise errno_to_exception(exc, context="io", path=self.path) from exc

    def write(self, data: memoryview) -> int | None:
        """Write some of *data*, and return how much; None if programs have to read first."""
        try:
            return os.write(self._device, data) or None
        except BlockingIOError:
            return None
        except OSError as exc:
            raise errno_to_exception(exc, context="io", path=self.path) from exc

    def unread(self) -> int:
        """Return how many bytes programs have not read yet (FIONREAD)."""
        try:
            packed = fcntl.ioctl(self._program, termios.FIONREAD, bytes(_INT.size))
        except OSError as exc:
            raise errno_to_exception(exc, context="ioctl", path=self.path) from exc
        count: int = _INT.unpack(packed)[0]
        return count

    def discard_unread(self) -> None:
        """Discard what programs have not read yet (tcflush)."""
        try:
            termios.tcflush(self._program, termios.TCIFLUSH)
        except termios.error as exc:
            raise errno_to_exception(OSError(*exc.args), context="io", path=self.path) from exc

    def close(self) -> None:
        """Hang the pty up. A second call does nothing."""
        device, self._device = self._device, -1
        program, self._program = self._program, -1
        if device >= 0:
            os.close(device)
            os.close(program)
