"""The client's side of RFC 2217 on one connection, without I/O: telnet below, data and reports above.

What is received goes to `inbox` (data, and line errors if they are wanted), to `lines` (reports) and to
`questions` (answers). What is to be sent collects in `output`. Messages of the server that make no sense are
ignored, because no two servers agree in all of them.

When to ask what is not known here; see `rfc2217`.
"""

import errno
from typing import TYPE_CHECKING, Final

from anyserial._network.com_port import Command, ComPortError, Control, LineState, Purge, decode, encode
from anyserial._network.inbox import Inbox
from anyserial._network.lines import ERRORS, Lines
from anyserial._network.questions import Questions
from anyserial._network.telnet import (
    BINARY,
    COM_PORT,
    DOUBLED,
    ECHO,
    IAC,
    LOCAL,
    REMOTE,
    SGA,
    Subnegotiation,
    Telnet,
    escaped,
    subnegotiation,
)
from anyserial.exceptions import LineError

if TYPE_CHECKING:
    from anyserial._network.questions import Key
    from anyserial._network.telnet import Event
    from anyserial._port.contract import Items

__all__ = ("Session",)

_OWN_SIGNATURE: Final = b"anyserial"

_LINE_ERRORS: Final = (
    (LineState.BREAK, "break", 0, "a break was received"),
    (LineState.PARITY | LineState.FRAMING, "parity_or_framing", None, "a byte was damaged (parity or framing error)"),
    (LineState.OVERRUN, "overrun", None, "bytes were lost (overrun)"),
)


class Session:
    """One connection to a server.

    Args:
        path: The port's path, for line errors.

    Attributes:
        inbox: What has been received.
        output: What has to be sent.
        lines: The lines as far as they are known.
        questions: The requests and their answers.
        is_suspended: Whether the server has asked to be sent no data.
        signature: What the server calls itself; None if it has not said so.
        reports_errors: Whether line errors go to the inbox.
        received: How many bytes of data have come.
    """

    can_suspend = True

    def __init__(self, path: str) -> None:
        self._path = path
        self._telnet = Telnet(local=(BINARY, SGA, COM_PORT), remote=(BINARY, SGA, ECHO, COM_PORT))
        self._has_said_signature = False
        self.inbox = Inbox()
        self.output = bytearray()
        self.lines = Lines()
        self.questions = Questions()
        self.is_suspended = False
        self.signature: bytes | None = None
        self.reports_errors = False
        self.received = 0

    # Negotiation

    def begin(self) -> None:
        """Offer and ask for the options."""
        for option in (BINARY, SGA):
            self._telnet.request(LOCAL, option)
            self._telnet.request(REMOTE, option)
        # WILL, not DO as well: some servers answer WONT to DO and then refuse everything.
        self._telnet.request(LOCAL, COM_PORT)
        self.output += self._telnet.take_output()

    @property
    def is_com_port(self) -> bool:
        """Whether the server has agreed to the commands of RFC 2217."""
        return self._telnet.is_on(LOCAL, COM_PORT) or self._telnet.is_on(REMOTE, COM_PORT)

    @property
    def is_settled(self) -> bool:
        """Whether the server has answered the offer of COM-PORT-OPTION."""
        return self.is_com_port or not self._telnet.is_pending(LOCAL, COM_PORT)

    # Sending

    def ask(self, command: Command, value: int) -> "Key":
        """Add a request to the output, and return the key of its answer."""
        key = self.questions.ask(command, value)
        self.say(command, value)
        return key

    def say(self, command: Command, value: int | bytes) -> None:
        """Add a message to the output."""
        self.output += subnegotiation(COM_PORT, encode(command, value))

    def encode(self, data: bytes | memoryview) -> bytes | memoryview:
        """See `Wire`: every 255 is doubled."""
        return escaped(data)

    def taken(self, data: bytes | memoryview, encoded: bytes | memoryview, count: int) -> tuple[int, bytes]:
        """See `Wire`. If a doubled 255 was cut, its second half must follow."""
        if len(encoded) == len(data):
            return count, b""
        sent = encoded[:count]
        doubled, half = divmod(bytes(sent).count(IAC), 2)
        return count - doubled, DOUBLED[:half]

    # Receiving

    def pass_on(self, unfiled: list[bytes], items: "Items") -> bool:
        """See `Wire`."""
        data = unfiled[0]
        if not data or not self._telnet.is_in_data:
            return False
        if IAC not in data:
            items.extend(map(unfiled.pop, (0,)))
        elif IAC not in data.replace(DOUBLED, b""):
            items.extend(map(bytes.replace, map(unfiled.pop, (0,)), (DOUBLED,), (DOUBLED[:1],)))
        else:
            return False
        self.received += len(items[-1])  # type: ignore[arg-type]  # it is what was appended
        return True

    def feed(self, data: bytes) -> None:
        """See `Wire`."""
        for event in self._telnet.feed(data):
            if isinstance(event, bytes):
                self.received += len(event)
                self.inbox.put(event)
            else:
                self._handle(event)
        self.output += self._telnet.take_output()

    def _handle(self, event: "Event") -> None:
        if not isinstance(event, Subnegotiation) or event.option != COM_PORT:
            return
        try:
            command, value = decode(event.payload, from_server=True)
        except ComPortError:
            return
        if isinstance(value, bytes):
            self._signature_heard(value)
        else:
            self._heard(command, value)

    def _signature_heard(self, text: bytes) -> None:
        if text or self._has_said_signature:
            self.signature = text
        else:  # the server asks for ours, which is sent once
            self._has_said_signature = True
            self.say(Command.SIGNATURE, _OWN_SIGNATURE)

    def _heard(self, command: Command, value: int) -> None:
        match command:
            case Command.NOTIFY_MODEM_STATE:
                self.lines.modem_heard(value)
            case Command.NOTIFY_LINE_STATE:
                self._line_state_heard(value)
            case Command.SUSPEND:
                self.is_suspended = True
            case Command.RESUME:
                self.is_suspended = False
            case Command.CONTROL:
                self.lines.control_heard(value)
                self.questions.heard(command, value)
            case Command.PURGE if value != Purge.TO_SEND and self.questions.is_open((command, 0)):
                self.questions.heard(command, value)
                self.inbox.clear()  # all that came before the answer
            case _:
                self.questions.heard(command, value)

    def _line_state_heard(self, value: int) -> None:
        self.lines.line_heard(value)
        if not self.reports_errors or not value & ERRORS:
            return
        for states, kind, byte, text in _LINE_ERRORS:
            if value & states:
                self.inbox.put_error(LineError(errno.EIO, text, self._path, kind=kind, byte=byte))

    def ask_for_lines(self) -> None:
        """Ask what the lines are now, without waiting: not every server answers these.

        Not for the modem lines: a server reports them by itself, and pySerial's ends the connection over that
        request if its port has no such lines.
        """
        for control in (Control.ASK_DTR, Control.ASK_RTS, Control.ASK_BREAK):
            self.say(Command.CONTROL, control)
