"""The telnet protocol, as far as RFC 2217 needs it: one end of a connection, without I/O.

Theory of operation. Telnet mixes three things into one stream of bytes. Data bytes pass as they are,
except that 255 (IAC) is doubled. ``IAC WILL|WONT|DO|DONT option`` negotiates options. ``IAC SB option ...
IAC SE`` carries the messages of an option that is on (a *subnegotiation*).

Both a client and a server use `Telnet`, which keeps one state for each option and each side:

- *local*: this end performs the option. It offers with WILL; the peer answers DO or DONT.
- *remote*: the peer performs the option. This end asks with DO; the peer answers WILL or WONT.

The state machine is the Q method of RFC 1143: an answer is sent only where the peer's message changes the
state, so two ends that agree fall silent. `MOST_ANSWERS` bounds what a peer that does not follow it can
provoke.

Use it so::

    telnet = Telnet(local=(BINARY, SGA, COM_PORT), remote=(BINARY, SGA))
    telnet.request(LOCAL, COM_PORT)
    await stream.send(telnet.take_output())
    for event in telnet.feed(await stream.receive()):
        ...  # bytes: data; Subnegotiation; OptionChange; TelnetCommand
    await stream.send(telnet.take_output())  # the answers, if there are any

`feed` takes any bytes in any pieces and never raises. It holds no more than the piece of a subnegotiation
that has arrived, at most `longest` bytes. Data bytes are never changed otherwise: a NUL after CR stays,
whether BINARY is on or not, because the servers in use send binary data even where they refuse the option.

What the messages of COM-PORT-OPTION mean belongs to `com_port`.
"""

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = (
    "BINARY",
    "COM_PORT",
    "DOUBLED",
    "ECHO",
    "IAC",
    "LOCAL",
    "MOST_ANSWERS",
    "REMOTE",
    "SGA",
    "Event",
    "OptionChange",
    "Side",
    "Subnegotiation",
    "Telnet",
    "TelnetCommand",
    "escaped",
    "subnegotiation",
)

BINARY: Final = 0  # RFC 856
ECHO: Final = 1  # RFC 857
SGA: Final = 3  # RFC 858, "suppress go ahead"
COM_PORT: Final = 44  # RFC 2217

SE: Final = 240
NOP: Final = 241
SB: Final = 250
WILL: Final = 251
WONT: Final = 252
DO: Final = 253
DONT: Final = 254
IAC: Final = 255

MOST_ANSWERS: Final = 8
"""How many times one option of one side is answered. Enough for any honest peer; ends a loop with any other."""

_IAC = bytes((IAC,))
DOUBLED: Final = _IAC * 2
_END = bytes((IAC, SE))

type Side = Literal["local", "remote"]
LOCAL: Final = "local"
REMOTE: Final = "remote"


class Subnegotiation(NamedTuple):
    """A message of an option, without its frame and with every doubled 255 single."""

    option: int
    payload: bytes


class OptionChange(NamedTuple):
    """An option was turned on or off, or a request of this end was refused (`enabled` is False then)."""

    side: Side
    option: int
    enabled: bool


class TelnetCommand(NamedTuple):
    """Any other command, ``IAC code``: 243 is a break, 246 "are you there?". NOP is left out."""

    code: int


type Event = bytes | Subnegotiation | OptionChange | TelnetCommand


def escaped(data: bytes | memoryview) -> bytes | memoryview:
    """Return *data* as it goes over the wire: with every 255 doubled. Without one, *data* itself."""
    whole = data if isinstance(data, bytes) else bytes(data)  # searching a view is slow
    if _IAC not in whole:
        return data
    return whole.replace(_IAC, DOUBLED)


def subnegotiation(option: int, payload: bytes) -> bytes:
    """Return the message of *option* as it goes over the wire."""
    return bytes((IAC, SB, option)) + payload.replace(_IAC, DOUBLED) + _END


type _State = Literal["no", "yes", "want no", "want no, then yes", "want yes", "want yes, then no"]

_NO: Final = "no"
_YES: Final = "yes"
_WANT_NO: Final = "want no"
_WANT_NO_THEN_YES: Final = "want no, then yes"
_WANT_YES: Final = "want yes"
_WANT_YES_THEN_NO: Final = "want yes, then no"

