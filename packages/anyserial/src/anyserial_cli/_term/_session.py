"""One session: the port's bytes to the screen and the log, and what is to be sent to the port.

Nothing here knows keys or the status line: that is `_interactive`.
"""

import contextlib
import math
import os
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyserial import (
    LineError,
    SerialConfig,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    inspect_serial_port,
)
from anyserial._spi import printable

from anyserial_cli._main import DONE, FAILED
from anyserial_cli._screen import describe
from anyserial_cli._term._log import Log
from anyserial_cli._term._openings import openings
from anyserial_cli._term._pacing import paced
from anyserial_cli._term._settings import describe as describe_settings
from anyserial_cli._term._view import View, ViewSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from anyserial.testing import Recording

    from anyserial_cli._term._display import Display

__all__ = ("Options", "Session")

MOST_WAITING = 64 * 1024  # bytes typed or pasted that flow control may hold back


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says, beside the port's settings."""

    device: str
    wait: bool = False
    reconnect: bool = True
    newline: bytes = b"\r"
    char_delay: float = 0.0
    line_delay: float = 0.0
    log: str | None = None
    log_append: bool = False
    log_rotate: int | None = None
    log_keep: int = 5
    log_as_seen: bool = False
    exit_after: float = math.inf
    bytes_to_stdout: bool = False
    record: str | None = None
    draws: bool = False
    colour: bool = False


