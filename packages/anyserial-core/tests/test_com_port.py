"""The messages of RFC 2217: the table of codes, both directions, and what is refused."""

import os
import random

import pytest
from anyserial import ByteSize, Parity, StopBits
from anyserial._network.com_port import (
    DATA_SIZES,
    DATA_SIZES_BY_CODE,
    LONGEST_SIGNATURE,
    PARITIES,
    PARITIES_BY_CODE,
    STOP_BITS,
    STOP_BITS_BY_CODE,
    Command,
    ComPortError,
    Control,
    Message,
    Purge,
    decode,
    encode,
)
from hypothesis import given
from hypothesis import strategies as st

PAYLOADS = 1_000_000 if os.environ.get("ANYSERIAL_STRESS") == "full" else 3_000


def values(command: Command) -> st.SearchStrategy[int | bytes]:
    if command is Command.SIGNATURE:
        return st.binary(max_size=LONGEST_SIGNATURE)
    if command in (Command.SUSPEND, Command.RESUME):
        return st.just(0)
    return st.integers(0, 2**32 - 1 if command is Command.BAUDRATE else 255)


MESSAGES = st.sampled_from(Command).flatmap(lambda command: st.tuples(st.just(command), values(command)))


@given(MESSAGES, st.booleans())
def test_what_is_encoded_is_decoded(message: tuple[Command, int | bytes], from_server: bool) -> None:
    payload = encode(*message, from_server=from_server)
    assert decode(payload, from_server=from_server) == message


@given(MESSAGES, st.booleans(), st.binary(max_size=4))
def test_bytes_behind_the_value_are_ignored(
    message: tuple[Command, int | bytes], from_server: bool, more: bytes
) -> None:
    if message[0] is not Command.SIGNATURE:
        assert decode(encode(*message, from_server=from_server) + more, from_server=from_server) == message


# The payloads as RFC 2217 prints them.
@pytest.mark.parametrize(
    ("command", "value", "payload"),
    [
        (Command.SIGNATURE, b"", b"\x00"),
        (Command.BAUDRATE, 115200, b"\x01\x00\x01\xc2\x00"),
        (Command.DATA_SIZE, DATA_SIZES[ByteSize.SEVEN], b"\x02\x07"),
        (Command.PARITY, PARITIES[Parity.EVEN], b"\x03\x03"),
        (Command.STOP_SIZE, STOP_BITS[StopBits.ONE_POINT_FIVE], b"\x04\x03"),
        (Command.STOP_SIZE, STOP_BITS[StopBits.TWO], b"\x04\x02"),
        (Command.CONTROL, Control.FLOW_HARDWARE, b"\x05\x03"),
        (Command.CONTROL, Control.DTR_OFF, b"\x05\x09"),
        (Command.SUSPEND, 0, b"\x08"),
        (Command.RESUME, 0, b"\x09"),
        (Command.MODEM_STATE_MASK, 255, b"\x0b\xff"),
        (Command.PURGE, Purge.BOTH, b"\x0c\x03"),
    ],
)
def test_the_codes_are_those_of_the_rfc(command: Command, value: int | bytes, payload: bytes) -> None:
    assert encode(command, value) == payload
    assert encode(command, value, from_server=True) == bytes((payload[0] + 100,)) + payload[1:]


def test_the_settings_translate_both_ways() -> None:
    assert {DATA_SIZES_BY_CODE[code] for code in DATA_SIZES.values()} == set(ByteSize)
    assert {PARITIES_BY_CODE[code] for code in PARITIES.values()} == set(Parity)
    assert {STOP_BITS_BY_CODE[code] for code in STOP_BITS.values()} == set(StopBits)


@pytest.mark.parametrize(
    ("payload", "from_server"),
    [(b"", True), (b"\x0d", False), (b"\x64", False), (b"\x01", True), (b"\x65\0\0\1", True), (b"\x69", True)],
)
def test_what_is_no_message_is_refused(payload: bytes, from_server: bool) -> None:
    with pytest.raises(ComPortError):
        decode(payload, from_server=from_server)


@pytest.mark.parametrize(
    ("command", "value"),
    [
        (Command.BAUDRATE, 2**32),
        (Command.BAUDRATE, -1),
        (Command.PARITY, 256),
        (Command.SUSPEND, 1),
        (Command.SIGNATURE, 1),
        (Command.CONTROL, b"x"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(command: Command, value: int | bytes) -> None:
    with pytest.raises(ComPortError):
        encode(command, value)


def test_random_payloads_raise_only_the_documented_error() -> None:
    source = random.Random(2217)  # noqa: S311  # a test
    decoded = 0
    for _ in range(PAYLOADS):
        payload = source.randbytes(source.randrange(8))
        try:
            message = decode(payload, from_server=True)
        except ComPortError:
            continue
        decoded += 1
        assert isinstance(message, Message)
    assert decoded
