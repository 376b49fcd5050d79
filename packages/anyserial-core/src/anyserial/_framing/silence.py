"""Frames that end when the line is silent, as those of Modbus RTU.

A program does not see the line, it sees when the driver hands bytes over, and drivers collect bytes. So the
silence that ends a frame is the one asked for, and the longest time that the driver may hold bytes back. The
table here says how long that is; `docs/framing.md` has what was measured.
"""

import logging
from typing import TYPE_CHECKING, Any, NamedTuple, override

from anyserial._attributes import SerialStreamAttribute
from anyserial._checks import as_bytes, check_flag, check_positive, check_seconds, refusal
from anyserial._framing.contract import Framing
from anyserial._framing.errors import FrameTooLong
from anyserial._framing.limits import attributes_of_stream
from anyserial.capabilities import Capability
from anyserial.config import Parity
from anyserial.exceptions import UnsupportedFeatureError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import anyio

    from anyserial._framing.errors import FramingError
    from anyserial.capabilities import SerialCapabilities
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("Silence", "character_time")

MOST_CHARACTERS = 1_000_000

_log = logging.getLogger("anyserial.framing")


class _Holding(NamedTuple):
    """How long a driver may hold bytes back, and why.

    Attributes:
        seconds: A time that does not depend on the settings.
        characters: A time in characters, added to that.
        why: What holds them.
    """

    seconds: float
    characters: float
    why: str


# The latency timer of an FTDI is 16 ms unless it is set, and the low-latency flag sets it to 1 ms. Other USB
# chips send a packet when it is full or after a time of their own, which no driver tells. A 16550 interrupts at
# 8 bytes of its FIFO (UART_FCR_R_TRIG_10, drivers/tty/serial/8250), or 4 characters after the last byte. So the
# last 7 bytes of a frame may come 11 characters after the 8 before them.
_NOTHING = _Holding(0.0, 0.0, "")
_FTDI = _Holding(0.017, 0.0, "the latency timer of the FTDI chip (16 ms; 1 ms with low_latency)")
_FTDI_FAST = _Holding(0.002, 0.0, "the latency timer of the FTDI chip (1 ms)")
_USB = _Holding(0.005, 0.0, "the buffer of the USB adapter, whose timing its driver does not tell")
_FIFO = _Holding(0.001, 11.0, "the FIFO of the UART, which interrupts every 8 bytes, or when 4 characters are missing")


