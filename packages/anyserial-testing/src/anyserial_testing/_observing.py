"""Looks on at everything that a port and its backend say to each other.

`observe` puts a backend that reports every call around that of an open port, and takes it away again. Both
faces and both kinds of backends are served here; what becomes of the events is the sink's business.
"""

import threading
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, Literal, Protocol, cast

from anyserial._spi import Face, OpenPort, refusal
from anyserial.backend import AsyncSerialBackend, SerialBackend
from anyserial.capabilities import ControlLines, LineCounters, ModemLines, SerialCapabilities
from anyserial.config import SerialConfig
from anyserial.exceptions import LineError, SerialClosedError, SerialDisconnectedError, SerialError

from anyserial_testing._record_format import Event, changes, error_words, spelled

__all__ = ("Log", "Observation", "Sink", "open_port_of")


class Sink(Protocol):
    """Takes the events."""

    def event(self, event: Event) -> None:
        """Take one event; calls come one at a time, from any thread."""
        ...

    def finish(self) -> None:
        """The port is closed, or nobody looks on any more. May be called twice."""
        ...


def open_port_of(port: object) -> OpenPort:
    """Return what is inside an open port, async or blocking.

    Raises:
        TypeError: *port* is no port of anyserial's.
        SerialClosedError: It is not open.
    """
    opened = getattr(port, "_port", None)
    if not isinstance(port, Face) or not isinstance(opened, OpenPort):
        raise TypeError(refusal("port", "an open SerialPort, async or blocking", port))
    opened.check_open()
    return opened


class Log:
    """Makes events of calls, with their times, and hands them to the sink."""

    def __init__(self, sink: Sink, config: SerialConfig) -> None:
        self._sink = sink
        self._began = time.monotonic()
        self._config = config
        self._seen: dict[str, object] = {}
        self._gone = False
        self.is_on = True
        # Taken again by a signal handler that uses the port.
        self.lock = threading.RLock()

    def note(
        self,
        kind: str,
        data: bytes = b"",
        words: tuple[tuple[str, str], ...] = (),
        error: SerialError | None = None,
    ) -> None:
        """Report an event that happened now."""
        with self.lock:
            if self.is_on:
                self._sink.event(Event(kind, time.monotonic() - self._began, data, words, error))

    def seen(self, kind: str, value: Any) -> None:
        """Report what was read from the driver, if it differs from the last time."""
        with self.lock:
            if self._seen.get(kind) != value:
                self._seen[kind] = value
                names = [field.name for field in fields(value)]
                self.note(kind, words=tuple((name, spelled(getattr(value, name))) for name in names))

    def failed(self, operation: str, error: SerialError) -> None:
        """Report that a call failed; an unplug only once, and a query's error only when it is new."""
        with self.lock:
            if isinstance(error, SerialDisconnectedError):
                if not self._gone:
                    self._gone = True
                    self.note("gone")
            elif isinstance(error, LineError):
                self.note("damaged", words=error_words(operation, error), error=error)
            elif not isinstance(error, SerialClosedError) and operation != "waiting":
                shown = error_words(operation, error)
                if self._seen.get(operation) != shown:
                    if operation in {"modem", "control", "counters"}:
                        self._seen[operation] = shown
                    self.note("fail", words=shown, error=error)

    def configuring(self, config: SerialConfig) -> None:
        """Report new settings, before they are applied."""
        with self.lock:
            self.note("configure", words=changes(config, self._config))

    def configured(self, config: SerialConfig) -> None:
        """Keep the settings, which are in force now."""
        with self.lock:
            self._config = config

    @contextmanager
    def watched(self, operation: str) -> Generator[None]:
        """Report the error of a call."""
        try:
            yield
        except SerialError as error:
            self.failed(operation, error)
            raise

    def close(self) -> None:
        """Report that the port is closed."""
        with self.lock:
            if self.is_on:
                self.note("close")
                self.end()

    def end(self) -> None:
        """Report nothing more."""
        with self.lock:
            self.is_on = False
            self._sink.finish()


