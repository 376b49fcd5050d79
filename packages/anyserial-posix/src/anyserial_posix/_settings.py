"""What is in force on an open port, and how it changes: all of a config, or none of it.

Theory of operation. Every step of a change leaves its undoing on a list before the next step
is taken; if one fails, the list runs backwards. What the platform or the driver does not have
goes through `unsupported_policy`: before anything is set where the tables tell, afterwards
where only reading back tells. What is put back on close (low latency, RS-485, the locks) is
kept here too; the line settings stay, as they do after stty(1), but on a terminal that somebody
works at.

The order of an open. A tty that nobody has set yet is cooked: it echoes what it receives and
changes it, until it is raw. So the questions that decide whether the port may be touched at all
come first, and the kernel answers each of them by itself, in a microsecond: attributes,
TIOCGETD, TIOCGEXCL, the locks. Then the tty is made raw. Everything that a driver may have to ask its
device for (modem lines, rates: a USB transfer each) follows.
"""

import errno
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from anyserial._spi import translate
from anyserial.capabilities import Capability
from anyserial.config import LineErrors
from anyserial.exceptions import SerialError

from anyserial_posix import _lock, _rs485, _termios
from anyserial_posix._handle import os_error
from anyserial_posix._ioctl import get_int, set_int
from anyserial_posix._line_status import LineDecoder, change_over
from anyserial_posix._low_latency import LowLatency, left_on
from anyserial_posix._policy import lacks_feature, refuses_values
from anyserial_posix._probe import before_asking, refine, through_c_library
from anyserial_posix._syscalls import FLUSH_INPUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial.config import SerialConfig

    from anyserial_posix._handle import Handle
    from anyserial_posix._line_status import Decoder

__all__ = ("Settings",)

# What a device holds comes in only once the port is open; `discard_input_on_open` is for that too.
DELIVERY_TIME: Final = 0.01  # seconds in which more of it comes, if there is more
DELIVERIES: Final = 5  # a device that sends all the time holds up the open for so many

type _Undo = list[Callable[[], object]]