class Silence(Framing):
    """A frame ends when nothing comes for some character times.

    A silence differs from a pause only as far as the driver shows when bytes arrived. So the port waits for
    *characters*, and for as long as its driver may hold bytes back in addition; `uncertainty` is that addition,
    and `guess` says what causes it. Frames with less silence than `length` between them may come as one. So do
    frames that arrive while no receive waits: the kernel keeps bytes, not pauses.

    Resynchronisation: at the next silence.

    Args:
        characters: Character times of silence that end a frame, above 0; Modbus RTU has 3.5. A character is a
            start bit, the data bits, a parity bit if there is one, and the stop bits.
        minimum: Seconds of silence that are needed at least, whatever the rate. Modbus RTU recommends 0.00175
            above 19200 baud.
        seconds: Seconds of silence that end a frame, instead of *characters* and *minimum*. A stream that
            is not a serial port needs it. The driver's time is not added.
        max_size: The most bytes of a frame, at least 1; 256 in Modbus RTU.
        low_latency: Whether the port may be set to `SerialConfig.low_latency` where that makes the silence
            more certain, as on FTDI adapters. The first receive does that.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: An argument is out of its bounds.
    """

    def __init__(
        self,
        characters: float = 3.5,
        *,
        minimum: float = 0.0,
        seconds: float | None = None,
        max_size: int = 256,
        low_latency: bool = True,
    ) -> None:
        self._characters = _checked(characters)
        self._minimum = check_seconds("minimum", minimum)
        self._seconds = None if seconds is None else check_seconds("seconds", seconds, zero=False)
        check_positive("max_size", max_size)
        self._max_size = max_size
        self._low_latency = check_flag("low_latency", low_latency)
        self._attributes: Mapping[Any, Callable[[], Any]] = {}
        self._known: tuple[SerialConfig, float, _Holding] | None = None
        self._pending = bytearray()
        self._is_skipping = False

    @property
    def length(self) -> float:
        """The silence in seconds that ends a frame, `uncertainty` included.

        Raises:
            UnsupportedFeatureError: It depends on the settings of a serial port, and this is none, or the framing
                is in no `FramedStream` yet.
        """
        if self._seconds is not None:
            return self._seconds
        return self._look()[1]

    @property
    def uncertainty(self) -> float:
        """Seconds of `length` that are there because the driver may hold bytes back; 0.0 if it does not."""
        if self._seconds is not None:
            return 0.0
        config, _, holding = self._look()
        return holding.seconds + holding.characters * character_time(config)

    @property
    def guess(self) -> str | None:
        """Why the end of a frame is a guess on this port; None if the driver hands bytes over as they come."""
        return None if self._seconds is not None else self._look()[2].why or None

    @property
    @override
    def silence(self) -> float | None:
        """`length` while a frame is under way, else None."""
        return self.length if self._pending or self._is_skipping else None

    @override
    def attach(self, stream: "anyio.TypedAttributeProvider") -> "SerialConfig | None":
        """See `Framing.attach`."""
        self._attributes, self._known = attributes_of_stream(stream), None
        if self._seconds is not None:
            return None
        config, length, holding = self._look()
        wanted = None
        if self._low_latency and holding is _FTDI:
            wanted = config.with_changes(low_latency=True)
        elif holding.why:
            _log.info("a frame ends after %.2f ms of silence, because of %s", length * 1000, holding.why)
        return wanted

    @override
    def encode(self, frame: bytes) -> bytes:
        """Return *frame*: it is sent as it is. The silence behind it is the sender's affair.

        Raises:
            ValueError: *frame* is empty or longer than *max_size*.
        """
        data = bytes(as_bytes(frame, "frame"))
        if not 1 <= len(data) <= self._max_size:
            raise ValueError(refusal("frame", f"from 1 to {self._max_size} bytes long", len(data)))
        return data

    @override
    def feed(self, data: bytes) -> "list[bytes | FramingError]":
        """See `Framing.feed`."""
        if not data:
            frame = self.reset()
            return [frame] if frame else []
        if self._is_skipping:
            return []
        self._pending += data
        if len(self._pending) <= self._max_size:
            return []
        partial = self.resync()[: self._max_size]
        return [FrameTooLong(f"more than {self._max_size} bytes came without a silence between them", partial=partial)]

    @override
    def reset(self) -> bytes:
        """See `Framing.reset`."""
        partial = bytes(self._pending)
        self._pending.clear()
        self._is_skipping = False
        return partial

    @override
    def resync(self) -> bytes:
        """See `Framing.resync`."""
        partial = self.reset()
        self._is_skipping = True
        return partial

    def _look(self) -> "tuple[SerialConfig, float, _Holding]":
        """Return the settings in force, the silence that they make, and how long the driver holds bytes back."""
        config: SerialConfig | None = self._attributes.get(SerialStreamAttribute.config, _none)()
        if config is None:
            raise UnsupportedFeatureError(
                "Silence() counts in characters, and only a serial port in a FramedStream knows how long one is;"
                " pass seconds= instead"
            )
        if self._known is None or self._known[0] is not config:
            holding = _holding(self._attributes, config)
            one = character_time(config)
            length = max(self._characters * one, self._minimum) + holding.seconds + holding.characters * one
            self._known = config, length, holding
        return self._known


def character_time(config: "SerialConfig") -> float:
    """Return how many seconds one character takes at these settings."""
    bits = 1 + int(config.byte_size) + (config.parity is not Parity.NONE) + float(config.stop_bits)
    return bits / config.baudrate


def _holding(attributes: "Mapping[Any, Callable[[], Any]]", config: "SerialConfig") -> _Holding:
    info: PortInfo | None = attributes.get(SerialStreamAttribute.port_info, _none)()
    capabilities: SerialCapabilities | None = attributes.get(SerialStreamAttribute.capabilities, _none)()
    if info is None or info.transport in {None, "virtual"}:
        return _NOTHING
    if info.driver == "ftdi_sio":
        is_fast = config.low_latency and capabilities is not None and capabilities.low_latency is Capability.SUPPORTED
        return _FTDI_FAST if is_fast else _FTDI
    return _USB if info.transport in {"usb", "gadget"} else _FIFO


def _checked(characters: object) -> float:
    accepted = f"a number of character times above 0, {MOST_CHARACTERS:,} at most"
    if isinstance(characters, bool) or not isinstance(characters, (int, float)):
        raise TypeError(refusal("characters", accepted, characters))
    if not 0 < characters <= MOST_CHARACTERS:  # which refuses NaN, too
        raise ValueError(refusal("characters", accepted, characters))
    return characters


def _none() -> None:
    """Stand in for an attribute that is not known."""
