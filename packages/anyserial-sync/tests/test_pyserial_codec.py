"""The codec of ``serial.tools.hexlify_codec``: text that is bytes in hexadecimal."""

import codecs
import io

import pytest
from anyserial_sync._pyserial.tools import hexlify_codec

CODEC = hexlify_codec.getregentry()


@pytest.mark.parametrize("text", ["48 65 6c 6C 6f", " 48  65 6C\n6C 6F "])
def test_whole_texts(text: str) -> None:
    assert CODEC.encode(text) == (b"Hello", len(text))
    assert CODEC.decode(b"Hello") == ("48 65 6C 6C 6F ", 5)


@pytest.mark.parametrize("text", ["x", "48 65x", "100", "-1"])
def test_what_is_no_byte_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|range\(0, 256\)"):
        CODEC.encode(text)


def test_typing_makes_a_byte_of_two_digits() -> None:
    encoder = hexlify_codec.IncrementalEncoder()
    assert [encoder.encode(key) for key in "4 86f"] == [b"", b"", b"H", b"", b"o"]
    encoder.encode("4")
    state = encoder.getstate()
    encoder.reset()
    assert encoder.encode("8") == b""
    encoder.setstate(state)
    assert encoder.encode("8") == b"H"


@pytest.mark.parametrize("errors", ["ignore", "replace"])
def test_a_wrong_key_is_refused_only_if_errors_are_strict(errors: str) -> None:
    assert hexlify_codec.IncrementalEncoder(errors).encode("4xZ8") == b"H"
    with pytest.raises(UnicodeError, match="'X'"):
        hexlify_codec.IncrementalEncoder().encode("4x")


def test_streams_and_the_decoder_for_pieces() -> None:
    assert CODEC.incrementaldecoder is not None
    decoder = CODEC.incrementaldecoder()
    assert decoder.decode(b"\x00") + decoder.decode(b"\xff") == "00 FF "
    raw = io.BytesIO()
    CODEC.streamwriter(raw).write("41 42")
    assert raw.getvalue() == b"AB"
    assert isinstance(CODEC, codecs.CodecInfo)
