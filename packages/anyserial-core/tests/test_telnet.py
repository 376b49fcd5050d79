"""The telnet codec: data passes whole however it is cut, negotiation ends, and hostile input is bounded."""

import os
import random
from itertools import pairwise

import pytest
from anyserial._network.telnet import (
    BINARY,
    COM_PORT,
    ECHO,
    LOCAL,
    MOST_ANSWERS,
    REMOTE,
    SGA,
    Event,
    OptionChange,
    Side,
    Subnegotiation,
    Telnet,
    TelnetCommand,
    escaped,
    subnegotiation,
)
from hypothesis import given
from hypothesis import strategies as st

STREAMS = 1_000_000 if os.environ.get("ANYSERIAL_STRESS") == "full" else 1_000
LONGEST = 64

SE, NOP, BREAK, SB, WILL, WONT, DO, DONT, IAC = 240, 241, 243, 250, 251, 252, 253, 254, 255
VERBS = (WILL, WONT, DO, DONT)

# Streams that are likely to mean something.
CODES = st.sampled_from((SE, NOP, BREAK, SB, *VERBS, IAC, BINARY, SGA, COM_PORT, 13, 0))
STREAMS_OF_CODES = st.lists(CODES | st.integers(0, 255), max_size=60).map(bytes)


def client() -> Telnet:
    return Telnet(local=(BINARY, SGA, COM_PORT), remote=(BINARY, SGA, ECHO), longest=LONGEST)


def server() -> Telnet:
    return Telnet(local=(BINARY, SGA), remote=(BINARY, SGA, COM_PORT), longest=LONGEST)


def joined(events: list[Event]) -> list[Event]:
    """Return the events with neighbouring data joined, so that pieces compare equal to the whole."""
    result: list[Event] = []
    for event in events:
        if isinstance(event, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += event
        else:
            result.append(event)
    return result


@given(st.binary())
def test_data_arrives_as_it_was_sent(data: bytes) -> None:
    assert joined(client().feed(bytes(escaped(data)))) == ([data] if data else [])


def test_data_without_255_is_not_copied() -> None:
    data = b"hello" * 10
    assert escaped(data) is data
    assert client().feed(data)[0] is data


def test_a_view_is_escaped_too() -> None:
    assert escaped(memoryview(b"a\xffb")) == b"a\xff\xffb"


@given(st.binary(max_size=LONGEST - 1), st.integers(0, 254))
def test_a_message_arrives_as_it_was_sent(payload: bytes, option: int) -> None:
    telnet = client()
    assert telnet.feed(subnegotiation(option, payload)) == [Subnegotiation(option, payload)]
    assert telnet.dropped == 0


@given(STREAMS_OF_CODES, st.data())
def test_any_cut_gives_the_same_events_and_answers(stream: bytes, data: st.DataObject) -> None:
    whole, pieces = client(), client()
    expected = joined(whole.feed(stream))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)) | {0, len(stream)})
    events = [event for begin, end in pairwise(cuts) for event in pieces.feed(stream[begin:end])]
    assert joined(events) == expected
    assert pieces.take_output() == whole.take_output()
    assert pieces.dropped == whole.dropped


@given(STREAMS_OF_CODES)
def test_byte_by_byte_gives_the_same(stream: bytes) -> None:
    whole, pieces = client(), client()
    expected = joined(whole.feed(stream))
    assert joined([event for byte in stream for event in pieces.feed(bytes((byte,)))]) == expected
    assert pieces.take_output() == whole.take_output()


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"", []),
        (b"a\xff\xffb", [b"a\xffb"]),
        (b"\r\0\n", [b"\r\0\n"]),
        (bytes((IAC, NOP)), []),
        (bytes((IAC, SE)), []),
        (b"a" + bytes((IAC, BREAK)) + b"b", [b"a", TelnetCommand(BREAK), b"b"]),
        (bytes((IAC, SB, IAC, SE)), []),
        (bytes((IAC, SB, COM_PORT, IAC, IAC, IAC, SE)), [Subnegotiation(COM_PORT, b"\xff")]),
        # Broken off: the command counts, and what follows is data again.
        (bytes((IAC, SB, COM_PORT, 1, IAC, BREAK, 65)), [TelnetCommand(BREAK), b"A"]),
        (bytes((IAC, SB, COM_PORT, 1, IAC, SB, 7, 8, IAC, SE)), [Subnegotiation(7, b"\x08")]),
    ],
)
def test_what_a_stream_contains(stream: bytes, expected: list[Event]) -> None:
    assert client().feed(stream) == expected


