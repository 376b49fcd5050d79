"""The driver: one `SerialBackend` for every POSIX platform.

It reads and writes a tty through `Syscalls`, with the numbers of a `Platform`. No number, no
platform's name and no event loop belongs here; opening the node is `_node`'s, and what is set on
the port, in which order and how it is undone, is `_settings`'s.
"""

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

from anyserial._spi import DirectCalls, closed_error, disconnected_error, translate
from anyserial.capabilities import ControlLines, LineCounters, ModemLines, SerialCapabilities
from anyserial.exceptions import SerialDisconnectedError, SerialError

from anyserial_posix import _ioctl
from anyserial_posix._handle import CLOSED, Handle, os_error
from anyserial_posix._ioctl import call, get_int, set_int
from anyserial_posix._line_status import read_counters
from anyserial_posix._node import open_node
from anyserial_posix._settings import Settings
from anyserial_posix._syscalls import FLUSH_OUTPUT, KERNEL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Never

    from anyserial.config import SerialConfig
    from anyserial.exceptions import LineError

    from anyserial_posix._syscalls import Syscalls
    from anyserial_posix._tables import Platform

__all__ = ("PosixBackend",)

READ_TIME: Final = 0.001  # seconds that a read which another thread has begun may take: it does not block


def _nothing_yet(_fd: int, _argument: object) -> "Never":
    raise BlockingIOError(errno.EAGAIN, "the settings are being changed")


