"""A recorded device: plays a record back, and checks that the program does what was recorded.

`_conversation` knows where the record is and what may come next. This module gives it the face of a
`SerialBackend`, with a pipe to wait on.
"""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from anyserial._spi import closed_error, disconnected_error
from anyserial.capabilities import Capability, ControlLines, LineCounters, ModemLines, SerialCapabilities
from anyserial.config import LineErrors, SerialConfig
from anyserial.exceptions import LineError, SerialError

from anyserial_testing._conversation import Conversation, ReplayError
from anyserial_testing._record_format import changes, read_record, spelled

if TYPE_CHECKING:
    from anyserial.stream import SerialPort

__all__ = ("Replay", "replay")

_UNKNOWN = Capability.UNKNOWN
_CAPABILITIES = SerialCapabilities(
    platform=sys.platform,
    backend="replay",
    custom_baudrate=Capability.SUPPORTED,
    mark_space_parity=Capability.SUPPORTED,
    one_point_five_stop_bits=Capability.SUPPORTED,
    xon_xoff=_UNKNOWN,
    rts_cts=_UNKNOWN,
    dtr_dsr=_UNKNOWN,
    modem_lines=_UNKNOWN,
    break_signal=_UNKNOWN,
    exclusive_access=Capability.UNSUPPORTED,
    low_latency=Capability.UNSUPPORTED,
    rs485=Capability.UNSUPPORTED,
    input_waiting=Capability.SUPPORTED,
    output_waiting=Capability.SUPPORTED,
    port_discovery=Capability.UNSUPPORTED,
)
_ON_THE_LINE = ("baudrate", "byte_size", "parity", "stop_bits", "flow_control")


def replay(file: "str | os.PathLike[str]", *, pace: bool = False, silent_end: bool = False) -> "Replay":
    """Return a device that behaves as in the record, and checks that the program does, too.

    Sends are compared as one stream of bytes, however they are split into calls. Settings, lines, breaks and
    discarding must come in their recorded places among the sends. What the device did follows as soon as the
    program has done everything that was recorded before it.

    Args:
        file: The record, as `record` wrote it.
        pace: Whether the device takes as long as in the record; otherwise it answers at once.
        silent_end: Whether a receive after the end of the record waits, as on a silent line. Otherwise it
            raises `ReplayError`.

    Returns:
        An unopened backend, for ``open_serial_port(path, config, backend=...)`` of either face;
        its `Replay.port` opens it.

    Raises:
        RecordError: The record is damaged, cut off, or of another version.
        OSError: The file cannot be read.
    """
    return Replay(file, pace=pace, silent_end=silent_end)


