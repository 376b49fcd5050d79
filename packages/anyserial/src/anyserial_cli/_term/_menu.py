"""What the keys of the menu do."""

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
from anyserial import SerialConfig, SerialError
from anyserial._spi import printable
from anyserial.exceptions import ConfigurationError

from anyserial_cli._term._escapes import CHOICES
from anyserial_cli._term._keys import Key, help_text, key_name
from anyserial_cli._term._newlines import RECEIVED, SENT
from anyserial_cli._term._protocols import PROTOCOLS, Plan, TransferError, receiving, sending
from anyserial_cli._term._settings import describe, parse_settings
from anyserial_cli._term._stamps import STAMPS
from anyserial_cli._term._transfer import transfer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from anyserial import SerialPort

    from anyserial_cli._term._interactive import Interactive

__all__ = ("Menu",)

PULSE = 0.1  # seconds
MODES = ("raw", "line", "hex")
SAFE = ("filter", "show", "obey")


class Menu:
    """The commands of `_keys.COMMANDS`, on one session."""

    def __init__(self, interactive: "Interactive") -> None:
        """Work on *interactive* and its session."""
        self._user = interactive
        self._protocols = {"send": "zmodem", "receive": "zmodem"}
        self._commands: dict[str, Callable[[], Awaitable[None]]] = {
            "help": self._help,
            "quit": self._quit,
            "settings": self._settings,
            "break": lambda: self._on_port(lambda port: port.send_break(), "break sent"),
            "dtr": lambda: self._on_port(self._toggle_dtr),
            "rts": lambda: self._on_port(self._toggle_rts),
            "pulse-dtr": lambda: self._on_port(self._pulse_dtr),
            "pulse-rts": lambda: self._on_port(self._pulse_rts),
            "status": self._status,
            "mode": self._mode,
            "hex": self._hex,
            "stamps": lambda: self._cycle("stamps", tuple(STAMPS), "timestamps", STAMPS),
            "echo": self._echo,
            "newline": self._newline,
            "newline-in": lambda: self._cycle("newline", tuple(RECEIVED), "received line ends", RECEIVED),
            "safe": lambda: self._cycle("escapes", SAFE, "escape sequences", CHOICES),
            "send-file": lambda: self._transfer("send", sending),
            "receive-file": lambda: self._transfer("receive", receiving),
            "log": self._log,
            "line": self._line,
            "clear": self._clear,
            "suspend": self._suspend,
        }

    async def do(self, key: Key) -> None:
        """Do what *key* asks for; for any other key, say that it is not a command."""
        if key.command is None:
            name = key_name(self._user.menu_key)
            self._tell(f"{key.key!r} is not a command; {name} ? shows them")
            return
        try:
            await self._commands[key.command]()
        except anyio.BusyResourceError:
            self._tell("not done: flow control holds the output back")
        except OSError as exc:
            self._user.complain(exc)

    def _tell(self, message: str) -> None:
        self._user.session.tell(message)

    async def _help(self) -> None:
        self._tell("\n".join(help_text(self._user.menu_key)))

    async def _quit(self) -> None:
        self._user.session.scope.cancel()

    async def _settings(self) -> None:
        session = self._user.session
        answer = await self._user.ask("settings> ", default=describe(session.config))
        if not isinstance(answer, str) or not answer.strip():
            return
        try:
            fields = parse_settings(answer)
            if "rs485" in fields and session.config.rs485 is not None and fields["rs485"].enabled:
                fields["rs485"] = replace(session.config.rs485, enabled=True)  # with the delays that it has
            config: SerialConfig = session.config.with_changes(**fields)
            if session.port is not None:
                await session.port.configure(config)
        except ConfigurationError as exc:
            self._tell(str(exc))
        except SerialError:
            raise
        except ValueError as exc:
            self._tell(str(exc))
        else:
            session.config = config
            self._tell(f"settings: {describe(config)}")

    async def _on_port(self, action: "Callable[[SerialPort], Awaitable[str | None]]", done: str | None = None) -> None:
        port = self._user.session.port
        if port is None:
            self._tell("not done: the device is away")
            return
        said = await action(port) or done
        if said is not None:
            self._tell(said)

    async def _toggle_dtr(self, port: "SerialPort") -> str:
        is_on = not (await port.control_lines()).dtr
        await port.set_control_lines(dtr=is_on)
        return f"DTR {'on' if is_on else 'off'}"

    async def _toggle_rts(self, port: "SerialPort") -> str:
        is_on = not (await port.control_lines()).rts
        await port.set_control_lines(rts=is_on)
        return f"RTS {'on' if is_on else 'off'}"

    async def _pulse_dtr(self, port: "SerialPort") -> str:
        before = (await port.control_lines()).dtr
        await port.set_control_lines(dtr=not before)
        try:
            await anyio.sleep(PULSE)
        finally:
            with anyio.CancelScope(shield=True):
                await port.set_control_lines(dtr=before)
        return f"DTR was {'off' if before else 'on'} for {PULSE:g} s"

    async def _pulse_rts(self, port: "SerialPort") -> str:
        before = (await port.control_lines()).rts
        await port.set_control_lines(rts=not before)
        try:
            await anyio.sleep(PULSE)
        finally:
            with anyio.CancelScope(shield=True):
                await port.set_control_lines(rts=before)
        return f"RTS was {'off' if before else 'on'} for {PULSE:g} s"

    async def _status(self) -> None:
        session = self._user.session
        settings = session.view.settings
        echo = "on" if self._user.echo else "off"
        lines = [
            f"port      {printable(session.options.device)} ({'open' if session.port is not None else 'away'})",
            f"settings  {describe(session.config)}",
            f"received  {session.received} bytes, sent {session.sent}, waiting {session.waiting}",
            f"input     {self._user.mode}, Enter sends {_newline_name(session.newline)}, echo {echo}",
            f"output    {'hex' if settings.hex else settings.encoding}, line ends {settings.newline}",
            f"escapes   {settings.escapes}",
            f"stamps    {settings.stamps}",
            f"log       {printable(session.log.path) if session.log is not None else 'none'}",
        ]
        self._tell("\n".join(lines))

    async def _mode(self) -> None:
        if not self._user.screen:
            self._tell("lines can be edited only if standard output is a terminal, which TERM=dumb is not")
            return
        self._user.mode = _after(MODES, self._user.mode)
        self._tell(f"input: {self._user.mode}")

    async def _hex(self) -> None:
        self._change(hex=not self._user.session.view.settings.hex)
        self._tell(f"output: {'hex' if self._user.session.view.settings.hex else 'text'}")

    async def _cycle(self, field: str, choices: "Sequence[str]", name: str, meaning: dict[str, str]) -> None:
        current = getattr(self._user.session.view.settings, field)
        chosen = _after(choices, current)
        self._change(**{field: chosen})
        self._tell(f"{name}: {chosen} ({meaning[chosen]})")

    def _change(self, **changes: str | bool) -> None:
        self._user.session.change_view(self._user.rows, **changes)

    async def _echo(self) -> None:
        self._user.echo = not self._user.echo
        self._tell(f"local echo {'on' if self._user.echo else 'off'}")

    async def _newline(self) -> None:
        session = self._user.session
        session.newline = _after([*SENT.values()], session.newline)
        self._tell(f"Enter sends {_newline_name(session.newline)}")

    async def _log(self) -> None:
        session = self._user.session
        if session.log is not None:
            path = session.log.path
            session.stop_log()
            self._tell(f"log ended: {printable(path)}")
            return
        answer = await self._user.ask("log to file> ", default=session.options.log or "")
        if isinstance(answer, str) and answer.strip():
            # A log that is begun from the keyboard never destroys what the file holds.
            session.start_log(answer.strip(), append=True, as_seen=session.options.log_as_seen)
            self._tell(f"log: {answer.strip()}")

    async def _transfer(self, verb: str, plan: "Callable[[str, str], Plan]") -> None:
        names = [*PROTOCOLS] if verb == "send" else [name for name in PROTOCOLS if name != "raw"]
        protocol = await self._user.ask(f"{verb} by ({', '.join(names)})> ", default=self._protocols[verb])
        if not isinstance(protocol, str) or not protocol.strip():
            return
        where = "file to send> " if verb == "send" else "new file> " if protocol == "xmodem" else "into folder> "
        path = await self._user.ask(where, default="" if where.startswith(("file", "new")) else ".", paths=True)
        if not isinstance(path, str) or not path.strip():
            return
        try:
            planned = plan(protocol.strip().lower(), path.strip())
            self._protocols[verb] = planned.protocol
            self._tell(f"{planned.what}; ctrl-c cancels")
            if not await self._user.unless_cancelled(lambda: transfer(self._user.session, planned)):
                self._tell(f"{planned.what}: cancelled")
        except TransferError as exc:
            self._tell(str(exc))

    async def _line(self) -> None:
        self._user.wants_status = self._user.screen and not self._user.wants_status
        self._user.layout()

    async def _clear(self) -> None:
        self._user.clear()

    async def _suspend(self) -> None:
        self._user.suspend()


def _after[T](choices: "Sequence[T]", current: T) -> T:
    index = choices.index(current) if current in choices else -1
    return choices[(index + 1) % len(choices)]


def _newline_name(newline: bytes) -> str:
    return next(name for name, data in SENT.items() if data == newline).upper().replace("CRLF", "CR LF")
