"""The driver: one `SerialBackend` for every POSIX platform.

It opens, sets, reads and writes a tty through `Syscalls` with the numbers of a `Platform`.
No number, no platform's name and no event loop belongs here. What one mechanism does
stands in its own module (`_lock`, `_rs485`, `_low_latency`, `_line_status`); here stands in
which order, and how all of it is undone when one step fails.
"""

import errno
import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from anyserial._errno import closed_error, disconnected_error, translate
from anyserial.capabilities import Capability, ControlLines, LineCounters, ModemLines, SerialCapabilities
from anyserial.config import LineErrors
from anyserial.exceptions import SerialError, UnsupportedFeatureError

from anyserial_posix import _ioctl, _lock, _rs485, _termios
from anyserial_posix._ioctl import get_int, set_int
from anyserial_posix._line_status import LineDecoder, read_counters
from anyserial_posix._low_latency import LowLatency
from anyserial_posix._policy import lacks_feature, refuses_values
from anyserial_posix._probe import NO_MECHANISM, refine
from anyserial_posix._syscalls import FLUSH_INPUT, FLUSH_OUTPUT, KERNEL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from anyserial._errno import ErrorContext
    from anyserial.config import SerialConfig
    from anyserial.exceptions import LineError

    from anyserial_posix._syscalls import Syscalls
    from anyserial_posix._tables import Platform

__all__ = ("PosixBackend",)

type _Undo = list[Callable[[], object]]

OPEN_FLAGS: Final = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
# No descriptor ever has this number, so a call on it is answered EBADF by the kernel; -1 would
# be refused by Python itself, each function in its own way.
_CLOSED: Final = 2**31 - 1