class Settings:
    """The settings of one open port.

    Args:
        handle: The port.

    Attributes:
        capabilities: The platform's, refined by what the driver said.
        actual_baudrate: What was read back, in bits per second.
        decoder: Separates marks of line errors from data; None while nothing is marked.
    """

    def __init__(self, handle: "Handle") -> None:
        platform = handle.platform
        self._handle = handle
        self._tables = platform
        self._platform = platform  # for the attributes alone; a simpler one, maybe
        self._device = handle.device
        self._system = handle.system
        self._flags = platform.flags
        self._ioctls = platform.ioctls
        self._locked = False
        self._low_latency: LowLatency | None = None
        self._rs485_before: bytes | None = None
        self._terminal_before: _termios.Attributes | None = None
        self.capabilities = platform.capabilities
        self.actual_baudrate: int | None = None
        self.decoder: Decoder | None = None

    def begin(self, config: "SerialConfig") -> None:
        """Put *config* in force on a port that was just opened.

        Raises:
            SerialError: The driver refused it; everything is as it was.
        """
        handle = self._handle
        try:
            # A tty with nothing behind it opens, and answers EIO from here on.
            found = self._first_attributes()
        except OSError as exc:
            raise handle.error(exc, "open") from exc
        if (discipline := handle.discipline()) is not None:
            raise handle.taken(discipline)
        if _lock.held_by_other(self._system, handle.fd, self._ioctls):
            raise translate(os_error(errno.EBUSY), context="open", path=handle.path, detail=self._holders())
        undo: _Undo = []
        try:
            if config.exclusive:
                self._take_lock(undo)
            before = self._make_raw(found, config, undo)
            self._ask_driver()
            settable = self._set_lines(config)
            self._apply(config, before, undo, opening=True)
            if settable:
                # Setting the rate may have moved the lines: leaving B0 raises both.
                self._set_lines(config)
            if config.discard_input_on_open:
                self._discard_early_input()
        except BaseException:
            _run(undo)
            raise

    def _discard_early_input(self) -> None:
        """Discard what the device delivers, until nothing more comes for DELIVERY_TIME."""
        for _ in range(DELIVERIES):
            self._system.pause(DELIVERY_TIME)
            more = self._queued()
            self.discard_input()
            if not more:
                return

    def change(self, config: "SerialConfig") -> None:
        """Put another config in force.

        Raises:
            SerialError: The driver refused it; everything is as it was.
        """
        with self._handle.translated("configure"):
            before = self.attributes()
            if (discipline := self._handle.discipline()) is not None:
                raise self._handle.taken(discipline, context="configure")  # its rate is that link's now
        undo: _Undo = []
        try:
            if config.exclusive and not self._locked:
                self._take_lock(undo)
            self._apply(config, before, undo)
        except BaseException:
            _run(undo)
            raise
        if self._locked and not config.exclusive:
            self._drop_lock()

    def discard_input(self) -> None:
        """Throw away what the tty holds, and what is known about it."""
        with self._handle.translated("ioctl", "an input queue that can be discarded"):
            self._system.flush(self._handle.fd, FLUSH_INPUT)
        if self.decoder is not None:
            self.decoder.forget()

    def put_back(self) -> None:
        """Undo what is not to outlast the descriptor. Never raises for a device that is gone."""
        if self._low_latency is not None:
            self._low_latency.put_back()
            self._low_latency = None
        if self._rs485_before is not None:
            with suppress(OSError):
                _rs485.apply(self._system, self._handle.fd, self._ioctls.tiocsrs485, self._rs485_before)
            self._rs485_before = None
        if self._terminal_before is not None:
            with suppress(OSError):
                self._platform.set_attributes(self._system, self._handle.fd, self._terminal_before)
            self._terminal_before = None
        if self._locked:
            self._drop_lock()

    def attributes(self) -> _termios.Attributes:
        """Read the attributes in force."""
        return self._platform.get_attributes(self._system, self._handle.fd)

    def may_read_nothing(self) -> bool:
        """Return whether an empty read is not a hang-up with the attributes in force."""
        now = self.attributes()
        return bool(now.lflag & self._flags.icanon) or now.cc[self._flags.vmin] == 0

    # The steps

    def _first_attributes(self) -> _termios.Attributes:
        try:
            return self.attributes()
        except OSError as exc:
            simpler = self._platform.simpler() if exc.errno == errno.ENOTTY else None
            if simpler is None:
                raise
        before = simpler.get_attributes(self._system, self._handle.fd)
        self._platform, self._flags = simpler, simpler.flags
        return before

    def _make_raw(self, found: _termios.Attributes, config: "SerialConfig", undo: _Undo) -> _termios.Attributes:
        """Make a cooked tty raw, and discard what it has changed; return the attributes in force then.

        The driver is asked for nothing but that: most need no transfer for it.
        """
        flags = self._flags
        if (found.lflag or found.oflag) and self._is_terminal():
            self._terminal_before = found
        changed = _termios.changes_input(found, flags, xon_xoff=config.flow_control.xon_xoff)
        if not changed and not found.lflag & flags.echo:
            return found
        after = _termios.raw(found, flags)
        undo.append(partial(self._restore, found, None))
        with self._handle.translated("configure"):
            try:
                self._platform.set_attributes(self._system, self._handle.fd, after)
            except OSError as exc:
                if exc.errno != errno.EINVAL:
                    raise
                return found  # it takes the settings as a whole, or refuses them by their names
            if changed:
                self._system.flush(self._handle.fd, FLUSH_INPUT)
        return after

    def _is_terminal(self) -> bool:
        """Return whether somebody works at it: a console, or the terminal that this process was started from."""
        return self._device in self._tables.terminals or self._system.is_own_terminal(self._handle.fd)

    def _ask_driver(self) -> None:
        """Find out what the port can do, and put back what a process that was killed has left on."""
        system, fd = self._system, self._handle.fd
        self.capabilities = before_asking(self._tables, self._device)
        if not self._handle.is_pty:
            self.capabilities, serial = refine(self._tables, system, fd)
            if serial is not None and left_on(serial) and _lock.alone(system, self._handle.path):
                LowLatency(system, fd, self._ioctls, self._device).put_back()
        if self._platform is not self._tables:
            self.capabilities = through_c_library(self.capabilities)

    def _take_lock(self, undo: _Undo) -> None:
        try:
            _lock.acquire(self._system, self._handle.fd, self._ioctls)
        except OSError as exc:
            detail = self._holders() if _lock.is_busy(exc) else None
            raise self._handle.error(exc, "lock", detail) from exc
        self._locked = True
        undo.append(self._drop_lock)

    def _drop_lock(self) -> None:
        self._locked = False
        _lock.release(self._system, self._handle.fd, self._ioctls)

    def _holders(self) -> str | None:
        return _lock.holders(self._system, self._handle.path, self._handle.fd)

    def _set_lines(self, config: "SerialConfig") -> bool:
        """Set the control lines as *config* says; False if there is nothing to set, or nothing to set it on."""
        if config.dtr_on_open is None and config.rts_on_open is None:
            return False
        fd, bits = self._handle.fd, self._tables.modem
        try:
            before = get_int(self._system, fd, self._ioctls.tiocmget)
            after = bits.with_lines(before, rts=config.rts_on_open, dtr=config.dtr_on_open)
            if after != before:
                set_int(self._system, fd, self._ioctls.tiocmset, after)
        except OSError as exc:
            if not self._handle.lacks(exc):
                raise self._handle.error(exc, "ioctl") from exc
            lacks_feature(config, "control lines (dtr_on_open, rts_on_open)", self._handle, exc)
            return False
        return True

    def _apply(
        self, config: "SerialConfig", before: _termios.Attributes, undo: _Undo, *, opening: bool = False
    ) -> None:
        """Set everything but the lock and the control lines."""
        handle, platform, flags = self._handle, self._platform, self._flags
        rates = platform.rate_codes if platform.only_coded_rates else None
        refuses_values(config, _termios.lacking(config, flags, platform.name, rates), handle)
        want = _termios.wanted(config, flags)
        if rates is not None and want.baudrate not in rates:
            want = want._replace(baudrate=before.ospeed)
        after = _termios.build(before, want, flags, platform.rate_codes)
        was_marked = bool(before.iflag & flags.parmrk)
        changes = want.marks is not was_marked or self.changes_marking(config)
        # A tty that starts to mark has not marked what it holds: counted before, or what comes during
        # the change would be taken for unmarked. One that stops has marked all of it: counted afterwards.
        queued = self._queued() if changes and not was_marked else 0
        have = want
        # An open finds what the last one left as a rule. A configure sets it again all the same: somebody asks for it.
        if after != before or not opening:
            undo.append(partial(self._restore, before, self.actual_baudrate))
            got = self._set_attributes(config, want, after)
            if got != after:
                have = _termios.decode(got, flags)
                refuses_values(config, _termios.dropped(want, have), handle)
        if changes and was_marked:
            queued = self._queued()
        self.actual_baudrate = have.baudrate
        self._apply_rs485(config, undo)
        self._apply_low_latency(config, undo)
        if changes:
            decoder = LineDecoder(config.line_errors, handle.path) if have.marks else None
            earlier = self.decoder
            if earlier is None and was_marked:  # by the program that had the port before
                earlier = decoder or LineDecoder(LineErrors.IGNORE, handle.path)
            self.decoder = decoder if earlier is decoder else change_over(earlier, queued, decoder)

    def _set_attributes(
        self, config: "SerialConfig", want: _termios.LineSettings, attributes: _termios.Attributes
    ) -> _termios.Attributes:
        """Set attributes, and return what the driver made of them."""
        handle = self._handle
        try:
            try:
                self._platform.set_attributes(self._system, handle.fd, attributes)
            except OSError as exc:
                if exc.errno != errno.EINVAL or handle.hung_up():
                    raise
                refuses_values(config, [_termios.spelled(want)], handle, exc)
            return self.attributes()
        except SerialError:
            raise
        except OSError as exc:
            raise handle.error(exc, "configure") from exc

    def changes_marking(self, config: "SerialConfig") -> bool:
        """Return whether *config* asks for something else to be done with line errors than is done now."""
        return config.line_errors is not (LineErrors.IGNORE if self.decoder is None else self.decoder.line_errors)

    def _queued(self) -> int:
        """Return how many received bytes the tty holds, marks included; 0 where nothing tells."""
        try:
            return get_int(self._system, self._handle.fd, self._ioctls.fionread)
        except OSError as exc:
            if not self._handle.lacks(exc):
                raise self._handle.error(exc, "ioctl") from exc
            return 0

    def _restore(self, before: _termios.Attributes, rate: int | None) -> None:
        self.actual_baudrate = rate
        self._platform.set_attributes(self._system, self._handle.fd, before)

    def _apply_rs485(self, config: "SerialConfig", undo: _Undo) -> None:
        if config.rs485 is None:
            return
        fd, read, write = self._handle.fd, self._ioctls.tiocgrs485, self._ioctls.tiocsrs485
        try:
            before = _rs485.read(self._system, fd, read)
            asked = _rs485.encode(before, config.rs485)
            if asked != before:
                undo.append(partial(_rs485.apply, self._system, fd, write, before))
                _rs485.apply(self._system, fd, write, asked)
                refuses_values(config, _rs485.refused(asked, _rs485.read(self._system, fd, read)), self._handle)
        except SerialError:
            raise
        except OSError as exc:
            if not self._handle.lacks(exc):
                raise self._handle.error(exc, "ioctl") from exc
            if config.rs485.enabled:  # where there is no such mode, it is off
                lacks_feature(config, "an RS-485 mode", self._handle, exc)
            return
        if self._rs485_before is None:
            self._rs485_before = before
            undo.append(self._forget_rs485)
        self.capabilities = replace(self.capabilities, rs485=Capability.SUPPORTED)

    def _forget_rs485(self) -> None:
        self._rs485_before = None

    def _apply_low_latency(self, config: "SerialConfig", undo: _Undo) -> None:
        if not config.low_latency:
            self._low_latency_off()
            return
        if self._low_latency is not None:
            return
        low_latency = LowLatency(self._system, self._handle.fd, self._ioctls, self._device)
        try:
            taken = low_latency.switch_on()
        except OSError as exc:
            low_latency.put_back()
            if not self._handle.lacks(exc) and exc.errno != errno.EPERM:
                raise self._handle.error(exc, "ioctl") from exc
            lacks_feature(config, "a low latency mode", self._handle, exc)
            return
        self._low_latency = low_latency
        undo.append(self._low_latency_off)
        # A driver that ignores the flag is not an error: many have no buffering to switch off.
        found = Capability.SUPPORTED if taken else Capability.UNSUPPORTED
        self.capabilities = replace(self.capabilities, low_latency=found)

    def _low_latency_off(self) -> None:
        if self._low_latency is not None:
            self._low_latency.put_back()
            self._low_latency = None


def _run(undo: _Undo) -> None:
    """Undo what was done, last first; what cannot be undone is let be."""
    for step in reversed(undo):
        with suppress(OSError):
            step()
