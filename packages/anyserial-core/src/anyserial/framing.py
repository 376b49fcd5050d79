"""Frames over a byte stream: lines, packets with a length, SLIP, COBS, Modbus RTU's silence, or your own.

The blocking twin of `FramedStream` is in `anyserial.sync`; the framings are the same. Only names belong here.
"""

from anyserial._framing.blocks import FixedSize, LengthPrefixed
from anyserial._framing.cobs import Cobs
from anyserial._framing.contract import Framing
from anyserial._framing.delimited import Delimited
from anyserial._framing.errors import FrameCutOff, FrameDamaged, FrameTooLong, FramingError
from anyserial._framing.silence import Silence
from anyserial._framing.slip import Slip
from anyserial._framing.stream import FramedStream

__all__ = (
    "Cobs",
    "Delimited",
    "FixedSize",
    "FrameCutOff",
    "FrameDamaged",
    "FrameTooLong",
    "FramedStream",
    "Framing",
    "FramingError",
    "LengthPrefixed",
    "Silence",
    "Slip",
)