# What the peer says, in a state: the next state, what is sent (True accepts or asks), what is reported.
# A NO that receives True is not here: it depends on what this end is willing to do.
_HEARD: dict[tuple[_State, bool], tuple[_State, bool | None, bool | None]] = {
    (_YES, True): (_YES, None, None),
    (_WANT_NO, True): (_NO, None, False),  # wrong of the peer, which must obey
    (_WANT_NO_THEN_YES, True): (_YES, None, True),
    (_WANT_YES, True): (_YES, None, True),
    (_WANT_YES_THEN_NO, True): (_WANT_NO, False, None),
    (_NO, False): (_NO, None, None),
    (_YES, False): (_NO, False, False),
    (_WANT_NO, False): (_NO, None, False),
    (_WANT_NO_THEN_YES, False): (_WANT_YES, True, None),
    (_WANT_YES, False): (_NO, None, False),
    (_WANT_YES_THEN_NO, False): (_NO, None, False),
}

# What this end wants, in a state: the next state and what is sent.
_WANTED: dict[tuple[_State, bool], tuple[_State, bool | None]] = {
    (_NO, True): (_WANT_YES, True),
    (_YES, True): (_YES, None),
    (_WANT_NO, True): (_WANT_NO_THEN_YES, None),
    (_WANT_NO_THEN_YES, True): (_WANT_NO_THEN_YES, None),
    (_WANT_YES, True): (_WANT_YES, None),
    (_WANT_YES_THEN_NO, True): (_WANT_YES, None),
    (_NO, False): (_NO, None),
    (_YES, False): (_WANT_NO, False),
    (_WANT_NO, False): (_WANT_NO, None),
    (_WANT_NO_THEN_YES, False): (_WANT_NO, None),
    (_WANT_YES, False): (_WANT_YES_THEN_NO, None),
    (_WANT_YES_THEN_NO, False): (_WANT_YES_THEN_NO, None),
}

_SAYS: dict[tuple[Side, bool], int] = {
    (LOCAL, True): WILL,
    (LOCAL, False): WONT,
    (REMOTE, True): DO,
    (REMOTE, False): DONT,
}
_HEARS: dict[int, tuple[Side, bool]] = {
    DO: (LOCAL, True),
    DONT: (LOCAL, False),
    WILL: (REMOTE, True),
    WONT: (REMOTE, False),
}

# Where the parser is.
_IN_DATA = 0
_AFTER_IAC = 1
_BEFORE_OPTION = 2  # after WILL, WONT, DO or DONT
_IN_MESSAGE = 3
_IN_MESSAGE_AFTER_IAC = 4


