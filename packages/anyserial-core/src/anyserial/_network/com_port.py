"""The messages of COM-PORT-OPTION (RFC 2217), as a table for both directions, without I/O.

A message is the payload of a telnet subnegotiation of option 44: one byte that names the command, then its
value. A server adds 100 to the code of the command. `encode` and `decode` convert between messages and payloads::

    payload = encode(Command.BAUDRATE, 9600)                      # from a client
    payload = encode(Command.BAUDRATE, 9600, from_server=True)    # from a server
    command, value = decode(payload, from_server=True)

The value is an int (one byte, or four for the baud rate), bytes for the signature, and 0 for the two
commands without a value. `PARITIES`, `STOP_BITS` and `DATA_SIZES` translate settings; `Control` has the values
of SET-CONTROL, `ModemState`, `LineState` and `Purge` those of the other commands. 0 asks for the value in force
in every SET command (`ASK`).

Every SET command of a client is answered by the server with the same command and the value really in force.

How messages are framed belongs to `telnet`.
"""

from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

from anyserial.config import ByteSize, Parity, StopBits

__all__ = (
    "ASK",
    "DATA_SIZES",
    "DATA_SIZES_BY_CODE",
    "FROM_SERVER",
    "LONGEST_SIGNATURE",
    "PARITIES",
    "PARITIES_BY_CODE",
    "STOP_BITS",
    "STOP_BITS_BY_CODE",
    "ComPortError",
    "Command",
    "Control",
    "LineState",
    "Message",
    "ModemState",
    "Purge",
    "decode",
    "encode",
)

FROM_SERVER: Final = 100  # what a server adds to the code of a command
ASK: Final = 0  # as the value of a SET command: tell the value in force
LONGEST_SIGNATURE: Final = 256  # bytes; a longer one is cut


class ComPortError(ValueError):
    """A payload that is not a message of RFC 2217."""


class Command(IntEnum):
    """The commands, by the code that a client sends."""

    SIGNATURE = 0  # an empty one asks for the peer's
    BAUDRATE = 1
    DATA_SIZE = 2
    PARITY = 3
    STOP_SIZE = 4
    CONTROL = 5
    NOTIFY_LINE_STATE = 6  # from a server only
    NOTIFY_MODEM_STATE = 7  # from a server only; a client's asks for it in some clients
    SUSPEND = 8  # stop sending
    RESUME = 9
    LINE_STATE_MASK = 10
    MODEM_STATE_MASK = 11
    PURGE = 12


class Control(IntEnum):
    """The values of SET-CONTROL. They are of several kinds; the first of each kind asks."""

    ASK_FLOW = 0  # outbound, or both directions
    FLOW_NONE = 1
    FLOW_XON_XOFF = 2
    FLOW_HARDWARE = 3
    ASK_BREAK = 4
    BREAK_ON = 5
    BREAK_OFF = 6
    ASK_DTR = 7
    DTR_ON = 8
    DTR_OFF = 9
    ASK_RTS = 10
    RTS_ON = 11
    RTS_OFF = 12
    ASK_INBOUND_FLOW = 13
    INBOUND_FLOW_NONE = 14
    INBOUND_FLOW_XON_XOFF = 15
    INBOUND_FLOW_HARDWARE = 16
    FLOW_DCD = 17  # outbound
    INBOUND_FLOW_DTR = 18
    FLOW_DSR = 19  # outbound


class LineState(IntFlag):
    """The bits of NOTIFY-LINESTATE and of its mask, those of a 16550's line status register."""

    DATA_READY = 1
    OVERRUN = 2
    PARITY = 4
    FRAMING = 8
    BREAK = 16
    HOLDING_REGISTER_EMPTY = 32
    SHIFT_REGISTER_EMPTY = 64
    TIMEOUT = 128


class ModemState(IntFlag):
    """The bits of NOTIFY-MODEMSTATE and of its mask, those of a 16550's modem status register."""

    CTS_CHANGED = 1
    DSR_CHANGED = 2
    RI_ENDED = 4
    CD_CHANGED = 8
    CTS = 16
    DSR = 32
    RI = 64
    CD = 128


class Purge(IntEnum):
    """The values of PURGE-DATA, as seen from the server: what it has received from the line, what it has to send."""

    RECEIVED = 1
    TO_SEND = 2
    BOTH = 3


PARITIES: Final = {Parity.NONE: 1, Parity.ODD: 2, Parity.EVEN: 3, Parity.MARK: 4, Parity.SPACE: 5}
STOP_BITS: Final = {StopBits.ONE: 1, StopBits.TWO: 2, StopBits.ONE_POINT_FIVE: 3}
DATA_SIZES: Final = {size: int(size.value) for size in ByteSize}
PARITIES_BY_CODE: Final = {code: parity for parity, code in PARITIES.items()}
STOP_BITS_BY_CODE: Final = {code: stop_bits for stop_bits, code in STOP_BITS.items()}
DATA_SIZES_BY_CODE: Final = {code: size for size, code in DATA_SIZES.items()}


class Message(NamedTuple):
    """One command with its value."""

    command: Command
    value: int | bytes = 0


# How many bytes the value has; what is not here has one. The signature takes any number.
_WIDTHS = {Command.BAUDRATE: 4, Command.SUSPEND: 0, Command.RESUME: 0}
_BY_CODE = {int(command): command for command in Command}


def encode(command: Command, value: int | bytes = 0, *, from_server: bool = False) -> bytes:
    """Return the payload of a message.

    Args:
        command: What is said.
        value: Bytes for the signature, otherwise an int that fits: 32 bits for the baud rate, else 8.
        from_server: Whether a server says it.

    Raises:
        ComPortError: *value* does not fit *command*.
    """
    code = bytes((command + FROM_SERVER if from_server else command,))
    if isinstance(value, bytes) is not (command is Command.SIGNATURE):
        raise ComPortError(f"the value of {command.name} cannot be {value!r}")
    if isinstance(value, bytes):
        return code + value[:LONGEST_SIGNATURE]
    try:
        return code + value.to_bytes(_WIDTHS.get(command, 1))
    except OverflowError:
        raise ComPortError(f"the value of {command.name} cannot be {value!r}") from None


def decode(payload: bytes, *, from_server: bool) -> Message:
    """Return the message in *payload*. Bytes behind the value are ignored.

    Args:
        payload: What a subnegotiation of option 44 carries.
        from_server: Whether a server has sent it.

    Raises:
        ComPortError: It is not a message that this side sends, or its value is cut short.
    """
    if not payload:
        raise ComPortError("an empty message")
    command = _BY_CODE.get(payload[0] - FROM_SERVER if from_server else payload[0])
    if command is None:
        raise ComPortError(f"{payload[0]} is not a command of a {'server' if from_server else 'client'}")
    if command is Command.SIGNATURE:
        return Message(command, payload[1 : 1 + LONGEST_SIGNATURE])
    width = _WIDTHS.get(command, 1)
    if len(payload) <= width and width:
        raise ComPortError(f"the value of {command.name} is cut short: {payload[1:]!r}")
    return Message(command, int.from_bytes(payload[1 : 1 + width]))
