"""Bytes and line errors that wait for the next receive, in the order of the line."""

import pytest
from anyserial._carry import Carry, MarkedReader
from anyserial.exceptions import LineError
from hypothesis import given
from hypothesis import strategies as st


def test_an_empty_carry_is_false() -> None:
    carry = Carry()
    assert not carry
    assert len(carry) == 0
    carry.give_back(b"x")
    assert carry
    assert len(carry) == 1
    carry.clear()
    assert not carry


def test_a_line_error_alone_is_something_but_no_byte() -> None:
    carry = Carry()
    carry.extend([LineError("damaged")])
    assert carry
    assert len(carry) == 0
    with pytest.raises(LineError):
        carry.take(1)
    assert not carry


def test_what_was_read_earlier_goes_in_front() -> None:
    carry = Carry()
    carry.extend([b"later"])
    carry.give_back(b"earlier ")
    assert carry.take(100) == b"earlier "
    assert carry.take(3) == b"lat"
    buffer = bytearray(b"....")
    assert carry.take_into(memoryview(buffer)) == 2
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
    carry = Carry()
    pending = list(reads)
    reader = MarkedReader(lambda _size: pending.pop(0) if pending else None, _errors_at_0, carry)
    out = b""
    turn = 0
    while pending or carry:
        size = sizes[turn % len(sizes)]
        turn += 1
        try:
            if turn % 2:
                piece = carry.take(size) if carry else reader.read(size)
            else:
                buffer = bytearray(size)
                count = carry.take_into(memoryview(buffer)) if carry else reader.read_into(memoryview(buffer))
                piece = None if count is None else bytes(buffer[:count])
        except LineError:
            out += b"\0"
        else:
            assert piece is None or 0 < len(piece) <= size
            out += piece or b""
    assert out == b"".join(reads)


def test_a_read_of_nothing_gives_nothing() -> None:
    carry = Carry()
    reader = MarkedReader(lambda _size: None, _errors_at_0, carry)
    assert reader.read(8) is None
    assert reader.read_into(memoryview(bytearray(8))) is None
