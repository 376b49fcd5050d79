"""``serial.tools.hexlify_codec``: a codec whose text is bytes in hexadecimal, ``48 65 6C``.

Decoding shows bytes, with a space after each. Encoding takes what was typed. Nothing registers the codec:
`getregentry` returns what `codecs.register` needs.
"""

import codecs
from typing import TYPE_CHECKING, override

if TYPE_CHECKING:
    from collections.abc import Buffer

__all__ = (
    "HEXDIGITS",
    "Codec",
    "IncrementalDecoder",
    "IncrementalEncoder",
    "StreamReader",
    "StreamWriter",
    "getregentry",
    "hex_decode",
    "hex_encode",
)

HEXDIGITS = "0123456789ABCDEF"
HALF = 0x100  # in the encoder's state: a first digit is there, and its value is in the bits below


def hex_encode(data: str, errors: str = "strict") -> tuple[bytes, int]:  # noqa: ARG001  # the codecs' signature
    """Return the bytes that *data* names, and how much of it was read: all.

    Args:
        data: Numbers of one or two hexadecimal digits, with white space between them.
        errors: Not used: what is not a number is always refused.

    Raises:
        ValueError: A word is not a hexadecimal number, or is above FF.
    """
    return bytes([int(word, 16) for word in data.split()]), len(data)


def hex_decode(data: "Buffer", errors: str = "strict") -> tuple[str, int]:  # noqa: ARG001  # as above
    """Return *data* as text, two digits and a space a byte, and how much of it was read: all."""
    octets = bytes(data)
    return "".join([f"{octet:02X} " for octet in octets]), len(octets)


class Codec(codecs.Codec):
    """Encodes and decodes whole texts."""

    @override
    def encode(self, input: str, errors: str = "strict") -> tuple[bytes, int]:  # the codecs' name
        """As `hex_encode`."""
        return hex_encode(input, errors)

    @override
    def decode(self, input: "Buffer", errors: str = "strict") -> tuple[str, int]:  # the codecs' name
        """As `hex_decode`."""
        return hex_decode(input, errors)


class IncrementalEncoder(codecs.IncrementalEncoder):
    """Encodes text as it is typed: two digits make a byte, and white space between them means nothing.

    Attributes:
        state: 0, or 0x100 and above while a first digit waits for its second.
    """

    def __init__(self, errors: str = "strict") -> None:
        super().__init__(errors)
        self.state = 0

    @override
    def reset(self) -> None:
        """Forget a digit that waits for its second."""
        self.state = 0

    @override
    def getstate(self) -> int:
        """Return what `setstate` takes."""
        return self.state

    @override
    def setstate(self, state: int | str) -> None:
        """Go on from a state that `getstate` returned."""
        self.state = int(state)

    @override
    def encode(self, input: str, final: bool = False) -> bytes:
        """Return the bytes that are complete.

        Raises:
            UnicodeError: A character is not a hexadecimal digit, and ``errors`` is ``strict``.
        """
        encoded = bytearray()
        for character in input.upper():
            value = HEXDIGITS.find(character)
            if value >= 0 and self.state:
                encoded.append((self.state & 0xF0) | value)
                self.state = 0
            elif value >= 0:
                self.state = HALF | value << 4
            elif self.errors == "strict" and not character.isspace():
                raise UnicodeError(f"expected a hexadecimal digit (got {character!r})")
        return bytes(encoded)


class IncrementalDecoder(codecs.IncrementalDecoder):
    """Decodes bytes as they arrive; it keeps nothing between two calls."""

    @override
    def decode(self, input: "Buffer", final: bool = False) -> str:
        """Return *input* as text."""
        return hex_decode(input)[0]


class StreamWriter(Codec, codecs.StreamWriter):
    """Writes to a binary stream what is typed."""


class StreamReader(Codec, codecs.StreamReader):
    """Reads a binary stream as hexadecimal text."""


def getregentry() -> codecs.CodecInfo:
    """Return the codec, for `codecs.register`."""
    codec = Codec()
    return codecs.CodecInfo(
        name="hexlify",
        encode=codec.encode,
        decode=codec.decode,
        incrementalencoder=IncrementalEncoder,
        incrementaldecoder=IncrementalDecoder,
        streamwriter=StreamWriter,
        streamreader=StreamReader,
    )
