"""Pauses between characters and lines, for devices that cannot keep up."""

from collections.abc import Iterator

__all__ = ("paced",)

LF, CR = b"\n\r"


def paced(data: bytes, per_character: float, per_line: float) -> Iterator[tuple[bytes, float]]:
    """Cut *data* into what is sent at once, each with the seconds to wait after it.

    Args:
        data: What is to be sent.
        per_character: Seconds after each character; 0 for none.
        per_line: Seconds after each line end (LF, or CR without LF); 0 for none.
    """
    if per_character <= 0 and per_line <= 0:
        if data:
            yield data, 0.0
        return
    start = 0
    for at, byte in enumerate(data):
        ends_line = byte == LF or (byte == CR and data[at + 1 : at + 2] != b"\n")
        pause = per_character + (per_line if ends_line else 0.0)
        if pause > 0:
            yield data[start : at + 1], pause
            start = at + 1
    if start < len(data):
        yield data[start:], 0.0
