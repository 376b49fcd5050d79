"""RFC 2217, ``rfc2217://host:port``: a serial port of another computer, with its settings, lines and breaks.

Theory of operation. `Session` speaks the protocol, `Channel` reads and writes the connection, `Asker` asks, and
this class decides what to ask and what the answers mean. A request is answered within the URL's ``timeout``, or
counts as not confirmed; `SerialConfig.unsupported_policy` decides what happens then.
"""

import math
from typing import TYPE_CHECKING, Final, Literal

import anyio

from anyserial._clock import now
from anyserial._errno import closed_error
from anyserial._network import refusals
from anyserial._network.address import RFC2217_OPTIONS, Address, parse
from anyserial._network.asking import FENCE, GRACE, Asker
from anyserial._network.channel import Channel
from anyserial._network.com_port import Command, Control, Purge
from anyserial._network.connecting import connect
from anyserial._network.connection import Connection
from anyserial._network.features import features
from anyserial._network.refused import refusal_of
from anyserial._network.session import Session
from anyserial._network.settings import Settings, plan
from anyserial._printable import printable
from anyserial.capabilities import ControlLines
from anyserial.config import LineErrors, Parity, SerialConfig
from anyserial.exceptions import SerialDisconnectedError, SerialError, UnsupportedFeatureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyserial._network.asking import Commands
    from anyserial._network.settings import Request
    from anyserial._network.thread_calls import ThreadCalls
    from anyserial.capabilities import LineCounters, ModemLines, SerialCapabilities
    from anyserial.discovery import PortInfo

__all__ = ("Rfc2217Backend", "create_backend")

ANSWER_TIMEOUT: Final = 3.0  # seconds, unless the URL says otherwise


