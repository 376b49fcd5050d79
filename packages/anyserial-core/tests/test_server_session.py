"""What a server says and hears by RFC 2217, without a network: any pieces, no loops, no nonsense."""

import random

import pytest
from anyserial._network.com_port import Command, Control, LineState, ModemState, encode
from anyserial._network.outbox import PIECE, Outbox
from anyserial._network.server_session import BREAK, Order, RawSession, Rfc2217Session, line_bits
from anyserial._network.telnet import (
    BINARY,
    COM_PORT,
    ECHO,
    LOCAL,
    REMOTE,
    SGA,
    Subnegotiation,
    Telnet,
    escaped,
    subnegotiation,
)
from anyserial.capabilities import ModemLines
from hypothesis import given
from hypothesis import strategies as st

WILL, DO, IAC = 251, 253, 255

CTS_ON = ModemLines(cts=True, dsr=False, ri=False, cd=False)
RINGING = ModemLines(cts=False, dsr=False, ri=True, cd=False)
ALL_OFF = ModemLines(cts=False, dsr=False, ri=False, cd=False)


def agreed() -> Rfc2217Session:
    session = Rfc2217Session()
    assert session.feed(bytes((IAC, WILL, COM_PORT))) == [Order(Command.NOTIFY_MODEM_STATE)]
    session.take_output()
    session.modem_state((ALL_OFF, None), asked=True)
    return session


def message(command: Command, value: int | bytes = 0) -> bytes:
    return subnegotiation(COM_PORT, encode(command, value))


def said(command: Command, value: int | bytes = 0) -> bytes:
    return subnegotiation(COM_PORT, encode(command, value, from_server=True))


def test_the_offers_are_those_that_make_a_telnet_program_a_terminal() -> None:
    output = Rfc2217Session().take_output()
    assert output == bytes((IAC, WILL, SGA, IAC, WILL, BINARY, IAC, WILL, ECHO, IAC, DO, SGA, IAC, DO, BINARY))


def test_two_sides_fall_silent() -> None:
    server, client = Rfc2217Session(), Telnet(local=(BINARY, SGA, COM_PORT), remote=(BINARY, SGA))
    client.request(LOCAL, COM_PORT)
    client.request(REMOTE, BINARY)
    for _ in range(3):
        client.feed(server.take_output())
        server.feed(client.take_output())
    assert server.take_output() == client.take_output() == b""
    assert server.is_rfc2217


@pytest.mark.parametrize("verb", [WILL, DO])
def test_the_option_is_accepted_however_it_is_spelled(verb: int) -> None:
    session = Rfc2217Session()
    session.take_output()
    session.feed(bytes((IAC, verb, COM_PORT)))
    assert session.is_rfc2217
    assert session.take_output() == bytes((IAC, WILL if verb == DO else DO, COM_PORT))


def test_a_client_that_only_sends_messages_has_agreed() -> None:
    session = Rfc2217Session()
    assert session.feed(message(Command.BAUDRATE, 9600)) == [
        Order(Command.NOTIFY_MODEM_STATE),
        Order(Command.BAUDRATE, 9600),
    ]


ORDERS: tuple[tuple[bytes, list[bytes | Order]], ...] = (
    (message(Command.BAUDRATE, 9600), [Order(Command.BAUDRATE, 9600)]),
    (message(Command.CONTROL, Control.DTR_ON), [Order(Command.CONTROL, 8)]),
    (message(Command.PURGE, 3), [Order(Command.PURGE, 3)]),
    (b"a\xff\xffb" + message(Command.PARITY, 2) + b"c", [b"a\xffb", Order(Command.PARITY, 2), b"c"]),
    (bytes((IAC, BREAK)), [Order(None)]),
    (subnegotiation(COM_PORT, b"\x01\x00"), [Order(Command.BAUDRATE)]),
    (subnegotiation(COM_PORT, b"\x07"), [Order(Command.NOTIFY_MODEM_STATE)]),
    (subnegotiation(COM_PORT, b"\x0c"), []),
    (subnegotiation(COM_PORT, b"\x63\x01"), []),
    (subnegotiation(COM_PORT, b""), []),
    (subnegotiation(24, b"\x01"), []),
)


@pytest.mark.parametrize(("data", "items"), ORDERS)
def test_what_arrives_becomes_data_and_orders(data: bytes, items: list[bytes | Order]) -> None:
    session = agreed()
    assert session.feed(data) == items
    session = agreed()
    split = [item for index in range(len(data)) for item in session.feed(data[index : index + 1])]
    assert b"".join(item for item in split if isinstance(item, bytes)) == b"".join(
        item for item in items if isinstance(item, bytes)
    )
    assert [item for item in split if isinstance(item, Order)] == [item for item in items if isinstance(item, Order)]


def test_what_needs_no_port_is_answered_at_once() -> None:
    session = agreed()
    assert session.feed(message(Command.SIGNATURE, b"")) == []
    assert b"anyserial " in session.take_output()
    assert session.feed(message(Command.SIGNATURE, b"a\xffb\x1b")) == []
    assert (session.take_output(), session.signature) == (b"", "a\\xffb\x1b")
    assert session.feed(message(Command.MODEM_STATE_MASK, 0x10)) == [Order(Command.NOTIFY_MODEM_STATE)]
    assert session.take_output() == said(Command.MODEM_STATE_MASK, 0x10)
    assert session.feed(message(Command.SUSPEND)) == []
    assert session.is_suspended
    session.feed(message(Command.RESUME))
    assert not session.is_suspended


