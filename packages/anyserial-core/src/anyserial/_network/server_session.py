"""What a server sends to one client and receives from it, without I/O: by RFC 2217, or plain bytes.

A session turns what arrives from the network into *items*: data for the port, and `Order`s, which somebody
must carry out on the port and answer with `reply`. Whatever needs no port it answers itself; `take_output`
returns these answers. So everything that depends on the protocol is here, and is tested without a network.

What an order does to a port is in `port_orders`. How telnet and COM-PORT-OPTION look on the wire is in
`telnet` and `com_port`.
"""

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from anyserial._network.com_port import (
    Command,
    ComPortError,
    LineState,
    ModemState,
    decode,
    encode,
)
from anyserial._network.telnet import (
    BINARY,
    COM_PORT,
    ECHO,
    LOCAL,
    REMOTE,
    SGA,
    OptionChange,
    Subnegotiation,
    Telnet,
    TelnetCommand,
    escaped,
    subnegotiation,
)
from anyserial._version import __version__

if TYPE_CHECKING:
    from anyserial._network.com_port import Message
    from anyserial._port.contract import LinesSeen
    from anyserial.capabilities import ModemLines

__all__ = ("BREAK", "Order", "RawSession", "Rfc2217Session", "Session", "line_bits")

BREAK: Final = 243  # the telnet command
_ERRORS = LineState.OVERRUN | LineState.PARITY | LineState.FRAMING | LineState.BREAK
_EMPTY = LineState.HOLDING_REGISTER_EMPTY | LineState.SHIFT_REGISTER_EMPTY


class Order(NamedTuple):
    """Something that the client wants done to the port.

    Attributes:
        command: The command; None for a telnet break, which is not answered.
        value: Its value, as in `com_port`.
    """

    command: Command | None
    value: int = 0


class Session(Protocol):
    """What both protocols have in common.

    Attributes:
        is_rfc2217: Whether the client has agreed to COM-PORT-OPTION.
        is_suspended: Whether the client asked not to be sent data for now.
        signature: What the client called itself; empty if it did not.
        wants_errors: Whether the client asked for reports of breaks and damaged characters.
        wants_emptiness: Whether it asked for a report when everything has been sent.
    """

    @property
    def is_rfc2217(self) -> bool: ...
    @property
    def is_suspended(self) -> bool: ...
    @property
    def signature(self) -> str: ...
    @property
    def wants_errors(self) -> bool: ...
    @property
    def wants_emptiness(self) -> bool: ...

    def feed(self, data: bytes) -> list[bytes | Order]:
        """Take what has arrived, in any pieces; call `take_output` afterwards."""
        ...

    def take_output(self) -> bytes:
        """Return what must be sent now, and forget it."""
        ...

    def encoded(self, data: bytes) -> bytes | memoryview:
        """Return data of the port as it is sent."""
        ...

    def reply(self, command: Command, value: int) -> bytes:
        """Return the answer to an order: the value in force."""
        ...

    def line_state(self, state: LineState, *, asked: bool = False) -> bytes:
        """Return a notification of the line state, empty if the client does not want it."""
        ...

    def modem_state(self, seen: "LinesSeen | None", *, asked: bool = False) -> bytes:
        """Return a notification of the modem lines, empty if nothing that the client wants has changed."""
        ...

    def congestion(self, on: bool) -> bytes:
        """Return the request to stop sending, or to go on, empty if the client knows it already."""
        ...


class RawSession:
    """Plain bytes in both directions: there is nothing to say beside the data."""

    def __init__(self) -> None:
        self.is_rfc2217 = False
        self.is_suspended = False
        self.signature = ""
        self.wants_errors = False
        self.wants_emptiness = False

    def feed(self, data: bytes) -> list[bytes | Order]:
        """Return *data*."""
        return [data] if data else []

    def take_output(self) -> bytes:
        """Return nothing."""
        return b""

    def encoded(self, data: bytes) -> bytes | memoryview:
        """Return *data*."""
        return data

    def reply(self, command: Command, value: int) -> bytes:
        """Return nothing: nothing was ordered."""
        del command, value
        return b""

    def line_state(self, state: LineState, *, asked: bool = False) -> bytes:
        """Return nothing."""
        del state, asked
        return b""

    def modem_state(self, seen: "LinesSeen | None", *, asked: bool = False) -> bytes:
        """Return nothing."""
        del seen, asked
        return b""

    def congestion(self, on: bool) -> bytes:
        """Return nothing: TCP alone holds the client back."""
        del on
        return b""