class Rfc2217Backend:
    """A port behind a server of RFC 2217; an `AsyncSerialBackend`."""

    kind: Literal["self-waiting"] = "self-waiting"

    def __init__(self) -> None:
        self.path: str = ""
        self._config = SerialConfig()
        self._settings = Settings()
        self._session: Session | None = None
        self._channel: Channel | None = None
        self._address: Address | None = None
        self._asker: Asker | None = None
        self._polls_modem = False
        self._holds_break = False
        self._sent = 0
        self._character = 0.0  # seconds that one takes on the line
        self._idle_at = 0.0  # when the line has sent everything, at the rate in force

    # What can be asked at any time

    @property
    def is_open(self) -> bool:
        """Whether the connection is held."""
        return self._channel is not None and self._channel.is_open

    @property
    def capabilities(self) -> "SerialCapabilities":
        """What can be done, as far as the server has shown it."""
        return features(self._session)

    @property
    def actual_baudrate(self) -> int | None:
        """The rate that the server says is in force; None if it has not said."""
        return self._settings.actual_baudrate

    @property
    def signature(self) -> str | None:
        """What the server calls itself; None if it has not said so. It may hold anything: print it with care."""
        text = None if self._session is None else self._session.signature
        return None if text is None else text.decode("utf-8", "replace")

    @property
    def port_info(self) -> "PortInfo | None":
        """What is known of the port; None before it is open."""
        if self._address is None:
            return None
        return self._address.describe(printable(self.signature or "RFC 2217 port"))

    def _here(self) -> tuple[Channel, Session]:
        if self._channel is None or self._session is None:
            raise closed_error(self.path or None)
        return self._channel, self._session

    # Opening and closing

    async def open(self, path: str, config: SerialConfig) -> None:
        """Connect, negotiate and set the port.

        Raises:
            ConfigurationError: *path* is not a URL of a network port.
            PortNotFoundError: The host is not known, or nothing listens there.
            PortBusyError: The server says that the port is in use.
            UnsupportedConfigurationError: The server does not take a setting.
            UnsupportedFeatureError: *config* asks for something that the server does not have.
            SerialError: The host cannot be reached, or the server closed the connection.

        Cancellation: nothing is left open. The server may have set the port.
        """
        address = parse(path, RFC2217_OPTIONS)
        refusals.lacks(config, "an RFC 2217 port", refusals.beyond_the_line(config), path)
        options = address.options
        timeout = float(options.get("timeout", ANSWER_TIMEOUT))
        self._polls_modem = bool(options.get("poll_modem"))
        session = Session(path)
        channel = Channel(Connection(await connect(address), address), session, path)
        self.path = path
        self._address = address
        self._config, self._settings = config, Settings()
        self._session, self._channel = session, channel
        ignores_control = bool(options.get("ign_set_control"))
        self._asker = Asker(channel, session, timeout, ignores_control=ignores_control, path=path)
        try:
            session.begin()
            with anyio.move_on_after(timeout):
                await channel.flush()
                await channel.until(lambda: session.is_settled)
            channel.check()
            await self._set_up(config)
        except BaseException as exc:
            channel.abandon()
            if isinstance(exc, SerialDisconnectedError):
                raise refusal_of(session.inbox, address) from exc
            raise

    async def _set_up(self, config: SerialConfig) -> None:
        _, session = self._here()
        if not session.is_com_port:
            self._go_without_settings(config)
            return
        # These need no answer. They go first: when the settings are answered, these have had their time.
        session.say(Command.SIGNATURE, b"")
        session.say(Command.MODEM_STATE_MASK, 255)
        session.ask_for_lines()
        await self._apply(config, opening=True)
        if config.discard_input_on_open:
            await self.reset_input_buffer()

    def _go_without_settings(self, config: SerialConfig) -> None:
        what = "the server does not agree to COM-PORT-OPTION (RFC 2217), so that the port"
        refusals.lacks(config, what, refusals.unusual(config), self.path)
        self._adopt(config)

    async def aclose(self) -> None:
        """Release a break and close the connection; output may leave as long as it moves.

        Cancellation: the connection is closed all the same.
        """
        if self._channel is None or self._session is None:
            return
        if self._holds_break:
            self._holds_break = False
            self._session.say(Command.CONTROL, Control.BREAK_OFF)
        await self._channel.close(self._config.close_timeout)

    # Data

    async def receive(self, max_bytes: int) -> bytes:
        """See `AsyncSerialBackend`."""
        return await self._here()[0].receive(max_bytes)

    async def send(self, data: bytes | memoryview) -> int:
        """See `AsyncSerialBackend`. Waits while the server has suspended the flow."""
        count = await self._here()[0].send(data)
        self._has_sent(count)
        return count

    def send_now(self, data: bytes | memoryview) -> int | None:
        """See `AsyncSerialBackend`."""
        count = self._here()[0].send_now(data)
        if count is not None:
            self._has_sent(count)
        return count

    def _has_sent(self, count: int) -> None:
        self._sent += count
        at = now()
        self._idle_at = (self._idle_at if self._idle_at > at else at) + count * self._character  # noqa: FURB136

    def receive_now(self, max_bytes: int) -> bytes | None:
        """See `AsyncSerialBackend`."""
        return self._here()[0].receive_now(max_bytes)

    def _thread_calls(self) -> "ThreadCalls":
        """Return the calls that the blocking port makes in its caller's thread."""
        return self._here()[0].share(self._has_sent)

    def interrupt(self) -> None:
        """See `AsyncSerialBackend`."""
        if self._channel is not None:
            self._channel.interrupt()

    def input_waiting(self) -> int:
        """Return how many bytes of data have arrived."""
        channel, session = self._here()
        channel.look()
        if not session.inbox:
            channel.check()
        return session.inbox.size

    def output_waiting(self) -> int:
        """Return how many bytes the server's system has not acknowledged (on Linux; elsewhere 0)."""
        channel, _ = self._here()
        channel.look()
        channel.check()
        return channel.unsent()

    async def drain(self) -> None:
        """Wait until the server has taken every byte: its system has acknowledged them, and it answers a request.

        The server and its driver may still hold some of them.
        """
        channel, session = self._here()
        await channel.drain()
        if session.is_com_port:
            # A server that has answered once answers again, and takes as long as its line does.
            await self._ask((FENCE,), patience=None if self.actual_baudrate is None else math.inf)

    async def drain_exact(self) -> None:
        """As `drain`, then wait as long as the bytes take at the rate in force. Nothing tells when they have left."""
        await self.drain()
        channel, _ = self._here()
        while (left := self._idle_at - now()) > 0:
            channel.check()
            await anyio.sleep(min(left, 0.1))

    async def reset_input_buffer(self) -> None:
        """Discard what has arrived, and what the server holds: all that comes before its answer."""
        channel, session = self._here()
        channel.check()
        channel.discard_input()
        if session.is_com_port:
            await self._ask(((Command.PURGE, Purge.RECEIVED),), fenced=True)

    async def reset_output_buffer(self) -> None:
        """Ask the server to discard what it has not sent. What is on its way there cannot be taken back."""
        channel, session = self._here()
        channel.check()
        if session.is_com_port:
            await self._ask(((Command.PURGE, Purge.TO_SEND),), fenced=True)

    # Settings

    async def configure(self, config: SerialConfig) -> None:
        """Apply *config*: send what changes, and wait for the answers.

        Raises:
            UnsupportedConfigurationError: The server does not take a value; it has been asked to restore the old ones.
            UnsupportedFeatureError: *config* asks for something that the server does not have.
            SerialDisconnectedError: The connection ended.

        Cancellation: the server is asked to restore the old settings, and its answer is not awaited.
        """
        channel, session = self._here()
        channel.check()
        refusals.lacks(config, "an RFC 2217 port", refusals.beyond_the_line(config), self.path)
        if session.is_com_port:
            await self._apply(config, opening=False)
        else:
            self._go_without_settings(config)

    async def _apply(self, config: SerialConfig, *, opening: bool) -> None:
        channel, session = self._here()
        requests, impossible = plan(config, opening=opening)
        refusals.refuse_values(config, impossible, self.path)
        changes = self._settings.changes(requests)
        before = self._settings.before(changes)
        try:
            wrong = await self._request(changes)
            refusals.refuse_values(config, wrong, self.path)
        except SerialDisconnectedError:
            raise
        except SerialError:
            await self._request(before)
            raise
        except BaseException:
            for request in before:
                for command, value in request.commands:
                    session.say(command, value)
            channel.look()  # which also sends
            raise
        self._adopt(config)

    async def _request(self, requests: "Sequence[Request]") -> list[str]:
        """Send *requests*, and return what is wrong with their answers."""
        if not requests:
            return []
        answers = iter(await self._ask([command for request in requests for command in request.commands]))
        results = [self._settings.answered(request, [next(answers) for _ in request.commands]) for request in requests]
        return [result for result in results if result is not None]

    def _adopt(self, config: SerialConfig) -> None:
        _, session = self._here()
        self._config = config
        session.reports_errors = config.line_errors is LineErrors.RAISE
        bits = 1 + int(config.byte_size.value) + (config.parity is not Parity.NONE) + float(config.stop_bits.value)
        self._character = bits / config.baudrate if session.is_com_port else 0.0

    async def _ask(
        self, commands: "Commands", *, fenced: bool = False, patience: float | None = None
    ) -> list[int | None]:
        assert self._asker is not None  # noqa: S101  # `_here` has been called
        return await self._asker.ask(commands, fenced=fenced, patience=patience)

    # Lines

    async def set_break(self, on: bool) -> None:
        """See `AsyncSerialBackend`."""
        channel, session = self._here()
        channel.check()
        if not session.is_com_port:
            raise self._lacking("has no break: it does not speak RFC 2217")
        self._holds_break = on
        control = Control.BREAK_ON if on else Control.BREAK_OFF
        # Some servers garble this answer, so any one counts.
        (answer,) = await self._ask(((Command.CONTROL, control),), fenced=True)
        if answer is None:
            refusals.unconfirmed(self._config, (f"the {'beginning' if on else 'end'} of a break",), self.path)

    async def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        """See `AsyncSerialBackend`."""
        channel, session = self._here()
        channel.check()
        if not session.is_com_port:
            raise self._lacking("has no control lines: it does not speak RFC 2217")
        wanted: dict[str, Control] = {}
        if rts is not None:
            wanted[f"rts={rts}"] = Control.RTS_ON if rts else Control.RTS_OFF
        if dtr is not None:
            wanted[f"dtr={dtr}"] = Control.DTR_ON if dtr else Control.DTR_OFF
        if not wanted:
            return
        answers = await self._ask([(Command.CONTROL, control) for control in wanted.values()], fenced=True)
        found = [text for (text, control), answer in zip(wanted.items(), answers, strict=True) if answer != control]
        refusals.unconfirmed(self._config, found, self.path)

    async def control_lines(self) -> ControlLines:
        """Return RTS and DTR as the server last reported them."""
        channel, session = self._here()
        lines = session.lines
        channel.look()
        channel.check()
        if session.is_com_port and (lines.rts is None or lines.dtr is None):
            await self._ask(((Command.CONTROL, Control.ASK_RTS), (Command.CONTROL, Control.ASK_DTR)), fenced=True)
        if lines.rts is None or lines.dtr is None:
            raise self._lacking("does not report RTS and DTR")
        return ControlLines(rts=lines.rts, dtr=lines.dtr)

    async def modem_lines(self) -> "ModemLines":
        """Return the modem lines as the server last reported them."""
        channel, session = self._here()
        lines = session.lines
        channel.look()
        channel.check()
        if session.is_com_port and (self._polls_modem or lines.modem is None):
            reports = lines.reports
            session.say(Command.NOTIFY_MODEM_STATE, 0)
            await self._ask((FENCE,))
            with anyio.move_on_after(GRACE):
                await channel.until(lambda: lines.reports != reports)
        found = lines.modem_lines()
        if found is None:
            raise self._lacking("does not report the modem lines")
        return found

    async def wait_modem_change(self, lines: "ModemLines", counts: tuple[int, ...]) -> None:
        """Wait until the server reports other *lines* or *counts*: see `AsyncSerialBackend`."""
        channel, session = self._here()
        known = session.lines
        await channel.until(lambda: known.changes() != counts or known.modem_lines() != lines)

    async def line_counters(self) -> "LineCounters":
        """Return what was counted on this connection: bytes, and what the server has reported."""
        channel, session = self._here()
        channel.look()
        if not session.is_com_port:
            raise self._lacking("does not speak RFC 2217, and reports nothing that could be counted")
        return session.lines.counters(session.received, self._sent)

    def _lacking(self, what: str) -> UnsupportedFeatureError:
        import errno  # noqa: PLC0415  # for errors only

        return UnsupportedFeatureError(errno.ENOTSUP, f"the server {what}", self.path)


def create_backend() -> Rfc2217Backend:
    """Return an unopened backend."""
    return Rfc2217Backend()
