"""A serial port without hardware: one end of a socketpair behind the backend contract.

Readiness, partial writes, back pressure and the far end's hang-up are the kernel's
own; modem lines, settings and faults are kept beside. What is injected is in
`_faults`, the cable in `_wire`; nothing here knows an event loop.
"""

import contextlib
import errno
import fcntl
import os
import socket
import struct
import termios
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, Self

from anyserial._spi import closed_error, disconnected_error, translate
from anyserial.capabilities import ControlLines, LineCounters, ModemLines, SerialCapabilities
from anyserial.config import LineErrors, SerialConfig
from anyserial.exceptions import LineError, SerialError

from anyserial_testing._capabilities import CAPABILITIES
from anyserial_testing._fault import KINDS, Direction
from anyserial_testing._faults import FaultPlan
from anyserial_testing._marks import DecodeMarks, MarkedReader, marked, unmarked
from anyserial_testing._wire import Wire, hung_up

__all__ = ("MockBackend",)

# No stall: what was sent is in the kernel, which reports it as readable at once.
_FAULTS = KINDS.keys() - {"stall"}
_ERRNO = {"eagain": errno.EAGAIN, "eintr": errno.EINTR, "eio": errno.EIO, "enodev": errno.ENODEV}


class MockBackend:
    """One of two serial ports joined by a null-modem cable that exists in memory only.

    Made in pairs by `pair`. Open it with ``open_serial_port(path, config, backend=mock)``
    or take `serial_port_pair`, which does that. Bytes cross through a socketpair, so a
    port waits, wakes and is pushed back as on a real descriptor. RTS of one side is CTS
    of the other, DTR is DSR and CD. A side that closes hangs the other up; once both
    have closed or hung up they may be opened again, for a new conversation.

    What it cannot do, and a real port or a pty can:

    - Bytes take no time, whatever the baud rate; settings are recorded
      (`last_config`), never refused and without effect on the bytes. Two sides with
      different rates understand each other.
    - Written means arrived: `output_waiting` is always 0, `drain` returns at once,
      and `reset_output_buffer` has nothing left to discard.
    - Flow control has no effect: neither RTS/CTS nor DTR/DSR, and XON/XOFF are ordinary bytes.
    - The lines start de-asserted, where a kernel raises DTR and RTS while it opens a
      tty; `dtr_on_open` and `rts_on_open` set them. RI is never asserted.
    - A break is seen in `break_asserted` and in the far end's `line_counters`; it puts
      no byte and no LineError in the data. Damage and breaks in the data come from the `FaultPlan`.
    - `exclusive` has no effect: no other program can open the port anyway.
    - There is no device node: discovery does not list it, and another process cannot open it.
    - Back pressure begins at the socket's buffer (some 200 kB on Linux, less for many
      small writes), not at a tty's 4095 bytes.
    """

    def __init__(self, wire: Wire, end: int, path: str, faults: FaultPlan | None = None) -> None:
        self._wire = wire
        self._end = end
        self._path = path
        self._socket: socket.socket | None = None
        self._config: SerialConfig | None = None
        self._faults = FaultPlan() if faults is None else faults
        self._faults.follow("a mock port", _FAULTS)
        self._faults.on_disconnect(self._hang_up)
        self._marks: MarkedReader | None = None  # only with `line_errors` RAISE
        self._plain = MarkedReader(self._unmarked)
        self._decoder: DecodeMarks | None = None
        self._bytes_read = 0
        self._bytes_written = 0
        self._damaged: Counter[str] = Counter()

    @classmethod
    def pair(
        cls,
        *,
        path_a: str = "/dev/mockA",
        path_b: str = "/dev/mockB",
        faults_a: FaultPlan | None = None,
        faults_b: FaultPlan | None = None,
    ) -> tuple[Self, Self]:
        """Return the two ends of a new cable, both unopened.

        Args:
            path_a: What the first side reports as its path; nothing exists there.
            path_b: The same for the second side.
            faults_a: What goes wrong on the first side; a plan without faults if None. One plan serves one port.
            faults_b: The same for the second side.

        Raises:
            ConfigurationError: A plan has a fault that a mock cannot make happen (a stall).
        """
        wire = Wire()
        return cls(wire, 0, path_a, faults_a), cls(wire, 1, path_b, faults_b)

    def __repr__(self) -> str:
        """Return the path and the state."""
        return f"<{type(self).__name__} {self._path!r} {'open' if self.is_open else 'closed'}>"

    @property
    def kind(self) -> Literal["descriptor"]:
        """It is a `SerialBackend`."""
        return "descriptor"

    @property
    def path(self) -> str:
        """The path it was made with, or was last opened under."""
        return self._path

    @property
    def is_open(self) -> bool:
        """Whether this side holds its end of the socketpair."""
        return self._socket is not None

    @property
    def capabilities(self) -> SerialCapabilities:
        """What the mock does; every setting is accepted and recorded, whatever this says, and has no effect."""
        return CAPABILITIES

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong on this side; change it at any time."""
        return self._faults

    @property
    def break_asserted(self) -> bool:
        """Whether this side holds the line in the break condition."""
        return self._wire.near(self._end).break_asserted

    @property
    def last_config(self) -> SerialConfig | None:
        """The settings that were applied last; None before the first `open`."""
        return self._config

    @property
    def actual_baudrate(self) -> int | None:
        """The rate that was asked for, which a mock always makes; None before the first `open`."""
        return None if self._config is None else self._config.baudrate

    @property
    def line_decoder(self) -> Callable[[bytes], Sequence[bytes | LineError]] | None:
        """What finds the damaged bytes in what `read` returned; None unless `line_errors` is RAISE."""
        return self._decoder

    def open(self, path: str, config: SerialConfig) -> None:
        """Take this side's end of the cable and apply *config*.

        Args:
            path: What `path` reports from now on.
            config: The settings to record.

        Raises:
            PortBusyError: This side is open already.
            PortNotFoundError: `FaultPlan.disconnected` is set.
        """
        if self._socket is not None:
            raise self._error(errno.EBUSY, detail="this mock is open already; each backend serves one port")
        if not self._faults.comes_back():
            raise self._error(errno.ENODEV)
        self._path = path
        self._bytes_read = self._bytes_written = 0
        self._damaged.clear()
        self._socket = self._wire.take(self._end)
        self._apply(config)
        self._wire.drive(self._end, rts=config.rts_on_open, dtr=config.dtr_on_open)
        if config.discard_input_on_open:
            self.reset_input_buffer()

    def close(self) -> None:
        """Hang the far end up and release the break, and RTS and DTR unless `hangup_on_close` is False.

        Bytes written before stay readable at the far end. Closing twice does nothing.
        """
        mine, self._socket = self._socket, None
        if mine is not None:
            drop_lines = self._config is None or self._config.hangup_on_close is not False
            self._wire.leave(self._end, mine, drop_lines=drop_lines)

    def fileno(self) -> int:
        """Return the descriptor of this side's socket.

        Raises:
            SerialClosedError: This side is not open.
        """
        return self._open_socket().fileno()

    def read(self, max_bytes: int) -> bytes | None:
        """Read what is there.

        Returns:
            1..max_bytes bytes, or None if nothing is there yet or the plan says so.

        Raises:
            SerialClosedError: This side is not open.
            SerialDisconnectedError: The far end closed and everything is read, or the plan says so.
            SerialError: `FaultPlan.raise_eio_on_read` is set.
        """
        mine = self._open_socket()
        if self._faults.disconnected:
            raise disconnected_error(self._path)
        try:
            data = self._read_retrying(mine, max_bytes)
        except BlockingIOError:
            return None
        except OSError as exc:
            raise translate(exc, context="io", path=self._path, hung_up=self.hung_up()) from exc
        if not data:
            raise disconnected_error(self._path)
        self._bytes_read += len(data)
        return data

    def read_into(self, buffer: memoryview) -> int | None:
        """Read what is there into *buffer*; as `read`.

        Returns:
            The count, at least 1, or None.
        """
        data = self.read(len(buffer))
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes | memoryview) -> int | None:
        """Write what the socket takes of *data*, or the plan lets it take.

        Returns:
            The count, at least 1, or None if nothing is taken now.

        Raises:
            SerialClosedError: This side is not open.
            SerialDisconnectedError: The far end closed, or the plan says so.
        """
        mine = self._open_socket()
        if self._faults.disconnected:
            raise disconnected_error(self._path)
        try:
            count = self._write_retrying(mine, memoryview(data)[: self._faults.short_write_max])
        except BlockingIOError:
            return None
        except OSError as exc:
            raise translate(exc, context="io", path=self._path, hung_up=self.hung_up()) from exc
        self._bytes_written += count
        return count

    def hung_up(self) -> bool:
        """Return whether the far end is gone, or the plan says that the device is."""
        if self._faults.disconnected:
            return True
        return hung_up(self._open_socket())

    def input_waiting(self) -> int:
        """Return how many bytes wait in the socket (FIONREAD)."""
        mine = self._open_socket()
        try:
            packed = fcntl.ioctl(mine, termios.FIONREAD, b"\0" * 4)
        except OSError as exc:
            raise translate(exc, context="ioctl", path=self._path) from exc
        count: int = struct.unpack("i", packed)[0]
        if self._faults.disconnected or (count == 0 and self.hung_up()):
            raise disconnected_error(self._path)
        return count

    def output_waiting(self) -> int:
        """Return 0: what a write took has arrived.

        The socket could tell what the far end has not read yet (SIOCOUTQ), but that is
        the far end's input, not this side's output: waiting for it would make `drain`
        wait for the reader, as no serial port does.
        """
        self._alive()
        return 0

    def configure(self, config: SerialConfig) -> None:
        """Record *config* as `last_config`; every setting is taken."""
        self._alive()
        self._apply(config)

    def reset_input_buffer(self) -> None:
        """Throw away what was received and not read."""
        self._alive()
        mine = self._open_socket()
        try:
            while mine.recv(65536):
                pass
        except BlockingIOError:
            pass
        except OSError as exc:
            raise translate(exc, context="io", path=self._path, hung_up=self.hung_up()) from exc
        self._plain.restart()
        if self._marks is not None and self._decoder is not None:
            self._marks.restart()
            self._decoder.restart()

    def reset_output_buffer(self) -> None:
        """Do nothing: what was written has arrived."""
        self._alive()

    def drain(self) -> None:
        """Return at once: what was written has arrived."""
        self._alive()

    def transmitter_empty(self) -> bool | None:
        """Return True: what was written has arrived."""
        self._alive()
        return True

    def set_break(self, on: bool) -> None:
        """Assert the break or release it; the far end counts it."""
        self._alive()
        self._wire.drive(self._end, on_break=on)

    def modem_lines(self) -> ModemLines:
        """Read the lines that the far end drives; all are off while it is not open."""
        self._alive()
        far = self._wire.far(self._end)
        return ModemLines(cts=far.rts, dsr=far.dtr, ri=False, cd=far.dtr)

    def control_lines(self) -> ControlLines:
        """Read back what this side drives."""
        self._alive()
        near = self._wire.near(self._end)
        return ControlLines(rts=near.rts, dtr=near.dtr)

    def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        """Set the lines that are not None, both at once."""
        self._alive()
        self._wire.drive(self._end, rts=rts, dtr=dtr)

    def line_counters(self) -> LineCounters:
        """Return what happened since `open`."""
        self._alive()
        near = self._wire.near(self._end)
        return LineCounters(
            cts=near.cts,
            dsr=near.dsr,
            ri=0,
            cd=near.cd,
            rx=self._bytes_read,
            tx=self._bytes_written,
            frame=self._damaged["framing"],
            overrun=self._damaged["overrun"],
            parity=self._damaged["parity"],
            brk=near.breaks + self._damaged["break"],
            buf_overrun=0,
        )

    def _apply(self, config: SerialConfig) -> None:
        self._config = config
        if config.line_errors is not LineErrors.RAISE:
            self._marks = self._decoder = None
        elif self._marks is None:
            self._marks, self._decoder = MarkedReader(self._marked), DecodeMarks(self._path)

    def _read_retrying(self, mine: socket.socket, max_bytes: int) -> bytes:
        while True:
            try:
                return self._receive(mine, max_bytes)
            except InterruptedError:
                continue

    def _receive(self, mine: socket.socket, max_bytes: int) -> bytes:
        faults = self._faults
        faults.begin()
        self._inject("eintr_reads", errno.EINTR)
        if faults.raise_eio_on_read:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._inject("eagain_reads", errno.EAGAIN)
        if scheduled := faults.is_scheduled:
            there = len(mine.recv(max_bytes, socket.MSG_PEEK))
            if there and (limit := self._meet("read", there)) < there:
                max_bytes = limit
        if self._marks is not None:
            return self._marks.read(mine, max_bytes)
        if faults.can_damage or self._plain.is_under_way:
            return self._plain.read(mine, max_bytes)
        data = mine.recv(max_bytes)
        (faults.moved if scheduled else faults.passed)("read", len(data))
        return data

    def _write_retrying(self, mine: socket.socket, data: memoryview) -> int:
        while True:
            try:
                self._faults.begin()
                self._inject("eintr_writes", errno.EINTR)
                self._inject("eagain_writes", errno.EAGAIN)
                if not self._faults.is_scheduled:
                    count = mine.send(data)
                    self._faults.passed("write", count)
                    return count
                count = mine.send(data[: self._meet("write", len(data))])
                self._faults.moved("write", count)
                return count
            except InterruptedError:
                continue

    def _inject(self, counter: str, number: int) -> None:
        if self._faults.take(counter):
            raise OSError(number, os.strerror(number))

    def _meet(self, on: Direction, count: int) -> int:
        """Return how many of *count* bytes may move, or raise what the schedule has for this operation."""
        due = self._faults.before(on, count)
        if due.fault is not None:
            number = _ERRNO.get(due.fault.kind, errno.ENODEV)
            raise OSError(number, os.strerror(number))
        return due.limit

    def _marked(self, byte: int) -> bytes:
        return marked(self._damage(), byte)

    def _unmarked(self, byte: int) -> bytes:
        discard = self._config is not None and self._config.line_errors is LineErrors.DISCARD
        return unmarked(self._damage(), byte, discard=discard)

    def _damage(self) -> str | None:
        kind = self._faults.damage()
        if kind is not None:
            self._damaged[kind] += 1
        return kind

    def _hang_up(self) -> None:
        # The kernel then reports POLLHUP on both sides, which wakes every waiting call.
        mine = self._socket
        if mine is not None:
            with contextlib.suppress(OSError):  # the far end was gone already: ENOTCONN on some systems
                mine.shutdown(socket.SHUT_RDWR)

    def _open_socket(self) -> socket.socket:
        mine = self._socket
        if mine is None:
            raise closed_error(self._path)
        return mine

    def _alive(self) -> None:
        if self.hung_up():
            raise disconnected_error(self._path)

    def _error(self, number: int, detail: str | None = None) -> SerialError:
        return translate(OSError(number, os.strerror(number)), context="open", path=self._path, detail=detail)