def test_a_message_that_is_too_long_is_dropped_as_a_whole() -> None:
    telnet = client()
    assert telnet.feed(subnegotiation(COM_PORT, b"x" * LONGEST) + b"data") == [b"data"]
    assert telnet.dropped == 1
    assert telnet.feed(subnegotiation(COM_PORT, b"x" * (LONGEST - 1))) == [Subnegotiation(COM_PORT, b"x" * 63)]


def test_a_message_that_never_ends_holds_no_more_than_the_longest() -> None:
    telnet = client()
    telnet.feed(bytes((IAC, SB, COM_PORT)))
    for _ in range(100):
        assert telnet.feed(b"x" * 10_000) == []
    assert len(telnet._message) <= LONGEST  # the bound itself


# Negotiation


def converse(one: Telnet, other: Telnet) -> tuple[list[Event], list[Event], int]:
    """Carry what each says to the other until both are silent; return what each heard, and the number of turns."""
    heard: tuple[list[Event], list[Event]] = ([], [])
    turns = 0
    while True:
        said, answered = one.take_output(), other.take_output()
        if not said and not answered:
            return *heard, turns
        turns += 1
        assert turns < 10, "the two do not settle"
        heard[1].extend(other.feed(said))
        heard[0].extend(one.feed(answered))


def test_client_and_server_agree_in_one_turn_each() -> None:
    here, there = client(), server()
    for option in (BINARY, SGA):
        for side in (LOCAL, REMOTE):
            here.request(side, option)
            there.request(side, option)
    here.request(LOCAL, COM_PORT)
    here.request(LOCAL, ECHO)  # which the server does not want
    _, _, turns = converse(here, there)
    assert turns == 2
    assert here.is_on(LOCAL, COM_PORT)
    assert there.is_on(REMOTE, COM_PORT)
    for option in (BINARY, SGA):
        assert here.is_on(LOCAL, option)
        assert here.is_on(REMOTE, option)
    assert not here.is_on(LOCAL, ECHO)
    assert not here.is_pending(LOCAL, ECHO)


def test_a_refused_request_is_reported() -> None:
    telnet = client()
    telnet.request(LOCAL, COM_PORT)
    assert telnet.is_pending(LOCAL, COM_PORT)
    assert telnet.feed(bytes((IAC, DONT, COM_PORT))) == [OptionChange(LOCAL, COM_PORT, False)]
    assert telnet.take_output() == bytes((IAC, WILL, COM_PORT))


def test_an_unknown_option_is_refused() -> None:
    telnet = client()
    assert telnet.feed(bytes((IAC, DO, 31, IAC, WILL, 24))) == []
    assert telnet.take_output() == bytes((IAC, WONT, 31, IAC, DONT, 24))


@pytest.mark.parametrize("side", [LOCAL, REMOTE])
@given(steps=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12))
def test_two_ends_settle_whatever_they_want(side: Side, steps: list[tuple[bool, bool]]) -> None:
    # Each step: which of the two asks for the option on or off; nothing is carried in between.
    here, there = client(), server()
    opposite: Side = REMOTE if side == LOCAL else LOCAL
    for here_asks, on in steps:
        if here_asks:
            here.request(side, BINARY, on=on)
        else:
            there.request(opposite, BINARY, on=on)
    converse(here, there)
    assert here.is_on(side, BINARY) == there.is_on(opposite, BINARY)
    assert not here.is_pending(side, BINARY)


@pytest.mark.parametrize("verbs", [(WILL, WONT), (DO, DONT), (WILL,), (DO,)])
@pytest.mark.parametrize("option", [BINARY, 31])
def test_a_peer_in_a_loop_is_answered_a_few_times_only(verbs: tuple[int, ...], option: int) -> None:
    telnet = client()
    for _ in range(1000):
        for verb in verbs:
            telnet.feed(bytes((IAC, verb, option)))
    assert len(telnet.take_output()) <= 3 * MOST_ANSWERS


def test_random_streams_raise_nothing_and_hold_nothing() -> None:
    source = random.Random(2217)  # noqa: S311  # a test
    alphabet = bytes((SE, NOP, BREAK, SB, *VERBS, IAC, IAC, IAC, BINARY, SGA, COM_PORT)) + bytes(range(256))[::9]
    for _ in range(STREAMS):
        telnet = client()
        stream = bytes(source.choices(alphabet, k=source.randrange(48)))
        events = telnet.feed(stream)
        output = telnet.take_output()
        assert len(output) <= len(stream)
        assert sum(len(event) for event in events if isinstance(event, bytes)) <= len(stream)
        assert len(telnet._message) <= LONGEST  # the bound itself
        # Whatever came before, the end of a message leads back to data.
        telnet.feed(bytes((BINARY, IAC, SE, IAC, SE)))
        assert telnet.feed(b"data") == [b"data"]
