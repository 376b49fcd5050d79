"""What a UART makes of characters: how long one takes, and what a receiver with other settings makes of it.

Pure functions of settings and bytes. When something is sent is not known here.
"""

from bisect import bisect_right
from itertools import accumulate
from typing import NamedTuple

from anyserial.config import Parity, SerialConfig

__all__ = ("Character", "character_time", "heard")


class Character(NamedTuple):
    """One received character: the byte as the UART read it, and what was wrong with it, if anything."""

    byte: int
    error: str | None = None


def character_time(config: SerialConfig) -> float:
    """Return how many seconds one character takes: start bit, data, parity and stop bits."""
    parity = config.parity is not Parity.NONE
    return (1 + int(config.byte_size) + parity + float(config.stop_bits)) / config.baudrate


def heard(data: bytes, sender: SerialConfig, receiver: SerialConfig) -> list[tuple[Character, ...]]:
    """Return what *receiver* has heard at the end of each byte that *sender* sends back to back.

    With equal settings this is each byte. Otherwise the line's levels are sampled as a UART samples them:
    in the middle of each bit, counted from the edge of the start bit.
    """
    if _format(sender) == _format(receiver):
        mask = (1 << int(sender.byte_size)) - 1
        return [(Character(byte & mask),) for byte in data]
    levels, ends = _waveform(data, sender)
    found: list[list[Character]] = [[] for _ in data]
    for character, end in _sampled(levels, ends, receiver):
        found[min(int(end / character_time(sender)), len(data) - 1)].append(character)
    return [tuple(characters) for characters in found]


def _format(config: SerialConfig) -> tuple[object, ...]:
    return config.baudrate, config.byte_size, config.parity


def _parity_bit(byte: int, parity: Parity) -> int | None:
    odd = byte.bit_count() & 1
    return {Parity.EVEN: odd, Parity.ODD: odd ^ 1, Parity.MARK: 1, Parity.SPACE: 0}.get(parity)


def _waveform(data: bytes, config: SerialConfig) -> tuple[list[int], list[float]]:
    """Return the levels of the line, and when each ends, in seconds."""
    levels: list[int] = []
    lengths: list[float] = []
    bit, size = 1 / config.baudrate, int(config.byte_size)
    for byte in data:
        cut = byte & ((1 << size) - 1)
        parity = _parity_bit(cut, config.parity)
        bits = [0, *((cut >> place) & 1 for place in range(size)), *(() if parity is None else (parity,))]
        levels += [*bits, 1]
        lengths += [bit] * len(bits) + [bit * float(config.stop_bits)]
    return levels, list(accumulate(lengths))


def _sampled(levels: list[int], ends: list[float], config: SerialConfig) -> list[tuple[Character, float]]:
    """Return the characters that a receiver samples, and when it has each."""
    found: list[tuple[Character, float]] = []
    bit, size = 1 / config.baudrate, int(config.byte_size)
    parity_bits = config.parity is not Parity.NONE

    def level(at: float) -> int:
        place = bisect_right(ends, at)
        return levels[place] if place < len(levels) else 1

    at, place = 0.0, 0
    while place < len(levels):
        if levels[place] or (found and place and not levels[place - 1] and ends[place - 1] >= at):
            place += 1  # not the falling edge of a start bit
            continue
        start = max(ends[place - 1] if place else 0.0, at)
        byte = sum(level(start + (1.5 + n) * bit) << n for n in range(size))
        middle = start + (1.5 + size) * bit
        error: str | None = None
        if parity_bits:
            if level(middle) != _parity_bit(byte, config.parity):
                error = "parity"
            middle += bit
        if not level(middle):
            error = "framing" if byte else "break"
        found.append((Character(byte, error), middle))
        at = middle
        place = bisect_right(ends, middle)
    return found