class Session:
    """The port, the view, the log and what waits to be sent.

    Attributes:
        port: The open port; None while the device is away.
        config: The settings in force, and those for when the device comes back.
        view: Makes text of what is received.
        log: The open log, or None.
        newline: What is sent for the Enter key.
        status: The exit status.
        scope: Cancelled to end the session.
        sending: Held by what sends: keys, a pipe, a script, or a file.
        diverted: Gets what is received instead of the screen and the log, while a file is transferred.
        script: Gets what is received beside the screen, while a script runs.
    """

    def __init__(self, options: Options, config: SerialConfig, view: ViewSettings, display: "Display") -> None:
        """Prepare a session; `run` runs it."""
        self.options = options
        self.config = config
        self.newline = options.newline
        self.port: SerialPort | None = None
        self.log: Log | None = None
        self.status = DONE
        self.scope = anyio.CancelScope()
        self.sending = anyio.Lock()
        self.diverted: Callable[[bytes], Awaitable[None]] | None = None
        self.script: Callable[[bytes], object] | None = None
        self.recording: str | None = None
        self.sent = self.received = 0
        self.display = display
        self.writer = display.put
        self.tells_on_screen = False
        self._began, self._wall = time.monotonic(), time.time()
        self.view = self._make_view(view)
        self._waiting = 0
        self._to_send, self._sending = anyio.create_memory_object_stream[bytes](math.inf)
        self._connected = anyio.Event()
        self._last = self._began
        self._column = 0
        self._has_progress = False
        self._recordings = 0
        self._others: str | None = None
        self._recorder: Recording | None = None

    # ---- what is shown

    def _make_view(self, settings: ViewSettings, rows: int | None = None) -> View:
        return View(settings, began=self._began, wall=self._wall, rows=rows)

    def change_view(self, rows: int | None, **changes: str | bool) -> None:
        """Show what comes from now on in another way."""
        self.show(self.view.flush(time.monotonic()))
        if self._column:
            self.show("\r\n")
        self.view = self._make_view(replace(self.view.settings, **changes), rows)  # type: ignore[arg-type]

    def show(self, text: str) -> None:
        """Print *text*."""
        if text:
            self.end_progress()
            self._column = 0 if text.endswith("\n") else 1
            self.writer(text.encode("utf-8", "backslashreplace"))

    def tell(self, message: str) -> None:
        """Print a message of the terminal's own, on lines of its own."""
        if not self.tells_on_screen:
            print(f"anyserial: {message}", file=sys.stderr, flush=True)
            return
        on, off = ("\x1b[36m", "\x1b[0m") if self.options.colour else ("", "")
        self.end_progress()
        start = "\r\n" if self._column else ""
        self.show(start + "".join(f"{on}--- {line}{off}\r\n" for line in message.splitlines()))

    def show_progress(self, text: str) -> None:
        """Show how far a transfer is, over what was shown of it before."""
        if self.options.draws:
            start = "\r" if self._has_progress else "\r\n" if self._column else ""
            self._has_progress = True
            self._column = 1
            line = f"--- {text}"[: shutil.get_terminal_size().columns - 1]
            self.writer(f"{start}\x1b[K{line}".encode("utf-8", "backslashreplace"))

    def end_progress(self) -> None:
        """Erase the line of the progress."""
        if self._has_progress:
            self._has_progress = False
            self._column = 0
            self.writer(b"\r\x1b[K")

    # ---- the log

    def start_log(self, path: str, *, append: bool, as_seen: bool) -> None:
        """Begin a log.

        Raises:
            OSError: The file cannot be written.
        """
        settings = replace(self.view.settings, live=False, escapes="strip", newline="auto")
        view = self._make_view(settings) if as_seen else None
        options = self.options
        self.log = Log(path, append=append, view=view, rotate=options.log_rotate, keep=options.log_keep)

    def stop_log(self) -> None:
        """End the log, if there is one."""
        if self.log is not None:
            try:
                self.log.close(time.monotonic())
            except OSError as exc:
                self._log_failed(exc)
            self.log = None

    def _log_failed(self, exc: OSError) -> None:
        self.status = FAILED
        path = "" if self.log is None else f" {printable(self.log.path)}"
        self.tell(f"the log{path} is incomplete: {describe(exc)}")

    # ---- the port

    async def run(self) -> None:
        """Open the port, receive, and open it again when the device comes back, until the scope is cancelled."""
        options = self.options
        self._others = await self._look_for_others()
        try:
            async with contextlib.aclosing(
                openings(options.device, self.config, wait=options.wait, again=options.reconnect, tell=self.tell)
            ) as ports:
                async for port in ports:
                    await self._serve(port)
            self.status = FAILED  # the device is gone, and is not waited for
        except SerialError as exc:
            self.status = FAILED
            self.tell(describe(exc))
        self.scope.cancel()

    async def _look_for_others(self) -> str | None:
        """Return which other programs have the port open: they read from it, too."""
        device = self.options.device
        if _is_pty(device):
            return None  # the program that made it may keep its near end open without reading from it
        try:
            return (await inspect_serial_port(device)).holders
        except SerialError:
            return None  # opening it tells

    async def _serve(self, port: SerialPort) -> None:
        try:
            if port.config != self.config:
                await port.configure(self.config)  # changed while the session ran
            with self._recorded(port):
                self.port = port
                self._connected.set()
                self.tell(f"connected to {printable(port.path)} at {describe_settings(port.config)}")
                if self._others is not None:
                    self.tell(f"the port was open already, {self._others}: each program gets a part of what comes")
                    self._others = None
                await self._receive(port)
        except SerialDisconnectedError as exc:
            self.tell(f"disconnected: {describe(exc)}")
        finally:
            self.port = None
            self._connected = anyio.Event()

    async def wait_connected(self) -> SerialPort:
        """Return the open port, once there is one."""
        while (port := self.port) is None:
            await self._connected.wait()
        return port

    @contextlib.contextmanager
    def _recorded(self, port: SerialPort) -> "Generator[None]":
        """Record the port inside the block. After each reconnect, record to another file."""
        if self.options.record is None:
            yield
            return
        from anyserial.testing import record  # noqa: PLC0415  # few need it

        self._recordings += 1
        path = self.options.record + (f".{self._recordings}" if self._recordings > 1 else "")
        try:
            self._recorder = record(port, Path(path).expanduser())
        except OSError as exc:
            self.status = FAILED
            self.tell(f"nothing is recorded: {describe(exc)}")
            yield
            return
        self.recording = path
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                self._recorder.close()  # its failure is reported below
            self._look_at_recording()
            self._recorder = self.recording = None

    def _look_at_recording(self) -> None:
        """Tell once that the recording could not be written to its end."""
        error = None if self.recording is None or self._recorder is None else self._recorder.error
        if error is not None:
            self.status = FAILED
            self.tell(f"the recording {printable(self.recording or '')} is incomplete: {describe(error)}")
            self.recording = None

    async def _receive(self, port: SerialPort) -> None:
        while True:
            try:
                data = await port.receive()
            except LineError as exc:
                self._show_line_error(exc)
                continue
            self._look_at_recording()
            self.received += len(data)
            self._last = now = time.monotonic()
            if self.diverted is not None:
                await self.diverted(data)
                continue
            if self.script is not None:
                self.script(data)
            if self.log is not None:
                try:
                    self.log.feed(data, now)
                except OSError as exc:
                    self._log_failed(exc)
                    log, self.log = self.log, None
                    log.abandon()
            if self.options.bytes_to_stdout:
                self.display.put(data)
            else:
                self.show(self.view.feed(data, now))
            while self.display.is_full:  # noqa: ASYNC110  # a thread empties it
                await anyio.sleep(0.005)
            if self.display.failed is not None:
                self.status = FAILED  # nobody reads the output any more
                self.scope.cancel()

    def _show_line_error(self, exc: LineError) -> None:
        if exc.kind == "break":
            self.show("[break]")
        elif exc.kind == "overrun":
            self.show("[overrun]")
        else:
            self.show(f"[parity or framing error: {exc.byte:02x}]")

    # ---- sending

    def queue(self, data: bytes) -> bool:
        """Send *data*, which was typed, when its turn comes; return whether there was room for it."""
        if self._waiting + len(data) > MOST_WAITING or self.port is None:
            return False
        self._waiting += len(data)
        self._to_send.send_nowait(data)
        return True

    async def send_typed(self) -> None:
        """Send what is queued, for ever."""
        async for data in self._sending:
            await self.send(data)
            self._waiting -= len(data)

    async def send(self, data: bytes) -> None:
        """Send all of *data*, paced as the options say; the rest follows when the device has come back."""
        async with self.sending:
            for piece, pause in paced(data, self.options.char_delay, self.options.line_delay):
                await self._send(piece)
                if pause:
                    await anyio.sleep(pause)

    async def _send(self, rest: bytes) -> None:
        while rest:
            port = await self.wait_connected()
            before = port.statistics.bytes_sent
            try:
                await port.send(rest)
            except SerialDisconnectedError:
                await anyio.lowlevel.checkpoint()
            except SerialError as exc:
                self.tell(f"sending failed: {describe(exc)}")
                rest = b""
            self._look_at_recording()
            taken = port.statistics.bytes_sent - before
            self.sent += taken
            rest = rest[taken:]

    @property
    def waiting(self) -> int:
        """How many typed bytes are not sent yet."""
        return self._waiting

    async def end_when_silent(self) -> None:
        """End the session when nothing has been received for the time that the options say."""
        self._last = time.monotonic()
        while (left := self._last + self.options.exit_after - time.monotonic()) > 0:  # noqa: ASYNC110  # see below
            await anyio.sleep(min(left, 3600))  # what is received meanwhile moves the end
        self.scope.cancel()

    def finish(self) -> None:
        """Print what the view held back, and close the log."""
        if not self.options.bytes_to_stdout:
            self.show(self.view.flush(time.monotonic()))
        self.stop_log()
        self._to_send.close()
        self._sending.close()


def _is_pty(path: str) -> bool:
    return os.path.realpath(path).startswith("/dev/pts/")