class Observation:
    """Reports what an open port does to a sink, until `close` or until the port is closed."""

    def __init__(self, port: object, sink: Sink) -> None:
        self._transport = open_port_of(port).transport
        self._inner = inner = self._transport.backend
        self.log = Log(sink, open_port_of(port).config)
        self._outer: ObservedBackend | ObservedAsyncBackend
        if self._transport.has_descriptor:
            self._outer = ObservedBackend(cast("SerialBackend", inner), self.log)
        else:
            self._outer = ObservedAsyncBackend(cast("AsyncSerialBackend", inner), self.log)
        self._transport.replace_backend(self._outer)

    def close(self) -> None:
        """Stop looking on; the port stays open."""
        # Somebody who began later may still look on through it. Then it stays, and reports nothing.
        if self._inner.is_open and self._transport.backend is self._outer:
            self._transport.replace_backend(self._inner)
        self.log.end()


class _Observed[B: (SerialBackend, AsyncSerialBackend)]:
    def __init__(self, inner: B, log: Log) -> None:
        self._inner: B = inner
        self._log = log

    def __getattr__(self, name: str) -> Any:
        # What a backend has beside the contract. Its optional ways of reading and writing would go past the log.
        if name.startswith("_") or name in {"direct_calls", "read_onto", "write_onto"}:
            raise AttributeError(name)
        return getattr(self._inner, name)

    @property
    def path(self) -> str:
        return self._inner.path

    @property
    def is_open(self) -> bool:
        return self._inner.is_open

    @property
    def capabilities(self) -> SerialCapabilities:
        return self._inner.capabilities

    @property
    def actual_baudrate(self) -> int | None:
        return self._inner.actual_baudrate

    def input_waiting(self) -> int:
        with self._log.watched("waiting"):
            return self._inner.input_waiting()

    def output_waiting(self) -> int:
        with self._log.watched("waiting"):
            return self._inner.output_waiting()


class ObservedBackend(_Observed[SerialBackend]):
    """A `SerialBackend` that reports to a log."""

    @property
    def kind(self) -> Literal["descriptor"]:
        return "descriptor"

    @property
    def line_decoder(self) -> Callable[[bytes], Sequence[bytes | LineError]] | None:
        decode = self._inner.line_decoder
        if decode is None:
            return None

        def decoded(data: bytes) -> Sequence[bytes | LineError]:
            found = decode(data)
            for item in found:
                if isinstance(item, LineError):
                    self._log.failed("receive", item)
                else:
                    self._log.note("receive", item)
            return found

        return decoded

    def open(self, path: str, config: SerialConfig) -> None:
        self._inner.open(path, config)

    def close(self) -> None:
        self._log.close()
        self._inner.close()

    def fileno(self) -> int:
        return self._inner.fileno()

    def hung_up(self) -> bool:
        return self._inner.hung_up()

    def read(self, max_bytes: int) -> bytes | None:
        with self._log.lock, self._log.watched("receive"):
            data = self._inner.read(max_bytes)
            if data is not None and self._inner.line_decoder is None:
                self._log.note("receive", data)
            return data

    def read_into(self, buffer: memoryview) -> int | None:
        with self._log.lock, self._log.watched("receive"):
            count = self._inner.read_into(buffer)
            if count is not None and self._inner.line_decoder is None:
                self._log.note("receive", bytes(buffer[:count]))
            return count

    def write(self, data: bytes | memoryview) -> int | None:
        # The answer may come at once, in another thread: it is read, and so reported, after this.
        with self._log.lock, self._log.watched("send"):
            count = self._inner.write(data)
            if count is not None:
                self._log.note("send", bytes(data[:count]))
            return count

    def configure(self, config: SerialConfig) -> None:
        self._log.configuring(config)
        with self._log.watched("configure"):
            self._inner.configure(config)
        self._log.configured(config)

    def reset_input_buffer(self) -> None:
        self._log.note("discard", words=(("", "input"),))
        with self._log.watched("discard"):
            self._inner.reset_input_buffer()

    def reset_output_buffer(self) -> None:
        self._log.note("discard", words=(("", "output"),))
        with self._log.watched("discard"):
            self._inner.reset_output_buffer()

    def drain(self) -> None:
        with self._log.watched("waiting"):
            self._inner.drain()

    def transmitter_empty(self) -> bool | None:
        with self._log.watched("waiting"):
            return self._inner.transmitter_empty()

    def set_break(self, on: bool) -> None:
        self._log.note("break", words=(("", spelled(on)),))
        with self._log.watched("break"):
            self._inner.set_break(on)

    def modem_lines(self) -> ModemLines:
        with self._log.watched("modem"):
            lines = self._inner.modem_lines()
        self._log.seen("modem", lines)
        return lines

    def control_lines(self) -> ControlLines:
        with self._log.watched("control"):
            lines = self._inner.control_lines()
        self._log.seen("control", lines)
        return lines

    def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        _note_lines(self._log, rts, dtr)
        with self._log.watched("lines"):
            self._inner.set_control_lines(rts=rts, dtr=dtr)

    def line_counters(self) -> LineCounters:
        with self._log.watched("counters"):
            counters = self._inner.line_counters()
        self._log.seen("counters", counters)
        return counters