class PosixBackend:
    """A tty, opened through termios; a `SerialBackend`.

    Args:
        platform: The platform's numbers and capabilities.
        system: The system calls; the real ones by default.
    """

    def __init__(self, platform: "Platform", system: "Syscalls" = KERNEL) -> None:
        self._platform = platform
        self._system = system
        self._flags = platform.flags
        self._ioctls = platform.ioctls
        self._read_limit = platform.read_limit
        # Bound once: these three are called for every message.
        self._os_read = system.read
        self._os_readv = system.readv
        self._os_write = system.write
        self._fd = _CLOSED
        self._path = ""
        self._device = 0
        self._capabilities = platform.capabilities
        self._actual_baudrate: int | None = None
        self._decoder: LineDecoder | None = None
        self._locked = False
        self._low_latency: LowLatency | None = None
        self._rs485_before: bytes | None = None
        self._transmitter_tells = self._ioctls.tiocsergetlsr is not None

    @property
    def path(self) -> str:
        """The path that was opened; empty before."""
        return self._path

    @property
    def is_open(self) -> bool:
        """Whether the descriptor is held."""
        return self._fd != _CLOSED

    @property
    def capabilities(self) -> SerialCapabilities:
        """What can be done; refined once the port is open."""
        return self._capabilities

    @property
    def actual_baudrate(self) -> int | None:
        """The rate that the driver reported after the last settings; None if it cannot tell."""
        return self._actual_baudrate

    @property
    def line_decoder(self) -> "Callable[[bytes], Sequence[bytes | LineError]] | None":
        """What separates data from marks of line errors, or None while nothing is marked."""
        return self._decoder

    # Opening and closing

    def open(self, path: str, config: "SerialConfig") -> None:
        """Open the port and apply *config*, all or nothing.

        The tty is opened with O_NOCTTY, O_NONBLOCK and O_CLOEXEC. The kernel raises DTR and
        RTS while it opens it (tty_port_open), before `dtr_on_open` and `rts_on_open` can act.

        Raises:
            PortNotFoundError: There is no such node, or no device behind it.
            PortPermissionError: This user may not open it.
            PortBusyError: Somebody holds it exclusively.
            UnsupportedConfigurationError: The driver does not take a value.
            UnsupportedFeatureError: The driver lacks a mechanism that was asked for.
            SerialError: It is no tty, or a tty with nothing behind it.
        """
        if self._fd != _CLOSED:
            raise SerialError(errno.EBUSY, "this backend already has a port open", self._path)
        self._path = path
        self._fd = self._open_node(path)
        try:
            self._begin(config)
        except BaseException:
            self._capabilities = self._platform.capabilities
            self._release()
            raise

    def _open_node(self, path: str) -> int:
        try:
            status = self._system.stat(path)
            if not stat.S_ISCHR(status.st_mode):
                # Not even opened: that alone has effects on a FIFO or a tape.
                raise translate(OSError(errno.ENOTTY, os.strerror(errno.ENOTTY)), context="open", path=path)
            self._device = status.st_rdev
            return self._system.open(path, OPEN_FLAGS)
        except SerialError:
            raise
        except OSError as exc:
            raise translate(exc, context="open", path=path, detail=self._open_detail(exc, path)) from exc
        except ValueError as exc:  # a null character
            not_found = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            raise translate(not_found, context="open", path=path, detail=str(exc)) from exc

    def _open_detail(self, error: OSError, path: str) -> str | None:
        if error.errno == errno.EBUSY:
            return _lock.holders(self._system, path)
        if error.errno in (errno.EACCES, errno.EPERM):
            from anyserial_posix._access import explain  # noqa: PLC0415  # user and group databases, needed only now

            return explain(path)
        if error.errno == errno.ENOENT:
            target = self._system.realpath(path)
            if target != os.path.abspath(path):
                return f"it is a link to {target!r}, which does not exist"
        return None

    def _begin(self, config: "SerialConfig") -> None:
        with self._translated("open"):
            # A tty with nothing behind it opens, and answers EIO from here on.
            before = self._platform.get_attributes(self._system, self._fd)
            if _lock.held_by_other(self._system, self._fd, self._ioctls):
                raise translate(
                    OSError(errno.EBUSY, os.strerror(errno.EBUSY)),
                    context="open",
                    path=self._path,
                    detail=_lock.holders(self._system, self._path),
                )
        self._capabilities = refine(self._platform, self._system, self._fd, self._device)
        with _undoing() as undo:
            self._take_lock(config, undo)
            self._set_lines_on_open(config)
            self._apply(config, before, undo)
            # Setting the rate may have moved the lines (B0 to a rate raises both).
            self._set_lines_on_open(config)
            if config.discard_input_on_open:
                self.reset_input_buffer()

    def close(self) -> None:
        """Discard unsent output where the driver can, undo what `open` changed, and close the descriptor.

        Blocks for as long as the driver waits for output that cannot be discarded: up to
        30 s on usb-serial (closing_wait). Never raises for a device that is gone.
        """
        if self._fd == _CLOSED:
            return
        # On a pty TCOFLUSH destroys what the far end has not read; its queue counts as empty.
        with suppress(OSError):
            if get_int(self._system, self._fd, self._ioctls.tiocoutq) > 0:
                self._system.flush(self._fd, FLUSH_OUTPUT)
        if self._low_latency is not None:
            self._low_latency.put_back()
        if self._rs485_before is not None and self._ioctls.tiocsrs485 is not None:
            with suppress(OSError):
                _rs485.apply(self._system, self._fd, self._ioctls.tiocsrs485, self._rs485_before)
        self._release()

    def _release(self) -> None:
        fd = self._fd
        if self._locked:
            _lock.release(self._system, fd, self._ioctls)
            self._locked = False
        self._fd = _CLOSED
        self._decoder = None
        self._low_latency = None
        self._rs485_before = None
        # Linux frees the descriptor whatever close answers.
        with suppress(OSError):
            self._system.close(fd)

    # Settings

    def configure(self, config: "SerialConfig") -> None:
        """Apply *config*; on failure the settings from before are in force again.

        Raises:
            UnsupportedConfigurationError: The driver does not take a value.
            UnsupportedFeatureError: The driver lacks a mechanism that was asked for.
            SerialDisconnectedError: The device is gone.
        """
        with self._translated("configure"):
            before = self._platform.get_attributes(self._system, self._fd)
        with _undoing() as undo:
            self._take_lock(config, undo)
            self._apply(config, before, undo)
            if self._locked and not config.exclusive:
                _lock.release(self._system, self._fd, self._ioctls)
                self._locked = False

    def _take_lock(self, config: "SerialConfig", undo: "_Undo") -> None:
        if not config.exclusive or self._locked:
            return
        try:
            _lock.acquire(self._system, self._fd, self._ioctls)
        except OSError as exc:
            detail = _lock.holders(self._system, self._path) if _lock.is_busy(exc) else None
            raise self._error(exc, "lock", detail) from exc
        self._locked = True
        undo.append(self._drop_lock)

    def _drop_lock(self) -> None:
        _lock.release(self._system, self._fd, self._ioctls)
        self._locked = False

    def _apply(self, config: "SerialConfig", before: _termios.Attributes, undo: "_Undo") -> None:
        """Set everything but the lock; what was set is put on *undo*."""
        rate_before, decoder_before = self._actual_baudrate, self._decoder
        refuses_values(config, _termios.lacking(config, self._flags, self._platform.name), self._path)
        after = _termios.build(before, config, self._flags, self._platform.rate_codes)
        undo.append(partial(self._restore, before, rate_before, decoder_before))
        with self._translated("configure"):
            try:
                self._platform.set_attributes(self._system, self._fd, after)
            except OSError as exc:
                if exc.errno != errno.EINVAL:
                    raise
                refuses_values(config, ["these settings (EINVAL)"], self._path, exc)
            have = _termios.decode(self._platform.get_attributes(self._system, self._fd), self._flags)
        want = _termios.wanted(config, self._flags)
        refuses_values(config, _termios.dropped(want, have), self._path)
        self._actual_baudrate = have.baudrate
        self._apply_rs485(config, undo)
        self._apply_low_latency(config, undo)
        if not have.marks or config.line_errors is LineErrors.IGNORE:
            self._decoder = None
        elif decoder_before is None or decoder_before.line_errors is not config.line_errors:
            self._decoder = LineDecoder(config.line_errors, self._path)

    def _restore(self, before: _termios.Attributes, rate: int | None, decoder: LineDecoder | None) -> None:
        self._actual_baudrate = rate
        self._decoder = decoder
        self._platform.set_attributes(self._system, self._fd, before)

    def _apply_rs485(self, config: "SerialConfig", undo: "_Undo") -> None:
        if config.rs485 is None:
            return
        read, write = self._ioctls.tiocgrs485, self._ioctls.tiocsrs485
        if read is None or write is None:
            if config.rs485.enabled:
                lacks_feature(config, f"an RS-485 mode on {self._platform.name}", self._path)
            return
        try:
            before = _rs485.read(self._system, self._fd, read)
            asked = _rs485.encode(before, config.rs485)
            if asked != before:
                undo.append(partial(_rs485.apply, self._system, self._fd, write, before))
                _rs485.apply(self._system, self._fd, write, asked)
                got = _rs485.read(self._system, self._fd, read)
                refuses_values(config, _rs485.refused(asked, got), self._path)
        except SerialError:
            raise
        except OSError as exc:
            if self.hung_up() or exc.errno not in NO_MECHANISM:
                raise self._error(exc, "ioctl") from exc
            if config.rs485.enabled:
                lacks_feature(config, "an RS-485 mode", self._path, exc)
            return
        if self._rs485_before is None:
            self._rs485_before = before
        self._capabilities = replace(self._capabilities, rs485=Capability.SUPPORTED)

    def _apply_low_latency(self, config: "SerialConfig", undo: "_Undo") -> None:
        if not config.low_latency:
            if self._low_latency is not None:
                self._low_latency.put_back()
                self._low_latency = None
            return
        if self._low_latency is not None:
            return
        read, write = self._ioctls.tiocgserial, self._ioctls.tiocsserial
        if read is None or write is None:
            lacks_feature(config, f"a low latency mode on {self._platform.name}", self._path)
            return
        low_latency = LowLatency(self._system, self._fd, read, write, self._device)
        undo.append(low_latency.put_back)
        try:
            taken = low_latency.switch_on()
        except OSError as exc:
            if self.hung_up() or exc.errno not in (*NO_MECHANISM, errno.EPERM):
                raise self._error(exc, "ioctl") from exc
            lacks_feature(config, "a low latency mode", self._path, exc)
            return
        self._low_latency = low_latency
        # A driver that ignores the flag is no error: many have no buffering to switch off.
        found = Capability.SUPPORTED if taken else Capability.UNSUPPORTED
        self._capabilities = replace(self._capabilities, low_latency=found)

    def _set_lines_on_open(self, config: "SerialConfig") -> None:
        if config.dtr_on_open is None and config.rts_on_open is None:
            return
        try:
            before = get_int(self._system, self._fd, self._ioctls.tiocmget)
            after = self._with_lines(before, rts=config.rts_on_open, dtr=config.dtr_on_open)
            if after != before:
                set_int(self._system, self._fd, self._ioctls.tiocmset, after)
        except OSError as exc:
            if self.hung_up() or exc.errno not in NO_MECHANISM:
                raise self._error(exc, "ioctl") from exc
            lacks_feature(config, "control lines (dtr_on_open, rts_on_open)", self._path, exc)

    # Bytes

    def fileno(self) -> int:
        """Return the descriptor.

        Raises:
            SerialClosedError: The port is not open.
        """
        if self._fd == _CLOSED:
            raise closed_error(self._path)
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
            raise self._error(exc, "io") from exc
        if data:
            return data
        self._nothing_read()
        return None

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
            raise self._error(exc, "io") from exc
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
            raise self._error(exc, "io") from exc

    def _nothing_read(self) -> None:
        """Tell a hang-up from a tty that another program has set to VMIN 0."""
        if not self.hung_up():
            with suppress(OSError):
                if self._platform.get_attributes(self._system, self._fd).cc[self._flags.vmin] == 0:
                    return
        raise disconnected_error(self._path)

    def hung_up(self) -> bool:
        """Return whether the device is gone for certain (POLLHUP or POLLERR), without reading."""
        if self._fd == _CLOSED:
            return False
        try:
            return self._system.gone(self._fd)
        except OSError:
            return False

    def input_waiting(self) -> int:
        """Return how many received bytes the kernel holds (FIONREAD)."""
        try:
            return get_int(self._system, self._fd, self._ioctls.fionread)
        except OSError as exc:
            raise self._error(exc, "ioctl") from exc

    def output_waiting(self) -> int:
        """Return how many bytes the kernel and the driver have not sent yet (TIOCOUTQ); 0 always on a pty."""
        try:
            return get_int(self._system, self._fd, self._ioctls.tiocoutq)
        except OSError as exc:
            raise self._error(exc, "ioctl") from exc

    def reset_input_buffer(self) -> None:
        """Throw away what was received and not read (TCIFLUSH)."""
        with self._translated("ioctl"):
            self._system.flush(self._fd, FLUSH_INPUT)

    def reset_output_buffer(self) -> None:
        """Throw away what was written and not sent (TCOFLUSH); usb-serial drivers cannot."""
        with self._translated("ioctl"):
            self._system.flush(self._fd, FLUSH_OUTPUT)

    def drain(self) -> None:
        """Wait until all output has left (tcdrain). Nothing interrupts it; an unplug ends it."""
        with self._translated("io"):
            self._system.drain(self._fd)
        # tcdrain answers success when the device is unplugged under it.
        if self.hung_up():
            raise disconnected_error(self._path)

    def transmitter_empty(self) -> bool | None:
        """Return whether the UART has sent its last bit (TIOCSERGETLSR); None if the driver cannot tell."""
        request = self._ioctls.tiocsergetlsr
        if request is None or not self._transmitter_tells:
            return None
        try:
            return bool(get_int(self._system, self._fd, request) & _ioctl.TIOCSER_TEMT)
        except OSError as exc:
            if exc.errno in NO_MECHANISM and not self.hung_up():
                self._transmitter_tells = False
                return None
            raise self._error(exc, "ioctl") from exc

    # Lines

    def set_break(self, on: bool) -> None:
        """Hold the line in the break condition, or release it (TIOCSBRK, TIOCCBRK).

        Raises:
            UnsupportedFeatureError: The driver has no breaks.
        """
        with self._translated("ioctl"):
            self._system.ioctl_value(self._fd, self._ioctls.tiocsbrk if on else self._ioctls.tioccbrk, 0)

    def modem_lines(self) -> ModemLines:
        """Read the modem lines (TIOCMGET).

        Raises:
            UnsupportedFeatureError: The driver has none.
        """
        with self._translated("ioctl"):
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
        with self._translated("ioctl"):
            lines = get_int(self._system, self._fd, self._ioctls.tiocmget)
        bits = self._platform.modem
        return ControlLines(rts=bool(lines & bits.rts), dtr=bool(lines & bits.dtr))

    def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        """Set the control lines that are not None: both with one TIOCMSET, one with TIOCMBIS or TIOCMBIC.

        Raises:
            UnsupportedFeatureError: The driver has none.
        """
        bits, ioctls = self._platform.modem, self._ioctls
        with self._translated("ioctl"):
            if rts is not None and dtr is not None:
                lines = get_int(self._system, self._fd, ioctls.tiocmget)
                set_int(self._system, self._fd, ioctls.tiocmset, self._with_lines(lines, rts=rts, dtr=dtr))
            elif rts is not None:
                set_int(self._system, self._fd, ioctls.tiocmbis if rts else ioctls.tiocmbic, bits.rts)
            elif dtr is not None:
                set_int(self._system, self._fd, ioctls.tiocmbis if dtr else ioctls.tiocmbic, bits.dtr)

    def _with_lines(self, lines: int, *, rts: bool | None, dtr: bool | None) -> int:
        for level, bit in ((rts, self._platform.modem.rts), (dtr, self._platform.modem.dtr)):
            if level is not None:
                lines = lines | bit if level else lines & ~bit
        return lines

    def line_counters(self) -> LineCounters:
        """Read the driver's counters (TIOCGICOUNT).

        Raises:
            UnsupportedFeatureError: The driver, or the platform, does not count.
        """
        request = self._ioctls.tiocgicount
        if request is None:
            raise UnsupportedFeatureError(
                errno.ENOTSUP, f"there are no line counters on {self._platform.name}", self._path
            )
        with self._translated("ioctl"):
            return read_counters(self._system, self._fd, request)

    # What several of the above need

    def _error(self, error: OSError, context: "ErrorContext", detail: str | None = None) -> SerialError:
        hung_up = self.hung_up()
        if hung_up and context == "open":
            error = OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return translate(error, context=context, path=self._path, hung_up=hung_up, detail=detail)

    @contextmanager
    def _translated(self, context: "ErrorContext") -> "Generator[None]":
        try:
            yield
        except SerialError:
            raise
        except OSError as exc:
            raise self._error(exc, context) from exc


@contextmanager
def _undoing() -> "Generator[_Undo]":
    """Give a list of steps that run, last first, if the block fails; what they cannot undo is let be."""
    steps: _Undo = []
    try:
        yield steps
    except BaseException:
        for step in reversed(steps):
            with suppress(OSError):
                step()
        raise
