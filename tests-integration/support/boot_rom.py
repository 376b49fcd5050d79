"""The serial boot loader of an ESP8266 as far as esptool needs it to say hello: SLIP frames, SYNC, READ_REG.

Frames in both directions: a direction byte, the command, the size of its data, a checksum or value, the data. See
Espressif's "Serial Protocol" page.
"""

import struct

from anyserial.framing import Slip

__all__ = ("BootRom",)

REQUEST, RESPONSE = 0, 1
SYNC, WRITE_REG, READ_REG = 0x08, 0x09, 0x0A
MAGIC_REGISTER, ESP8266 = 0x40001000, 0xFFF0C101
OK = bytes(2)
UNKNOWN = b"\x01\x05"
FUSES = {0x3FF00050: 0x12345678, 0x3FF00054: 0x0000C0DE, 0x3FF00058: 0x0000A000, 0x3FF0005C: 0}


class BootRom:
    """Answers requests, whatever pieces they come in.

    Attributes:
        commands: The commands that were understood, in order.
    """

    def __init__(self) -> None:
        self.commands: list[int] = []
        self._framing = Slip()

    def respond(self, data: bytes) -> bytes:
        """Return the answers to what *data* completes."""
        answers = bytearray()
        for frame in self._framing.feed(data):
            if isinstance(frame, bytes):
                for answer in self._answers(frame):
                    answers += self._framing.encode(answer)
        return bytes(answers)

    def _answers(self, frame: bytes) -> list[bytes]:
        if len(frame) < 8 or frame[0] != REQUEST:
            return []
        command = frame[1]
        self.commands.append(command)
        if command == SYNC:
            return [_response(SYNC, 0)] * 8  # as the ROM does
        if command == READ_REG:
            (address,) = struct.unpack_from("<I", frame, 8)
            value = ESP8266 if address == MAGIC_REGISTER else FUSES.get(address, 0)
            return [_response(READ_REG, value)]
        if command == WRITE_REG:
            return [_response(WRITE_REG, 0)]
        return [_response(command, 0, UNKNOWN)]


def _response(command: int, value: int, status: bytes = OK) -> bytes:
    return struct.pack("<BBHI", RESPONSE, command, len(status), value) + status
