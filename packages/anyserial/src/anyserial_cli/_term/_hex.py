"""A hex dump that grows as bytes come, and hex typed by a person."""

import re

__all__ = ("HexDump", "parse_hex")

COLUMNS = 16
_SEPARATORS = re.compile(r"[\s,;:]+")
_TEXT = "".join(chr(byte) if chr(byte).isascii() and chr(byte).isprintable() else "." for byte in range(256))


class HexDump:
    """Rows of an offset, sixteen bytes and their text.

    A row that is not full is shown at once and written over when more comes, if the output is a
    terminal; otherwise it waits until it is full, or until `flush`.
    """

    def __init__(self, *, live: bool) -> None:
        """Begin at offset 0; *live* means that a row can be written over."""
        self._live = live
        self._row = b""
        self._offset = 0
        self._shown = False

    def feed(self, data: bytes) -> str:
        """Return the rows to print for *data*."""
        pieces: list[str] = []
        data = self._row + data
        if self._shown:
            pieces.append("\r")
        full = len(data) - len(data) % COLUMNS
        for start in range(0, full, COLUMNS):
            pieces.append(self._line(data[start : start + COLUMNS]))
            pieces.append("\r\n")
            self._offset += COLUMNS
        self._row = data[full:]
        self._shown = self._live and bool(self._row)
        if self._shown:
            pieces.append(self._line(self._row))
        return "".join(pieces)

    def flush(self) -> str:
        """End the row that is not full; the next byte begins another."""
        if not self._row:
            return ""
        rest = "\r\n" if self._shown else self._line(self._row) + "\r\n"
        self._offset += len(self._row)
        self._row = b""
        self._shown = False
        return rest

    def _line(self, row: bytes) -> str:
        left, right = row[:8].hex(" "), row[8:].hex(" ")
        return f"{self._offset:08x}  {left:<23}  {right:<23}  |{row.decode('latin-1').translate(_TEXT)}|"


def parse_hex(text: str) -> bytes:
    r"""Return the bytes that *text* writes in hex: ``01 0a ff``, ``010aff``, ``0x01,0x0a``, ``\x01``.

    Raises:
        ValueError: It is not hex; the message says what is wrong.
    """
    data = bytearray()
    for word in filter(None, _SEPARATORS.split(text.replace("\\x", " ").replace("0x", " ").replace("0X", " "))):
        try:
            data += bytes.fromhex(word.zfill(2) if len(word) == 1 else word)
        except ValueError:
            wrong = next((char for char in word if char not in "0123456789abcdefABCDEF"), None)
            reason = f"has an odd number of digits ({len(word)})" if wrong is None else f"holds {wrong!r}"
            raise ValueError(f"{word!r} is not hex: it {reason}; type bytes such as 01 0a ff") from None
    return bytes(data)