class Replay:
    """The device of a record, as a `SerialBackend`. Made by `replay`.

    Every departure from the record raises `ReplayError`, and closing the port raises it again, so that a
    program that catches every error cannot hide it. Closing before the end of the record is a departure,
    too. To replay the record again, open the backend again.
    """

    def __init__(self, file: "str | os.PathLike[str]", *, pace: bool = False, silent_end: bool = False) -> None:
        self._record = read_record(Path(file).read_bytes(), os.fspath(file))
        self._pace = pace
        self._silent_end = silent_end
        self._lock = threading.RLock()
        self._pipe: tuple[int, int] | None = None
        self._signalled = False
        self._path = self._record.path
        self._config = self._record.config
        self._conversation = Conversation(self._record, pace=pace)
        self._decoded: list[bytes | LineError] = []
        self._timer: threading.Timer | None = None

    def __repr__(self) -> str:
        """Return the record's file and the line that comes next."""
        return f"<{type(self).__name__} {self._record.name!r} at {self._conversation.place}>"

    def port(self) -> "SerialPort":
        """Open it with the recorded settings, and return the async port. Close that as any port."""
        from anyserial.stream import SerialPort  # noqa: PLC0415  # code that drives a backend does not pay for it

        self.open(self._record.path, self._record.config)
        return SerialPort(self, self._record.config)

    # SerialBackend

    @property
    def kind(self) -> Literal["descriptor"]:
        """It is a `SerialBackend`."""
        return "descriptor"

    @property
    def path(self) -> str:
        """The recorded path, or the one it was last opened under."""
        return self._path

    @property
    def config(self) -> SerialConfig:
        """The settings when the recording began."""
        return self._record.config

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self._pipe is not None

    @property
    def capabilities(self) -> SerialCapabilities:
        """Nothing of the recorded driver's is known, except by what the record has."""
        return _CAPABILITIES

    @property
    def actual_baudrate(self) -> int | None:
        """The rate that was asked for."""
        return self._config.baudrate

    @property
    def line_decoder(self) -> Callable[[bytes], Sequence[bytes | LineError]] | None:
        """What puts the recorded line errors in their places; None unless `line_errors` is RAISE."""
        return self._decode if self._config.line_errors is LineErrors.RAISE else None

    def open(self, path: str, config: SerialConfig) -> None:
        """Begin the record.

        Raises:
            ReplayError: The rate, the character format or the flow control is not the recorded one.
        """
        recorded = self._record.config
        if any(getattr(config, name) != getattr(recorded, name) for name in _ON_THE_LINE):
            raise ReplayError(
                f"{self._record.name} was recorded with {str(recorded)!r}, and the port is opened with {str(config)!r}"
            )
        self._conversation = Conversation(self._record, pace=self._pace)
        self._path, self._config = path, config
        self._decoded = []
        self._signalled = False
        self._pipe = os.pipe()
        for end in self._pipe:
            os.set_blocking(end, False)
        with self._lock:
            self._advance()

    def close(self) -> None:
        """Check that the record is over.

        Raises:
            ReplayError: The program stopped before the end, or left the record earlier.
        """
        with self._lock:
            pipe, self._pipe = self._pipe, None
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join()
        if pipe is not None:
            for number in pipe:
                os.close(number)
            self._conversation.check_finished()

    def fileno(self) -> int:
        """Return the descriptor: readable when the device has something to say, or when the record is over."""
        if self._pipe is None:
            raise closed_error(self._path)
        return self._pipe[0]

    def read(self, max_bytes: int) -> bytes | None:
        """Read what the device has said.

        Raises:
            ReplayError: The record is over, and *silent_end* is not set; or the program left it before.
            SerialError: What was recorded.
        """
        with self._lock:
            self.fileno()
            self._conversation.check()
            try:
                item = self._conversation.take(max_bytes)
                if item is None and self._conversation.is_over and not self._silent_end:
                    raise self._conversation.refuse_receive()
            finally:
                self._advance()
        if isinstance(item, LineError):
            if self.line_decoder is None:
                return None
            self._decoded.append(item)
            return b"\0"
        if isinstance(item, SerialError):
            raise self._raised(item)
        if item is not None and self.line_decoder is not None:
            self._decoded.append(item)
        return item

    def read_into(self, buffer: memoryview) -> int | None:
        """Read into *buffer*; as `read`."""
        data = self.read(len(buffer))
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: bytes | memoryview) -> int | None:
        """Compare *data* with the record.

        Raises:
            ReplayError: The record has something else here.
            SerialError: What was recorded.
        """
        with self._lock:
            self._alive()
            count = self._conversation.send(bytes(data))
            self._advance()
        if isinstance(count, SerialError):
            raise self._raised(count)
        return count

    def hung_up(self) -> bool:
        """Return whether the record says that the device is gone by now."""
        return self._conversation.is_gone

    def input_waiting(self) -> int:
        """Return how many bytes the device has said that were not read."""
        with self._lock:
            self._present()
            return self._conversation.waiting

    def output_waiting(self) -> int:
        """Return 0: what was sent has been compared."""
        self._present()
        return 0

    def configure(self, config: SerialConfig) -> None:
        """Compare the changed settings with the record."""
        self._does("configure", changes(config, self._config))
        self._config = config

    def reset_input_buffer(self) -> None:
        """Compare with the record, and discard."""
        self._does("discard", (("", "input"),))

    def reset_output_buffer(self) -> None:
        """Compare with the record."""
        self._does("discard", (("", "output"),))

    def drain(self) -> None:
        """Return at once."""
        self._alive()

    def transmitter_empty(self) -> bool | None:
        """Return True."""
        self._alive()
        return True

    def set_break(self, on: bool) -> None:
        """Compare with the record."""
        self._does("break", (("", spelled(on)),))

    def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        """Compare with the record."""
        levels = (("rts", rts), ("dtr", dtr))
        if words := tuple((name, spelled(level)) for name, level in levels if level is not None):
            self._does("lines", words)

    def modem_lines(self) -> ModemLines:
        """Return what was recorded."""
        return ModemLines(**{name: value == "on" for name, value in self._asked("modem").items()})

    def control_lines(self) -> ControlLines:
        """Return what was recorded."""
        return ControlLines(**{name: value == "on" for name, value in self._asked("control").items()})

    def line_counters(self) -> LineCounters:
        """Return what was recorded."""
        return LineCounters(**{name: int(value) for name, value in self._asked("counters").items()})

    def _does(self, kind: str, words: tuple[tuple[str, str], ...]) -> None:
        with self._lock:
            self._alive()
            error = self._conversation.do(kind, words)
            self._advance()
        if error is not None:
            raise self._raised(error)

    def _asked(self, query: str) -> dict[str, str]:
        with self._lock:
            self._alive()
            answer = self._conversation.ask(query)
        if isinstance(answer, SerialError):
            raise self._raised(answer)
        return answer

    def _alive(self) -> None:
        self._conversation.check()
        self._present()

    def _present(self) -> None:
        # A port asks for its queues while it is closed, also after the program has left the record.
        if self._pipe is None:
            raise closed_error(self._path)
        if self._conversation.is_gone:
            raise disconnected_error(self._path)

    def _raised(self, error: SerialError) -> SerialError:
        return error.with_traceback(None)

    def _decode(self, _data: bytes) -> Sequence[bytes | LineError]:
        found, self._decoded = self._decoded, []
        return found

    def _advance(self) -> None:
        """Let the device do what is due, and make the descriptor readable if there is something to read."""
        delay = self._conversation.advance()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pipe is None:
            return
        if delay is not None:
            self._timer = threading.Timer(delay, self._due)
            self._timer.daemon = True
            self._timer.name = "anyserial replay"
            self._timer.start()
        conversation = self._conversation
        readable = conversation.has_input or (conversation.is_over and not self._silent_end) or conversation.has_failed
        if readable and not self._signalled:
            os.write(self._pipe[1], b"\0")
        elif self._signalled and not readable:
            os.read(self._pipe[0], 1)
        self._signalled = readable

    def _due(self) -> None:
        with self._lock:
            if self._pipe is not None and threading.current_thread() is self._timer:
                self._advance()
