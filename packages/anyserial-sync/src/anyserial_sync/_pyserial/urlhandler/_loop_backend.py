"""``loop://`` for an event loop: a port whose output comes back as its input, with a descriptor to wait for.

Two joined sockets carry the bytes. The port reads and writes the near one; whatever reaches the far one is sent
back at once. The near socket is therefore readable when there is input, and not writable while the line is full.
"""

import errno
import fcntl
import socket
import struct
import sys
import termios
import threading
from typing import TYPE_CHECKING, Literal

from anyserial._spi import closed_error
from anyserial.capabilities import Capability, ControlLines, ModemLines, SerialCapabilities
from anyserial.config import SerialConfig
from anyserial.exceptions import UnsupportedFeatureError

if TYPE_CHECKING:
    from anyserial.capabilities import LineCounters

__all__ = ("LoopBackend",)

_CHUNK = 65536
_YES, _NO = Capability.SUPPORTED, Capability.UNSUPPORTED
_CAPABILITIES = SerialCapabilities(
    platform=sys.platform,
    backend="loop",
    custom_baudrate=_YES,
    mark_space_parity=_YES,
    one_point_five_stop_bits=_YES,
    xon_xoff=_YES,
    rts_cts=_YES,
    dtr_dsr=_YES,
    modem_lines=_YES,
    break_signal=_YES,
    exclusive_access=_YES,
    low_latency=_YES,
    rs485=_YES,
    input_waiting=_YES,
    output_waiting=_YES,
    port_discovery=_NO,
)


class LoopBackend:
    """A port that is connected to itself; a `SerialBackend`. RTS is connected to CTS, and DTR to DSR."""

    kind: Literal["descriptor"] = "descriptor"
    line_decoder = None

    def __init__(self) -> None:
        self.path = ""
        self.capabilities = _CAPABILITIES
        self.actual_baudrate: int | None = None
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self._held = b""  # on its way back, between the two sockets
        self._lock = threading.Lock()
        self._rts = self._dtr = False

    @property
    def is_open(self) -> bool:
        """Whether the sockets are held."""
        return self._ends is not None

    @property
    def _both(self) -> tuple[socket.socket, socket.socket]:
        if self._ends is None:
            raise closed_error(self.path or None)
        return self._ends

    def open(self, path: str, config: SerialConfig) -> None:
        """See `SerialBackend`."""
        near, far = socket.socketpair()
        for end in (near, far):
            end.setblocking(False)
        self._ends = near, far
        self.path = path
        self._rts, self._dtr = config.rts_on_open is not False, config.dtr_on_open is not False
        self.configure(config)

    def close(self) -> None:
        """See `SerialBackend`."""
        ends, self._ends = self._ends, None
        for end in ends or ():
            end.close()

    def fileno(self) -> int:
        """See `SerialBackend`."""
        return self._both[0].fileno()

    def read(self, max_bytes: int) -> bytes | None:
        """See `SerialBackend`."""
        with self._lock:
            try:
                return self._both[0].recv(max_bytes)
            except BlockingIOError:
                return None
            finally:
                self._send_back()

    def read_into(self, buffer: memoryview) -> int | None:
        """See `SerialBackend`."""
        data = self.read(len(buffer))
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes | memoryview) -> int | None:
        """See `SerialBackend`."""
        with self._lock:
            try:
                return self._both[0].send(data)
            except BlockingIOError:
                return None
            finally:
                self._send_back()

    def _send_back(self) -> None:
        """Send what has reached the far socket back to the near one, as far as there is room."""
        _, far = self._both
        try:
            while True:
                self._held = self._held or far.recv(_CHUNK)
                self._held = self._held[far.send(self._held) :]
        except BlockingIOError:
            pass

    def hung_up(self) -> bool:
        """Return False: there is no device that could go."""
        return False

    def input_waiting(self) -> int:
        """Return how many bytes are on the line."""
        with self._lock:
            return len(self._held) + sum(map(_queued, self._both))

    def output_waiting(self) -> int:
        """Return 0: what was written has left."""
        self._both  # noqa: B018  # raises if the port is closed
        return 0

    def configure(self, config: SerialConfig) -> None:
        """Take any settings."""
        self.actual_baudrate = config.baudrate

    def reset_input_buffer(self) -> None:
        """Discard what is on the line."""
        with self._lock:
            near, _ = self._both
            try:
                while True:
                    self._send_back()
                    near.recv(_CHUNK)
            except BlockingIOError:
                pass

    # What is on the line is both the output and the input.
    reset_output_buffer = reset_input_buffer

    def drain(self) -> None:
        """See `SerialBackend`."""

    def transmitter_empty(self) -> bool | None:
        """Return True: what was written has left."""
        return True

    def set_break(self, on: bool) -> None:
        """Do nothing: nobody sees it."""

    def modem_lines(self) -> ModemLines:
        """See `SerialBackend`."""
        return ModemLines(cts=self._rts, dsr=self._dtr, ri=False, cd=True)

    def control_lines(self) -> ControlLines:
        """See `SerialBackend`."""
        return ControlLines(rts=self._rts, dtr=self._dtr)

    def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        """See `SerialBackend`."""
        self._rts = self._rts if rts is None else rts
        self._dtr = self._dtr if dtr is None else dtr

    def line_counters(self) -> "LineCounters":
        """Refuse: nothing counts."""
        raise UnsupportedFeatureError(errno.ENOTSUP, "loop:// has no line counters", self.path)


def _queued(end: socket.socket) -> int:
    (count,) = struct.unpack("i", fcntl.ioctl(end, termios.FIONREAD, bytes(4)))
    return int(count)