def test_masks_say_what_is_wanted() -> None:
    session = agreed()
    assert (session.wants_errors, session.wants_emptiness) == (False, False)
    assert session.line_state(LineState.BREAK) == b""
    session.feed(message(Command.LINE_STATE_MASK, LineState.BREAK))
    assert (session.wants_errors, session.wants_emptiness) == (True, False)
    assert session.line_state(LineState.BREAK | LineState.OVERRUN) == said(Command.NOTIFY_LINE_STATE, LineState.BREAK)
    assert session.line_state(LineState(0), asked=True) == said(Command.NOTIFY_LINE_STATE, 0)
    session.feed(message(Command.LINE_STATE_MASK, LineState.SHIFT_REGISTER_EMPTY))
    assert (session.wants_errors, session.wants_emptiness) == (False, True)


def test_changes_of_lines_are_told_once() -> None:
    session = agreed()
    assert session.modem_state((CTS_ON, None)) == said(
        Command.NOTIFY_MODEM_STATE, ModemState.CTS | ModemState.CTS_CHANGED
    )
    assert session.modem_state((CTS_ON, None)) == b""
    assert session.modem_state((CTS_ON, None), asked=True) == said(Command.NOTIFY_MODEM_STATE, ModemState.CTS)
    assert session.modem_state((RINGING, None)) == said(
        Command.NOTIFY_MODEM_STATE, ModemState.RI | ModemState.CTS_CHANGED
    )
    assert session.modem_state((ALL_OFF, None)) == said(Command.NOTIFY_MODEM_STATE, ModemState.RI_ENDED)
    assert session.modem_state(None) == b""


def test_a_pulse_that_only_the_counters_show_is_told() -> None:
    session = agreed()
    session.modem_state((ALL_OFF, (1, 1, 1, 1)), asked=True)
    assert session.modem_state((ALL_OFF, (3, 1, 1, 1))) == said(Command.NOTIFY_MODEM_STATE, ModemState.CTS_CHANGED)
    assert session.modem_state((RINGING, (3, 1, 2, 1))) == said(Command.NOTIFY_MODEM_STATE, ModemState.RI)


def test_nothing_is_told_to_a_client_that_has_not_agreed() -> None:
    session = Rfc2217Session()
    session.take_output()
    assert session.modem_state((CTS_ON, None), asked=True) == b""
    assert session.line_state(LineState.BREAK, asked=True) == b""
    assert session.congestion(True) == b""


def test_congestion_is_told_when_it_changes() -> None:
    session = agreed()
    assert session.congestion(False) == b""
    assert session.congestion(True) == said(Command.SUSPEND)
    assert session.congestion(True) == b""
    assert session.congestion(False) == said(Command.RESUME)


@given(st.binary(), st.randoms(use_true_random=False))
def test_no_stream_of_bytes_is_too_strange(data: bytes, choice: random.Random) -> None:
    session = agreed()
    while data:
        cut = choice.randint(1, len(data))
        for item in session.feed(data[:cut]):
            assert item
        data = data[cut:]
    assert len(session.take_output()) < 65536


@given(st.lists(st.binary(min_size=1, max_size=30) | st.sampled_from(Command), max_size=20))
def test_data_passes_whole_between_messages(parts: list[bytes | Command]) -> None:
    session = agreed()
    stream = b"".join(
        bytes(escaped(part)) if isinstance(part, bytes) else message(part, b"x" if not part else 0) for part in parts
    )
    data = b"".join(item for item in session.feed(stream) if isinstance(item, bytes))
    assert data == b"".join(part for part in parts if isinstance(part, bytes))


def test_a_raw_session_says_nothing_but_data() -> None:
    session = RawSession()
    assert session.feed(b"\xff\xfa") == [b"\xff\xfa"]
    assert session.feed(b"") == []
    assert session.encoded(b"\xff") == b"\xff"
    assert session.reply(Command.BAUDRATE, 1) == session.line_state(LineState.BREAK) == b""
    assert session.modem_state(None) == session.congestion(True) == session.take_output() == b""


@pytest.mark.parametrize(
    ("kind", "has_parity", "bits"),
    [
        ("break", False, LineState.BREAK),
        ("overrun", True, LineState.OVERRUN),
        ("parity_or_framing", False, LineState.FRAMING),
        ("parity_or_framing", True, LineState.FRAMING | LineState.PARITY),
    ],
)
def test_line_errors_have_bits(kind: str, has_parity: bool, bits: LineState) -> None:
    assert line_bits(kind, has_parity=has_parity) == bits


def test_the_outbox_forgets_what_was_sent_and_not_what_came_after_a_purge() -> None:
    box = Outbox()
    box.put(b"x" * (PIECE + 1))
    assert (len(box.peek()), box.size) == (PIECE, PIECE + 1)
    box.sent(PIECE, box.purged)
    assert (box.peek(), box.gone) == (b"x", PIECE)
    before = box.purged
    box.clear()
    box.put(b"new")
    box.sent(1, before)  # of a send that the purge has cancelled
    assert (box.peek(), box.put_in - box.gone) == (b"new", 3)


def test_an_answer_is_a_message_of_a_server() -> None:
    (event,) = Telnet(local=(), remote=()).feed(agreed().reply(Command.BAUDRATE, 9600))
    assert event == Subnegotiation(COM_PORT, bytes((101, 0, 0, 0x25, 0x80)))