class ObservedAsyncBackend(_Observed[AsyncSerialBackend]):
    """An `AsyncSerialBackend` that reports to a log."""

    @property
    def kind(self) -> Literal["self-waiting"]:
        return "self-waiting"

    async def _call[T](self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        with self._log.watched(operation):
            return await call()

    async def open(self, path: str, config: SerialConfig) -> None:
        await self._inner.open(path, config)

    async def aclose(self) -> None:
        self._log.close()
        await self._inner.aclose()

    async def receive(self, max_bytes: int) -> bytes:
        data = await self._call("receive", lambda: self._inner.receive(max_bytes))
        self._log.note("receive", data)
        return data

    async def send(self, data: bytes | memoryview) -> int:
        count = await self._call("send", lambda: self._inner.send(data))
        self._log.note("send", bytes(data[:count]))
        return count

    async def configure(self, config: SerialConfig) -> None:
        self._log.configuring(config)
        await self._call("configure", lambda: self._inner.configure(config))
        self._log.configured(config)

    async def reset_input_buffer(self) -> None:
        self._log.note("discard", words=(("", "input"),))
        await self._call("discard", self._inner.reset_input_buffer)

    async def reset_output_buffer(self) -> None:
        self._log.note("discard", words=(("", "output"),))
        await self._call("discard", self._inner.reset_output_buffer)

    async def drain(self) -> None:
        await self._call("waiting", self._inner.drain)

    async def drain_exact(self) -> None:
        await self._call("waiting", self._inner.drain_exact)

    async def set_break(self, on: bool) -> None:
        self._log.note("break", words=(("", spelled(on)),))
        await self._call("break", lambda: self._inner.set_break(on))

    async def modem_lines(self) -> ModemLines:
        lines = await self._call("modem", self._inner.modem_lines)
        self._log.seen("modem", lines)
        return lines

    async def control_lines(self) -> ControlLines:
        lines = await self._call("control", self._inner.control_lines)
        self._log.seen("control", lines)
        return lines

    async def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        _note_lines(self._log, rts, dtr)
        await self._call("lines", lambda: self._inner.set_control_lines(rts=rts, dtr=dtr))

    async def line_counters(self) -> LineCounters:
        counters = await self._call("counters", self._inner.line_counters)
        self._log.seen("counters", counters)
        return counters


def _note_lines(log: Log, rts: bool | None, dtr: bool | None) -> None:
    levels = (("rts", rts), ("dtr", dtr))
    words = tuple((name, spelled(level)) for name, level in levels if level is not None)
    if words:
        log.note("lines", words=words)
