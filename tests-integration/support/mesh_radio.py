"""A radio of Meshtastic, as far as its library talks to it before it lets a program send.

Both ways, a message is two bytes that begin it, its length in two bytes, and a protocol buffer.
"""

__all__ = ("MeshRadio",)

BEGINNING = b"\x94\xc3"
HEADER = len(BEGINNING) + 2
NUMBER = 42
WANTS_CONFIG = b"\x18"  # the field with the number that ends the answer
OWN_NUMBER = bytes((0x1A, 2, 8, NUMBER))
OWN_NODE = bytes((0x22, 2, 8, NUMBER))
CONFIG_IS_COMPLETE = b"\x38"


class MeshRadio:
    """Answers the request for its configuration.

    Attributes:
        messages: What was received, without the headers.
    """

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self._received = bytearray()

    def respond(self, data: bytes) -> bytes:
        """Return the answers to what a program has sent."""
        self._received += data
        answers = b""
        while (message := self._next()) is not None:
            self.messages.append(message)
            if message[:1] == WANTS_CONFIG:
                for answer in (OWN_NUMBER, OWN_NODE, CONFIG_IS_COMPLETE + message[1:]):
                    answers += BEGINNING + len(answer).to_bytes(2) + answer
        return answers

    def _next(self) -> bytes | None:
        start = self._received.find(BEGINNING)
        header = self._received[start : start + HEADER]
        if start < 0 or len(header) < HEADER:
            return None
        end = start + HEADER + int.from_bytes(header[2:])
        if len(self._received) < end:
            return None
        message = bytes(self._received[start + HEADER : end])
        del self._received[:end]
        return message