class Rfc2217Session:
    """One client by RFC 2217.

    The server offers what makes a plain telnet program usable as a terminal (it echoes nothing itself, but
    the device may), and asks for binary data. It accepts COM-PORT-OPTION however it is spelled: WILL, as the RFC
    has it, or DO.
    """

    def __init__(self) -> None:
        self._telnet = Telnet(local=(BINARY, ECHO, SGA, COM_PORT), remote=(BINARY, SGA, COM_PORT))
        for option in (SGA, BINARY, ECHO):
            self._telnet.request(LOCAL, option)
        for option in (SGA, BINARY):
            self._telnet.request(REMOTE, option)
        self._output = bytearray(self._telnet.take_output())
        self._modem_mask = 0xFF  # as the RFC has it at the start
        self._line_mask = 0
        self._told = ModemState(0)
        self._counts: tuple[int, ...] | None = None
        self._has_told = False
        self._congested = False
        self.is_rfc2217 = False
        self.is_suspended = False
        self.signature = ""

    @property
    def wants_errors(self) -> bool:
        """See `Session`."""
        return bool(self._line_mask & _ERRORS)

    @property
    def wants_emptiness(self) -> bool:
        """See `Session`."""
        return bool(self._line_mask & _EMPTY)

    # What arrives

    def feed(self, data: bytes) -> list[bytes | Order]:
        """Take what has arrived, in any pieces; call `take_output` afterwards.

        Returns:
            Data for the port, never empty, and orders, in their order. What makes no sense is left out.
        """
        items: list[bytes | Order] = []
        for event in self._telnet.feed(data):
            if isinstance(event, bytes):
                items.append(event)
            elif isinstance(event, Subnegotiation):
                if event.option == COM_PORT:
                    self._take_message(event.payload, items)
            elif isinstance(event, OptionChange):
                if event.option == COM_PORT and event.enabled and not self.is_rfc2217:
                    self.is_rfc2217 = True
                    items.append(Order(Command.NOTIFY_MODEM_STATE))
            elif event == TelnetCommand(BREAK):
                items.append(Order(None))
        self._output += self._telnet.take_output()
        return items

    def _take_message(self, payload: bytes, items: list[bytes | Order]) -> None:
        try:
            message = decode(payload, from_server=False)
        except ComPortError:
            # A SET whose value is cut short is answered all the same, by the value in force.
            if payload and payload[0] in _ANSWERED:
                items.append(Order(Command(payload[0])))
            return
        # A client that sends messages without having agreed to the option can plainly read the answers.
        if not self.is_rfc2217:
            self.is_rfc2217 = True
            items.append(Order(Command.NOTIFY_MODEM_STATE))
        self._obey(message, items)

    def _obey(self, message: "Message", items: list[bytes | Order]) -> None:
        command, value = message
        if isinstance(value, bytes):
            if value:
                self.signature = value.decode("utf-8", "backslashreplace")
            else:
                self._say(Command.SIGNATURE, f"anyserial {__version__}".encode())
            return
        match command:
            case Command.SUSPEND | Command.RESUME:
                self.is_suspended = command is Command.SUSPEND
                return
            case Command.LINE_STATE_MASK:
                self._line_mask = value
            case Command.MODEM_STATE_MASK:
                self._modem_mask = value
                self._say(command, value)
                items.append(Order(Command.NOTIFY_MODEM_STATE))
                return
            case _:
                pass
        items.append(Order(command, value))

    # What is sent

    def take_output(self) -> bytes:
        """Return what must be sent now, and forget it."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def _say(self, command: Command, value: int | bytes) -> None:
        self._output += self._message(command, value)

    def _message(self, command: Command, value: int | bytes = 0) -> bytes:
        return subnegotiation(COM_PORT, encode(command, value, from_server=True))

    def encoded(self, data: bytes) -> bytes | memoryview:
        """Return data of the port as it is sent: with every 255 doubled."""
        return escaped(data)

    def reply(self, command: Command, value: int) -> bytes:
        """Return the answer to an order: the value in force."""
        return self._message(command, value)

    def line_state(self, state: LineState, *, asked: bool = False) -> bytes:
        """Return a notification of the line state, empty if the client does not want it.

        Args:
            state: What has happened, or is so.
            asked: Whether the client has asked; it is answered whatever its mask is.
        """
        wanted = state if asked else state & self._line_mask
        if not self.is_rfc2217 or not (wanted or asked):
            return b""
        return self._message(Command.NOTIFY_LINE_STATE, int(wanted))

    def modem_state(self, seen: "LinesSeen | None", *, asked: bool = False) -> bytes:
        """Return a notification of the modem lines, empty if nothing that the client wants has changed.

        Args:
            seen: The lines now, and how often each has changed if the driver counts, which reveals pulses that
                were over between two looks; None if the port has no lines, which is reported as "nothing is
                asserted".
            asked: Whether the client has asked; it is answered whatever has changed.
        """
        lines, counts = (None, None) if seen is None else seen
        state, told = _modem_bits(lines), self._told
        if self._has_told:
            state |= _changes(told, state, self._counts, counts)
        has_changed = bool(int(state ^ told) & self._modem_mask)
        self._told, self._counts = _LEVELS & state, counts
        if not self.is_rfc2217 or not (asked or has_changed):
            return b""
        self._has_told = True
        return self._message(Command.NOTIFY_MODEM_STATE, int(state) & self._modem_mask)

    def congestion(self, on: bool) -> bytes:
        """Return the request to stop sending, or to go on, empty if the client knows it already."""
        if on == self._congested or not self.is_rfc2217:
            return b""
        self._congested = on
        return self._message(Command.SUSPEND if on else Command.RESUME)


# The commands that are answered with the value in force, if they carry none: 0 asks for it.
_ANSWERED = frozenset(
    (
        Command.BAUDRATE,
        Command.DATA_SIZE,
        Command.PARITY,
        Command.STOP_SIZE,
        Command.CONTROL,
        Command.NOTIFY_LINE_STATE,
        Command.NOTIFY_MODEM_STATE,
    )
)


_IN_ORDER = (ModemState.CTS, ModemState.DSR, ModemState.RI, ModemState.CD)
_CHANGES = (ModemState.CTS_CHANGED, ModemState.DSR_CHANGED, ModemState.RI_ENDED, ModemState.CD_CHANGED)
_LEVELS = ModemState.CTS | ModemState.DSR | ModemState.RI | ModemState.CD


def _modem_bits(lines: "ModemLines | None") -> ModemState:
    state = ModemState(0)
    if lines is not None:
        for level, is_on in zip(_IN_ORDER, (lines.cts, lines.dsr, lines.ri, lines.cd), strict=True):
            if is_on:
                state |= level
    return state


def _changes(
    before: ModemState, now: ModemState, counted: tuple[int, ...] | None, counts: tuple[int, ...] | None
) -> ModemState:
    """Return the bits that tell what has changed: RI when it ends, the others whenever they do."""
    pulsed = [False] * 4
    if counted is not None and counts is not None:
        pulsed = [one != two for one, two in zip(counted, counts, strict=True)]
    bits = ModemState(0)
    for level, change, has_pulsed in zip(_IN_ORDER, _CHANGES, pulsed, strict=True):
        has_changed = bool((before ^ now) & level) or has_pulsed
        if has_changed and not (level is ModemState.RI and now & level):
            bits |= change
    return bits


def line_bits(kind: str, *, has_parity: bool) -> LineState:
    """Return the bits that report a `LineError`.

    Args:
        kind: Its kind.
        has_parity: Whether characters have a parity bit. Without one, a damaged character can only be a
            framing error; with one, a tty does not tell which it was.
    """
    if kind == "break":
        return LineState.BREAK
    if kind == "overrun":
        return LineState.OVERRUN
    return LineState.FRAMING | LineState.PARITY if has_parity else LineState.FRAMING
