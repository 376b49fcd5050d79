"""Bytes and line errors that wait for the next receive, in the order of the line."""

import pytest
from anyserial._port.pushback import Pushback
from anyserial._port.reading import MarkedReader
from anyserial.exceptions import LineError
from hypothesis import given
from hypothesis import strategies as st


def test_an_empty_pushback_is_false() -> None:
    pushback = Pushback()
    assert not pushback
    assert len(pushback) == 0
    pushback.give_back(b"x")
    assert pushback
    assert len(pushback) == 1
    pushback.clear()
    assert not pushback


def test_a_line_error_alone_is_something_but_no_byte() -> None:
    pushback = Pushback()
    pushback.extend([LineError("damaged")])
    assert pushback
    assert len(pushback) == 0
    with pytest.raises(LineError):
        pushback.take(1)
    assert not pushback


def test_what_was_read_earlier_goes_in_front() -> None:
    pushback = Pushback()
    pushback.extend([b"later"])
    pushback.give_back(b"earlier ")
    assert pushback.take(100) == b"earlier "
    assert pushback.take(3) == b"lat"
    buffer = bytearray(b"....")
    assert pushback.take_into(memoryview(buffer)) == 2
    assert buffer == b"er.."


def _errors_at_0(data: bytes) -> list[bytes | LineError]:
    items: list[bytes | LineError] = []
    for index, piece in enumerate(data.split(b"\0")):
        if index:
            items.append(LineError("damaged", byte=0))
        if piece:
            items.append(piece)
    return items


@given(st.lists(st.binary(min_size=1, max_size=12)), st.lists(st.integers(1, 5), min_size=1))
def test_whatever_is_read_comes_out_in_its_order(reads: list[bytes], sizes: list[int]) -> None:
    pushback = Pushback()
    pending = list(reads)
    reader = MarkedReader(lambda _size: pending.pop(0) if pending else None, _errors_at_0, pushback)
    out = b""
    turn = 0
    while pending or pushback:
        size = sizes[turn % len(sizes)]
        turn += 1
        try:
            if turn % 2:
                piece = pushback.take(size) if pushback else reader.read(size)
            else:
                buffer = bytearray(size)
                count = pushback.take_into(memoryview(buffer)) if pushback else reader.read_into(memoryview(buffer))
                piece = None if count is None else bytes(buffer[:count])
        except LineError:
            out += b"\0"
        else:
            assert piece is None or 0 < len(piece) <= size
            out += piece or b""
    assert out == b"".join(reads)


def test_a_read_of_nothing_gives_nothing() -> None:
    pushback = Pushback()
    reader = MarkedReader(lambda _size: None, _errors_at_0, pushback)
    assert reader.read(8) is None
    assert reader.read_into(memoryview(bytearray(8))) is None


def test_storing_the_rest_is_what_takes_the_front() -> None:
    pushback = Pushback()
    pushback.extend([b"abcd", b"ef"])
    before = pushback.items
    data, rest = pushback.first(3)
    assert (data, rest) == (b"abc", [b"d", b"ef"])
    assert pushback.items is before
    pushback.items = rest
    assert pushback.take(9) == b"d"
    assert pushback.take(9) == b"ef"