class PosixBackend:
    """A tty, opened through termios; a `SerialBackend`.

    Args:
        platform: The platform's numbers and capabilities.
        system: The system calls; the real ones by default.
    """

    def __init__(self, platform: "Platform", system: "Syscalls" = KERNEL) -> None:
        self._platform = platform
        self._system = system
        self._ioctls = platform.ioctls
        self._read_limit = platform.read_limit
        # Bound once: these three are called for every message.
        self._os_read = system.read
        self._os_readv = system.readv
        self._os_write = system.write
        self._fd = CLOSED
        self._handle = Handle(system, platform)
        self._settings: Settings | None = None
        self._transmitter_tells = True
        self._breaking = False

    @property
    def kind(self) -> Literal["descriptor"]:
        """It is a `SerialBackend`."""
        return "descriptor"

    @property
    def path(self) -> str:
        """The path that was opened; empty before."""
        return self._handle.path

    @property
    def is_open(self) -> bool:
        """Whether the descriptor is held."""
        return self._fd != CLOSED

    @property
    def has_device(self) -> bool:
        """Whether there is a device behind the port, which discovery may know: not behind a pseudo-terminal."""
        return not self._handle.is_pty

    @property
    def capabilities(self) -> SerialCapabilities:
        """What can be done; refined once the port is open."""
        return self._platform.capabilities if self._settings is None else self._settings.capabilities

    @property
    def actual_baudrate(self) -> int | None:
        """The rate that the driver reported after the last settings, in bits per second; None before."""
        return None if self._settings is None else self._settings.actual_baudrate

    @property
    def direct_calls(self) -> DirectCalls:
        """The system calls behind `read` and `write`."""
        return DirectCalls(self._system.read, self._system.write, self._read_limit, self._transfer_error)

    def _transfer_error(self, error: OSError) -> SerialError:
        return self._handle.error(error, "io", may_wait=False)

    @property
    def line_decoder(self) -> "Callable[[bytes], Sequence[bytes | LineError]] | None":
        """What separates data from marks of line errors, or None while nothing is marked.

        After a change of `line_errors` it decodes what was queued by then as it was marked, and what
        came later as it is marked now. Reads find nothing from the beginning of that change to its
        end: a reader takes this decoder before its next read.
        """
        return None if self._settings is None else self._settings.decoder

    # Opening and closing

    def open(self, path: str, config: "SerialConfig") -> None:
        """Open the port and apply *config*, all or nothing.

        The kernel raises DTR and RTS while it opens the tty (Linux tty_port_open), before
        `dtr_on_open` and `rts_on_open` can act.

        Raises:
            PortNotFoundError: There is no such node, or no device behind it.
            PortPermissionError: This user may not open it.
            PortBusyError: Somebody holds it exclusively.
            UnsupportedConfigurationError: The driver does not take a value.
            UnsupportedFeatureError: The driver lacks a mechanism that was asked for.
            SerialError: It is not a tty, or a tty with nothing behind it.
        """
        if self._fd != CLOSED:
            raise SerialError(errno.EBUSY, "this backend already has a port open", self.path)
        handle = open_node(self._system, self._platform, path)
        # Known from here on, so that a child that is forked meanwhile lets go of it.
        self._handle, self._fd = handle, handle.fd
        settings = Settings(handle)
        try:
            settings.begin(config)
        except BaseException as exc:
            self._fd = CLOSED
            # What Linux answers to a close does not matter: the descriptor is free.
            with suppress(OSError):
                self._system.close(handle.fd)
            if isinstance(exc, SerialDisconnectedError):  # it went in the middle of opening
                raise translate(os_error(errno.ENODEV), context="open", path=path) from exc
            raise
        self._settings = settings
        self._breaking = False
        self._transmitter_tells = os.major(handle.device) not in self._platform.cached_transmitter_majors

    def close(self) -> None:
        """Release a break, undo what `open` changed, and close; output that is queued is left to the kernel.

        Blocks for as long as the driver waits for that output: up to 30 s (closing_wait). Never raises
        for a device that is gone.
        """
        fd = self._fd
        if fd == CLOSED:
            return
        if self._breaking:
            # Not every driver does it by itself: ftdi_sio, cp210x and ch341 would hold the line for ever.
            with suppress(OSError):
                call(self._system, fd, self._ioctls.tioccbrk)
        if self._settings is not None:
            # By hand and first: a thread may sit in the close below for half a minute.
            self._settings.put_back()
        self._fd = self._handle.fd = CLOSED
        try:  # noqa: SIM105  # `suppress` takes ten times as long
            self._system.close(fd)
        except OSError:  # what Linux answers to a close does not matter: the descriptor is free
            pass

    def configure(self, config: "SerialConfig") -> None:
        """Apply *config*; on failure the settings from before are in force again.

        Raises:
            UnsupportedConfigurationError: The driver does not take a value.
            UnsupportedFeatureError: The driver lacks a mechanism that was asked for.
            SerialDisconnectedError: The device is gone.
        """
        if self._settings is None:
            raise closed_error(self.path)
        if not self._settings.changes_marking(config):
            self._settings.change(config)
            return
        # What is queued is counted and then decoded as it was marked. A read meanwhile would take bytes
        # out of that count, so there is nothing to read until the change is over.
        self._os_read = self._os_readv = _nothing_yet
        try:
            self._system.pause(READ_TIME)
            self._settings.change(config)
        finally:
            self._os_read, self._os_readv = self._system.read, self._system.readv

    # Bytes

    def fileno(self) -> int:
        """Return the descriptor.

        Raises:
            SerialClosedError: The port is not open.
        """
        if self._fd == CLOSED:
            raise closed_error(self.path)
        return self._fd

    def read(self, max_bytes: int) -> bytes | None:
        """Read what is there, in one system call; None if there is nothing yet.

        Raises:
            SerialDisconnectedError: The device is gone.
        """
        try:
            data = self._os_read(self._fd, max_bytes if max_bytes < self._read_limit else self._read_limit)  # noqa: FURB136  # half the cost of min()
        except BlockingIOError:
            return None
        except OSError as exc:
            raise self._handle.error(exc, "io", may_wait=False) from exc
        if data:
            return data
        self._nothing_read()
        return None

    def read_onto(self, items: "list[bytes | LineError]", max_bytes: int) -> bool:
        """Read as `read` does, and append to *items* in the same step of C; return whether there was anything.

        Raises:
            SerialDisconnectedError: The device is gone.
        """
        limit = max_bytes if max_bytes < self._read_limit else self._read_limit  # noqa: FURB136  # half the cost of min()
        try:
            items.extend(map(self._os_read, (self._fd,), (limit,)))
        except BlockingIOError:
            return False
        except OSError as exc:
            raise self._handle.error(exc, "io", may_wait=False) from exc
        if items[-1]:
            return True
        del items[-1]
        self._nothing_read()
        return False

    def read_into(self, buffer: memoryview) -> int | None:
        """Read what is there into *buffer*, in one system call; None if there is nothing yet.

        Raises:
            SerialDisconnectedError: The device is gone.
        """
        try:
            count = self._os_readv(self._fd, (buffer,))
        except BlockingIOError:
            return None
        except OSError as exc:
            raise self._handle.error(exc, "io", may_wait=False) from exc
        if count:
            return count
        self._nothing_read()
        return None

    def write(self, data: bytes | memoryview) -> int | None:
        """Write what the kernel takes of *data*, in one system call; None if it takes nothing now.

        Raises:
            SerialDisconnectedError: The device is gone.
        """
        try:
            return self._os_write(self._fd, data) or None
        except BlockingIOError:
            return None
        except OSError as exc:
            raise self._handle.error(exc, "io", may_wait=False) from exc

    def write_onto(self, counts: list[int], data: bytes | memoryview) -> bool:
        """Write as `write` does, and append the count to *counts* in the same step of C; return whether it is above 0.

        Raises:
            SerialDisconnectedError: The device is gone.
        """
        try:
            counts.extend(map(self._os_write, (self._fd,), (data,)))
        except BlockingIOError:
            return False
        except OSError as exc:
            raise self._handle.error(exc, "io", may_wait=False) from exc
        return bool(counts[-1])

    def _nothing_read(self) -> None:
        """Tell a hang-up from a tty that another program has set: to lines, which end at a ^D, or to VMIN 0."""
        if self._settings is not None and not self._handle.hung_up():
            with suppress(OSError):
                if self._settings.may_read_nothing():
                    return
        raise disconnected_error(self.path)

    def hung_up(self) -> bool:
        """Return whether the device is gone for certain (POLLHUP or POLLERR), without reading."""
        return self._handle.hung_up()

    def input_waiting(self) -> int:
        """Return how many received bytes the kernel holds (FIONREAD)."""
        try:
            return get_int(self._system, self._fd, self._ioctls.fionread)
        except OSError as exc:
            raise self._handle.error(exc, "ioctl", feature="a count of received bytes", may_wait=False) from exc

    def output_waiting(self) -> int:
        """Return how many bytes the kernel and the driver have not sent yet (TIOCOUTQ); 0 always on a pty."""
        try:
            return get_int(self._system, self._fd, self._ioctls.tiocoutq)
        except OSError as exc:
            raise self._handle.error(exc, "ioctl", feature="a count of unsent bytes", may_wait=False) from exc

    def reset_input_buffer(self) -> None:
        """Throw away what was received and not read (TCIFLUSH)."""
        if self._settings is None:
            raise closed_error(self.path)
        self._settings.discard_input()

    def reset_output_buffer(self) -> None:
        """Throw away what was written and not sent (TCOFLUSH); usb-serial drivers cannot."""
        with self._handle.translated("ioctl", "an output queue that can be discarded"):
            self._system.flush(self._fd, FLUSH_OUTPUT)

    def drain(self) -> None:
        """Wait until all output has left (tcdrain). Nothing interrupts it; an unplug ends it."""
        with self._handle.translated("io"):
            self._system.drain(self._fd)
        # tcdrain answers success when the device is unplugged under it.
        if self._handle.hung_up():
            raise disconnected_error(self.path)

    def transmitter_empty(self) -> bool | None:
        """Return whether the UART has sent its last bit (TIOCSERGETLSR); None if the driver cannot tell."""
        if not self._transmitter_tells:
            return None
        try:
            return bool(get_int(self._system, self._fd, self._ioctls.tiocsergetlsr) & _ioctl.TIOCSER_TEMT)
        except OSError as exc:
            if self._handle.lacks(exc):
                self._transmitter_tells = False
                return None
            raise self._handle.error(exc, "ioctl") from exc

    # Lines

    def set_break(self, on: bool) -> None:
        """Hold the line in the break condition, or release it (TIOCSBRK, TIOCCBRK).

        Raises:
            UnsupportedFeatureError: The driver has no breaks.
        """
        with self._handle.translated("ioctl", "breaks"):
            call(self._system, self._fd, self._ioctls.tiocsbrk if on else self._ioctls.tioccbrk)
        self._breaking = on

    def modem_lines(self) -> ModemLines:
        """Read the modem lines (TIOCMGET).

        Raises:
            UnsupportedFeatureError: The driver has none.
        """
        with self._handle.translated("ioctl", "modem lines"):
            lines = get_int(self._system, self._fd, self._ioctls.tiocmget)
        bits = self._platform.modem
        return ModemLines(
            cts=bool(lines & bits.cts),
            dsr=bool(lines & bits.dsr),
            ri=bool(lines & bits.ri),
            cd=bool(lines & bits.cd),
        )

    def control_lines(self) -> ControlLines:
        """Read back the control lines (TIOCMGET).

        Raises:
            UnsupportedFeatureError: The driver has none.
        """
        with self._handle.translated("ioctl", "control lines"):
            lines = get_int(self._system, self._fd, self._ioctls.tiocmget)
        bits = self._platform.modem
        return ControlLines(rts=bool(lines & bits.rts), dtr=bool(lines & bits.dtr))

    def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        """Set the control lines that are not None: both with one TIOCMSET, one with TIOCMBIS or TIOCMBIC.

        Raises:
            UnsupportedFeatureError: The driver has none.
        """
        bits, ioctls = self._platform.modem, self._ioctls
        with self._handle.translated("ioctl", "control lines"):
            if rts is not None and dtr is not None:
                lines = get_int(self._system, self._fd, ioctls.tiocmget)
                set_int(self._system, self._fd, ioctls.tiocmset, bits.with_lines(lines, rts=rts, dtr=dtr))
            elif rts is not None:
                set_int(self._system, self._fd, ioctls.tiocmbis if rts else ioctls.tiocmbic, bits.rts)
            elif dtr is not None:
                set_int(self._system, self._fd, ioctls.tiocmbis if dtr else ioctls.tiocmbic, bits.dtr)

    def line_counters(self) -> LineCounters:
        """Read the driver's counters (TIOCGICOUNT).

        Raises:
            UnsupportedFeatureError: The driver, or the platform, does not count.
        """
        with self._handle.translated("ioctl", "counters of line errors"):
            return read_counters(self._system, self._fd, self._ioctls.tiocgicount)
