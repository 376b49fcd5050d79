"""The person at the keyboard: keys, the menu, questions, the status line, signals."""

import codecs
import errno
import os
import signal
import time
from typing import TYPE_CHECKING

import anyio
from anyserial import SerialError, UnsupportedFeatureError
from anyserial._spi import printable

from anyserial_cli._screen import describe
from anyserial_cli._term._hex import parse_hex
from anyserial_cli._term._keys import Key, Keys, key_name
from anyserial_cli._term._menu import Menu
from anyserial_cli._term._newlines import map_sent
from anyserial_cli._term._settings import describe as describe_settings
from anyserial_cli._term._tty import RESET, RESET_ORIGIN
from anyserial_cli._term._view import View, ViewSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyserial_cli._term._asking import Asker
    from anyserial_cli._term._session import Session
    from anyserial_cli._term._tty import UserTerminal

__all__ = ("Interactive",)

TICK = 0.1  # seconds between two looks at the status line
LINES_INTERVAL = 0.5  # seconds between two looks at the port's lines
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Interactive:
    """Drives a session from a terminal.

    Attributes:
        mode: ``raw``, ``line`` or ``hex``: how the keyboard is read.
        echo: What is sent is shown.
        wants_status: The status line is wanted.
    """

    def __init__(
        self, session: "Session", terminal: "UserTerminal", fd: int, *, menu_key: int | None, screen: bool
    ) -> None:
        """Read keys from *fd*; *screen* means that standard output is the terminal, too."""
        self.session = session
        self.terminal = terminal
        self.menu_key = menu_key
        self.mode = "raw"
        self.echo = False
        self.wants_status = screen
        self.screen = screen
        self._fd = fd
        self._keys = Keys(menu_key)
        self._menu = Menu(self)
        self._asker: Asker | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._echo_view = View(ViewSettings(newline="cr", escapes="show"), began=0, wall=0)
        self._lines = ""
        self._drawn = ""

    # ---- the screen

    @property
    def rows(self) -> int | None:
        """How many rows the device may use; None for all."""
        return self.terminal.rows - 1 if self.terminal.region else None

    def open_screen(self) -> None:
        """Enter raw mode, and keep the last row free for the status line if it is wanted."""
        self.terminal.raw()
        self.layout()

    def layout(self) -> None:
        """Set the scroll region for the size that the terminal has now."""
        if not self.screen:
            return
        change = (
            self.terminal.open_region(alternate=self.session.view.escapes.alternate)
            if self.wants_status
            else self.terminal.close_region()
        )
        self.session.display.put(change.encode())
        self.session.view.escapes.rows = self.rows
        self._drawn = ""

    def close_screen(self) -> None:
        """Leave the terminal as it was found; never raises."""
        if self.screen:
            escapes = self.session.view.escapes
            alternate = "\x1b[?1049l" if escapes.alternate else ""
            origin = RESET_ORIGIN if escapes.origin else ""
            self.session.display.put((alternate + origin + self.terminal.close_region() + RESET).encode())
            self.session.display.status(b"")
            self.session.display.flush(1.0)
        self.terminal.restore()

    def clear(self) -> None:
        """Clear the screen and reset what the device may have done to it."""
        if self.screen:
            self.session.display.put(("\x1b[?1049l" + RESET_ORIGIN + RESET + "\x1b[r\x1b[2J\x1b[H").encode())
            self.terminal.region = False
            self.layout()

    def status_text(self) -> str:
        """Return the status line."""
        session = self.session
        if self._keys.pending:
            return f" {key_name(self.menu_key)}: press ? for help, q to quit"
        port = session.port
        parts = [session.options.device, describe_settings(session.config) if port is not None else "disconnected"]
        parts.append(f"rx {session.received} tx {session.sent}")
        if session.waiting > 1 and port is not None:
            parts.append(f"{session.waiting} held back")
        if self._lines and port is not None:
            parts.append(self._lines)
        if self.mode != "raw":
            parts.append(self.mode)
        if session.log is not None:
            parts.append(f"log {os.path.basename(session.log.path)}")  # noqa: PTH119
        if session.recording is not None:
            parts.append(f"rec {os.path.basename(session.recording)}")  # noqa: PTH119
        parts.append(f"{key_name(self.menu_key)} ? help")
        return " " + printable("  ".join(parts))

    async def keep_status(self) -> None:
        """Draw the status line whenever it has changed or was hurt."""
        looked = 0.0
        while True:
            if time.monotonic() - looked >= LINES_INTERVAL:
                looked = time.monotonic()
                self._lines = await self._look_at_lines()
            if self.terminal.has_changed():
                self.layout()  # while a question is asked, its signal is taken by the prompt
            self.draw_status()
            await anyio.sleep(TICK)

    def draw_status(self) -> None:
        """Draw the status line if it has changed or was hurt."""
        escapes = self.session.view.escapes
        if not self.terminal.region:
            return
        if escapes.was_reset:
            escapes.was_reset = False
            self.layout()
        text = self.status_text()
        # A prompt erases everything below itself whenever it is drawn.
        is_asking = self._asker is not None and self._asker.is_active
        if text != self._drawn or escapes.disturbed or is_asking:
            escapes.disturbed = False
            self._drawn = text
            row = self.terminal.status_row(text, reverse=True)
            self.session.display.status(row.encode("utf-8", "backslashreplace"))

    async def _look_at_lines(self) -> str:
        port = self.session.port
        if port is None:
            return ""
        try:
            modem, control = await port.modem_lines(), await port.control_lines()
        except UnsupportedFeatureError:
            return ""
        except SerialError:
            return self._lines
        states = {
            "RTS": control.rts,
            "CTS": modem.cts,
            "DTR": control.dtr,
            "DSR": modem.dsr,
            "DCD": modem.cd,
            "RI": modem.ri,
        }
        return " ".join(name if is_on else name.lower() for name, is_on in states.items())

    # ---- the keyboard

    async def keyboard(self) -> None:
        """Read the keyboard until it ends."""
        while True:
            if self.mode != "raw" and self.screen:
                await self._type_line()
                continue
            data = await self._read_keys()
            if not data:
                self.session.status = 128 + signal.SIGHUP  # its signal may still be on the way
                self.session.scope.cancel()
                return
            await self._obey(data)
            self.draw_status()

    async def _read_keys(self) -> bytes:
        """Return what is typed; nothing if the terminal is gone."""
        await anyio.wait_readable(self._fd)
        try:
            return os.read(self._fd, 4096)
        except OSError as exc:
            if exc.errno != errno.EIO:
                raise
            return b""

    async def _obey(self, data: bytes) -> None:
        """Do what the keys ask for, those included that were typed behind the answer to a question."""
        while data:
            rest = b""
            for event in self._keys.feed(data):
                if isinstance(event, Key):
                    await self._menu.do(event)
                    if self.mode == "raw" and self._asker is not None:
                        rest += self._asker.take_keys()
                else:
                    self.send(self._encoded(event.data))
            data = rest

    def _encoded(self, data: bytes) -> bytes:
        encoding = self.session.view.settings.encoding
        if encoding != "utf-8":
            text = self._decoder.decode(data)
            data = text.encode(encoding, "replace")
        return data.replace(b"\r", self.session.newline)

    def send(self, data: bytes) -> None:
        """Send *data* as it is, and show it if echo is on."""
        if not self.session.queue(data):
            reason = "the device is away" if self.session.port is None else "flow control holds the output back"
            self.session.tell(f"{len(data)} bytes not sent: {reason}")
        elif self.echo and not self.session.view.settings.hex:
            self.session.show(self._echo_view.feed(data, 0))

    async def _type_line(self) -> None:
        answer = await self.ask("hex> " if self.mode == "hex" else "", controls=True)
        if not isinstance(answer, str):
            if answer is not None:
                await self._menu_after_question()
            return
        if self.mode == "hex":
            try:
                data = parse_hex(answer)
            except ValueError as exc:
                self.session.tell(str(exc))
                return
            self.session.show(f"hex> {data.hex(' ')}\r\n")
            if data:
                self.send(data)
            return
        self.session.show(f"{answer}\r\n")
        encoding = self.session.view.settings.encoding
        text = answer.encode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")
        echo, self.echo = self.echo, False  # it is on the screen already
        self.send(map_sent(text + b"\r", self.session.newline))
        self.echo = echo

    async def _menu_after_question(self) -> None:
        """Do what the key after the menu key asks for; the menu key was pressed while a line was typed."""
        self._keys.pending = True
        self.draw_status()
        data = b"" if self._asker is None else self._asker.take_keys()
        while self._keys.pending:
            if not data:
                data = await self._read_keys()
                if not data:
                    return  # the terminal is gone, and the next question says so
            await self._obey(data)
            data = b""

    async def unless_cancelled(self, action: "Callable[[], Awaitable[None]]") -> bool:
        """Do something; return False if Ctrl-C, Escape or the menu key's ``q`` ended it. Other keys are dropped."""
        done = False
        failure: Exception | None = None

        async def act() -> None:
            nonlocal done, failure
            try:
                await action()
            except Exception as exc:  # noqa: BLE001  # raised below, without a group around it
                failure = exc
            done = True
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(act)
            keys = Keys(self.menu_key)
            while not done:
                data = await self._read_keys()
                # Escape alone: the arrow keys begin with it.
                if data in (b"", b"\x1b") or b"\x03" in data or Key("q") in keys.feed(data):
                    tasks.cancel_scope.cancel()
                    break
        if failure is not None:
            raise failure
        return done

    async def ask(
        self, question: str, *, default: str = "", controls: bool = False, paths: bool = False
    ) -> "str | object | None":
        """Ask for a line; None if it was given up, and what is not a string if the menu key was pressed."""
        if not self.screen:
            self.session.tell("questions need a terminal for standard output, which TERM=dumb is not")
            return None
        from anyserial_cli._term._asking import Asker  # noqa: PLC0415  # slow to import, and not for raw mode

        session = self.session
        if self._asker is None:
            self._asker = Asker(session.display, self.menu_key, lambda: self.rows or self.terminal.rows, self.send)
        asker = self._asker
        session.display.put(b"" if question else b"\r\x1b[K")
        session.writer = asker.show_bytes
        try:
            return await asker.ask(question, default=default, controls=controls, paths=paths)
        finally:
            session.writer = session.display.put
            session.display.put(asker.take().encode("utf-8", "backslashreplace"))
            self._drawn = ""

    # ---- signals

    async def obey_signals(self) -> None:
        """End on a signal that ends programs, with its status; follow the terminal's size."""
        with anyio.open_signal_receiver(*ENDING_SIGNALS, signal.SIGWINCH) as signals:
            async for number in signals:
                if number == signal.SIGWINCH:
                    self.layout()
                    self.draw_status()
                    continue
                self.session.status = 128 + number
                self.session.scope.cancel()
                return

    def suspend(self, *_: object) -> None:
        """Stop this job as Ctrl-Z does, with the terminal as it was, and go on when it is continued."""
        self.close_screen()
        before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(0, signal.SIGTSTP)
        # Continued, or the signal was ignored: a job without a shell cannot be stopped.
        signal.signal(signal.SIGTSTP, before)
        self.open_screen()
        self._drawn = ""

    def complain(self, exc: OSError) -> None:
        """Tell about an operation that failed."""
        self.session.tell(describe(exc))