class Telnet:
    """One end of a telnet connection.

    Args:
        local: The options that this end performs when the peer asks (DO).
        remote: The options that this end lets the peer perform when it offers (WILL).
        longest: The longest subnegotiation that is delivered, in bytes, the option included. A longer one is
            dropped as a whole.

    Attributes:
        dropped: How many subnegotiations were too long, or were broken off by another command.
    """

    __slots__ = (
        "_answers",
        "_longest",
        "_message",
        "_output",
        "_overlong",
        "_states",
        "_verb",
        "_where",
        "_willing",
        "dropped",
    )

    def __init__(self, *, local: "Iterable[int]", remote: "Iterable[int]", longest: int = 1024) -> None:
        self._willing: dict[Side, frozenset[int]] = {LOCAL: frozenset(local), REMOTE: frozenset(remote)}
        self._longest = longest
        self._states: dict[tuple[Side, int], _State] = {}
        self._answers: dict[tuple[Side, int], int] = {}
        self._output = bytearray()
        self._where = _IN_DATA
        self._verb = 0
        self._message = bytearray()
        self._overlong = False
        self.dropped = 0

    # Negotiation

    def request(self, side: Side, option: int, *, on: bool = True) -> None:
        """Offer (local) or ask for (remote) *option*, or end it. Says nothing if that is so or under way."""
        key = side, option
        self._states[key], says = _WANTED[self._states.get(key, _NO), on]
        if says is not None:
            self._say(side, option, says)

    def is_on(self, side: Side, option: int) -> bool:
        """Return whether both ends agree that *side* performs *option*."""
        return self._states.get((side, option)) == _YES

    def is_pending(self, side: Side, option: int) -> bool:
        """Return whether a request of this end has not been answered."""
        return self._states.get((side, option), _NO) not in (_NO, _YES)

    def take_output(self) -> bytes:
        """Return what must be sent to the peer now, and forget it. Empty if there is nothing."""
        if not self._output:
            return b""
        output = bytes(self._output)
        self._output.clear()
        return output

    def _say(self, side: Side, option: int, on: bool) -> None:
        self._output += bytes((IAC, _SAYS[side, on], option))

    def _hear(self, verb: int, option: int, events: list[Event]) -> None:
        side, positive = _HEARS[verb]
        key = side, option
        state = self._states.get(key, _NO)
        if state == _NO and positive:
            willing = option in self._willing[side]
            following: tuple[_State, bool | None, bool | None] = (_YES, True, True) if willing else (_NO, False, None)
        else:
            following = _HEARD[state, positive]
        state, says, reports = following
        if says is not None:
            answers = self._answers[key] = self._answers.get(key, 0) + 1
            if answers > MOST_ANSWERS:
                self._answers[key] = MOST_ANSWERS + 1
                return  # the peer does not settle: the option stays as it is
            self._say(side, option, says)
        self._states[key] = state
        if reports is not None:
            events.append(OptionChange(side, option, reports))

    # Parsing

    @property
    def is_in_data(self) -> bool:
        """Whether a byte other than 255 would be data, next."""
        return self._where == _IN_DATA

    def feed(self, data: bytes) -> list[Event]:
        """Take what has arrived, in any pieces.

        Returns:
            What it contains, in its order: data (never empty), messages, changes of options. Call
            `take_output` afterwards.
        """
        if not self._where and IAC not in data:  # nearly always
            return [data] if data else []
        events: list[Event] = []
        position, end = 0, len(data)
        while position < end:
            if self._where == _IN_DATA:
                position = self._take_data(data, position, events)
            elif self._where == _IN_MESSAGE:
                position = self._take_message(data, position)
            else:
                self._take_code(data[position], events)
                position += 1
        return _joined(events)

    def _take_data(self, data: bytes, begin: int, events: list[Event]) -> int:
        found = data.find(_IAC, begin)
        if found < 0:
            events.append(data[begin:])
            return len(data)
        if found > begin:
            events.append(data[begin:found])
        self._where = _AFTER_IAC
        return found + 1

    def _take_message(self, data: bytes, begin: int) -> int:
        found = data.find(_IAC, begin)
        end = len(data) if found < 0 else found
        self._keep(data, begin, end)
        if found < 0:
            return end
        self._where = _IN_MESSAGE_AFTER_IAC
        return found + 1

    def _keep(self, data: bytes, begin: int, end: int) -> None:
        room = self._longest - len(self._message)
        if end - begin > room:
            self._overlong = True
            end = begin + room
        self._message += data[begin:end]

    def _take_code(self, code: int, events: list[Event]) -> None:
        where, self._where = self._where, _IN_DATA
        if where == _BEFORE_OPTION:
            self._hear(self._verb, code, events)
        elif where == _IN_MESSAGE_AFTER_IAC:
            if code == IAC:
                self._keep(_IAC, 0, 1)
                self._where = _IN_MESSAGE
            elif code == SE:
                self._end_message(events)
            else:  # a peer that forgot the end of its message, or to double an IAC in it
                self._forget_message()
                self._take_command(code, events)
        else:
            self._take_command(code, events)

    def _take_command(self, code: int, events: list[Event]) -> None:
        if code == IAC:
            events.append(_IAC)
        elif code == SB:
            self._where = _IN_MESSAGE
        elif code in _HEARS:
            self._verb = code
            self._where = _BEFORE_OPTION
        elif code not in (NOP, SE):
            events.append(TelnetCommand(code))

    def _end_message(self, events: list[Event]) -> None:
        message = bytes(self._message)
        if self._overlong or not message:
            self._forget_message()
            return
        self._message.clear()
        events.append(Subnegotiation(message[0], message[1:]))

    def _forget_message(self) -> None:
        self._message.clear()
        self._overlong = False
        self.dropped += 1


def _joined(events: list[Event]) -> list[Event]:
    """Return *events* with neighbouring data joined: doubled 255s cut it into many pieces."""
    if len(events) < 2:  # noqa: PLR2004  # nothing to join
        return events
    joined: list[Event] = []
    pieces: list[bytes] = []
    for event in events:
        if isinstance(event, bytes):
            pieces.append(event)
            continue
        if pieces:
            joined.append(b"".join(pieces))
            pieces.clear()
        joined.append(event)
    if pieces:
        joined.append(b"".join(pieces))
    return joined
