"""``spy://``: a device's port that shows everything that is done with it.

``spy:///dev/ttyUSB0?file=log.txt&color`` opens ``/dev/ttyUSB0``. The calls are made as ever, and written down
on their way: as a dump with the time of each, or with ``raw`` as the bytes themselves.
"""

import os
import sys
import time
import weakref
from typing import TYPE_CHECKING, Any, override

from anyserial_sync._pyserial import serialposix
from anyserial_sync._pyserial.serialutil import SerialException, to_bytes
from anyserial_sync._pyserial.urlhandler._urls import set_port, split_url

if TYPE_CHECKING:
    from collections.abc import Buffer, Iterator
    from typing import TextIO

    from anyserial.tap import TapEvent

__all__ = ("FormatHexdump", "FormatRaw", "Serial", "hexdump")

OPTIONS = ("file", "color", "raw", "all")
ROW = 16  # bytes in a row of a dump
HALF = 8


def hexdump(data: "Buffer") -> "Iterator[tuple[int, str]]":
    """Return an iterator over the rows of a dump, each with the offset of its first byte."""
    octets = to_bytes(data)
    for offset in range(0, len(octets), ROW):
        row = octets[offset : offset + ROW]
        digits = [f"{octet:02X} " for octet in row] + ["   "] * (ROW - len(row))
        signs = "".join([chr(octet) if 0x20 <= octet < 0x7F else "." for octet in row])  # noqa: PLR2004
        yield offset, f"{''.join(digits[:HALF])} {''.join(digits[HALF:])} {signs:{ROW}}"


class FormatRaw:
    """Writes the bytes that go through as they are, and nothing else.

    Args:
        output: A text file; the bytes go to what is below its encoding, where there is such a thing.
        color: Whether received and sent bytes have different colours.
    """

    def __init__(self, output: "TextIO", color: bool) -> None:
        self.output = output
        self.color = color
        self.rx_color = "\x1b[32m"
        self.tx_color = "\x1b[31m"

    def rx(self, data: "Buffer") -> None:
        """Show received bytes."""
        self._show(self.rx_color, data)

    def tx(self, data: "Buffer") -> None:
        """Show sent bytes."""
        self._show(self.tx_color, data)

    def control(self, name: str, value: object) -> None:
        """Leave out everything that is not data."""

    def _show(self, color: str, data: "Buffer") -> None:
        octets = (color.encode() if self.color else b"") + to_bytes(data)
        if (below := getattr(self.output, "buffer", None)) is not None:
            self.output.flush()
            below.write(octets)
            below.flush()
        else:
            self.output.write(octets.decode("latin-1"))
            self.output.flush()


class FormatHexdump:
    """Writes a line for each call, and data as a dump; each begins with the seconds since the beginning.

    Args:
        output: A text file.
        color: Whether received data, sent data and other calls have different colours.
    """

    def __init__(self, output: "TextIO", color: bool) -> None:
        self.start_time = time.monotonic()
        self.output = output
        self.color = color
        self.rx_color = "\x1b[32m"
        self.tx_color = "\x1b[31m"
        self.control_color = "\x1b[37m"

    def write_line(self, timestamp: float, label: str, value: str, value2: str = "") -> None:
        """Write one line."""
        self.output.write(f"{timestamp:010.3f} {label:<4} {value}{value2}\n")
        self.output.flush()

    def rx(self, data: "Buffer") -> None:
        """Show received bytes, or that none came."""
        if not to_bytes(data):
            self._begin(self.rx_color)
            self.write_line(self._now(), "RX", "<empty>")
        else:
            self._dump("RX", self.rx_color, data)

    def tx(self, data: "Buffer") -> None:
        """Show sent bytes."""
        self._dump("TX", self.tx_color, data)

    def control(self, name: str, value: object) -> None:
        """Show a call that is not data."""
        self._begin(self.control_color)
        self.write_line(self._now(), name, str(value))

    def _dump(self, label: str, color: str, data: "Buffer") -> None:
        self._begin(color)
        now = self._now()
        for offset, row in hexdump(data):
            self.write_line(now, label, f"{offset:04X}  ", row)

    def _begin(self, color: str) -> None:
        if self.color:
            self.output.write(color)

    def _now(self) -> float:
        return time.monotonic() - self.start_time


class Serial(serialposix.Serial):
    """A device's port that shows what is done with it.

    Attributes:
        formatter: What shows it; None before a port is named.
        show_all: Whether reads without a result and `in_waiting` are shown too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the arguments of ``serial.Serial``; the port is a ``spy://`` URL."""
        self.formatter: FormatRaw | FormatHexdump | None = None
        self.show_all = False
        self._forget_file: weakref.finalize[[int], Serial] | None = None
        super().__init__(*args, **kwargs)

    @property
    @override
    def port(self) -> str | None:
        """The device. What is assigned is a ``spy://`` URL."""
        return self._port

    @port.setter
    def port(self, value: str | os.PathLike[str] | None) -> None:
        set_port(self, None if value is None else self.from_url(os.fspath(value)))

    def from_url(self, url: str) -> str:
        """Take the options of a URL and return the device.

        Raises:
            SerialException: There is an option that spy:// does not have.
            OSError: The file cannot be opened.
        """
        try:
            place, options = split_url(url, "spy", OPTIONS)
        except ValueError as exc:
            raise SerialException(f"spy:// takes spy://PORT[?file=NAME][&color][&raw][&all]: {exc}") from exc
        if self._forget_file is not None:
            self._forget_file()
            self._forget_file = None
        output = sys.stderr if "file" not in options else self._open_file(options["file"])
        self.formatter = (FormatRaw if "raw" in options else FormatHexdump)(output, "color" in options)
        self.show_all = "all" in options
        return place

    def _open_file(self, name: str) -> "TextIO":
        # It stays open until the port is forgotten or gets another name: a closed port may be opened again.
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOCTTY, 0o666)
        self._forget_file = weakref.finalize(self, os.close, fd)
        return os.fdopen(fd, "w", encoding="utf-8", closefd=False)

    def show_event(self, event: "TapEvent") -> None:
        """Show what a `Tap` has seen: for a transport, whose reads and writes are no calls of this object's."""
        formatter = self.formatter
        assert formatter is not None  # noqa: S101  # the port has a name
        value: Any = event.value
        match event.kind:
            case "received":
                formatter.rx(event.data)
            case "sent":
                formatter.tx(event.data)
            case "control_lines":
                for name, level in value.items():
                    formatter.control(name.upper(), _active(level))
            case "modem_lines":
                for name in ("CTS", "DSR", "RI", "CD"):
                    formatter.control(name, _active(getattr(value, name.lower())))
            case "break":
                formatter.control("BRK", _active(value))
            case "discarded":
                formatter.control("Q-RX" if value == "input" else "Q-TX", f"reset_{value}_buffer")
            case _:
                pass  # pySerial shows neither settings nor errors

    def _control(self, name: str, value: object) -> None:
        if self.formatter is not None:
            self.formatter.control(name, value)

    # Calls

    @override
    def read(self, size: int = 1) -> bytes:
        """As ``serial.Serial``'s, and shown."""
        data = super().read(size)
        if (data or self.show_all) and self.formatter is not None:
            self.formatter.rx(data)
        return data

    @override
    def write(self, b: "Buffer", /) -> int | None:
        """As ``serial.Serial``'s, and shown first."""
        octets = to_bytes(b)
        if self.formatter is not None:
            self.formatter.tx(octets)
        return super().write(octets)

    @property
    @override
    def in_waiting(self) -> int:
        """As ``serial.Serial``'s, and shown with the option ``all``."""
        count = super().in_waiting
        if self.show_all:
            self._control("Q-RX", f"in_waiting -> {count}")
        return count

    @override
    def flush(self) -> None:
        """As ``serial.Serial``'s, and shown first."""
        self._control("Q-TX", "flush")
        super().flush()

    @override
    def reset_input_buffer(self) -> None:
        """As ``serial.Serial``'s, and shown first."""
        self._control("Q-RX", "reset_input_buffer")
        super().reset_input_buffer()

    @override
    def reset_output_buffer(self) -> None:
        """As ``serial.Serial``'s, and shown first."""
        self._control("Q-TX", "reset_output_buffer")
        super().reset_output_buffer()

    @override
    def cancel_read(self) -> None:
        """As ``serial.Serial``'s, and shown first."""
        self._control("Q-RX", "cancel_read")
        super().cancel_read()

    @override
    def cancel_write(self) -> None:
        """As ``serial.Serial``'s, and shown first."""
        self._control("Q-TX", "cancel_write")
        super().cancel_write()

    @override
    def send_break(self, duration: float = 0.25) -> None:
        """As ``serial.Serial``'s, and shown first."""
        self._control("BRK", f"send_break {duration}s")
        super().send_break(duration)

    # Lines

    @override
    def _update_break_state(self) -> None:
        self._control("BRK", _active(self._break_state))
        super()._update_break_state()

    @override
    def _update_rts_state(self) -> None:
        self._control("RTS", _active(self._rts_state))
        super()._update_rts_state()

    @override
    def _update_dtr_state(self) -> None:
        self._control("DTR", _active(self._dtr_state))
        super()._update_dtr_state()

    @property
    @override
    def cts(self) -> bool:
        """As ``serial.Serial``'s, and shown."""
        return self._line("CTS", super().cts)

    @property
    @override
    def dsr(self) -> bool:
        """As ``serial.Serial``'s, and shown."""
        return self._line("DSR", super().dsr)

    @property
    @override
    def ri(self) -> bool:
        """As ``serial.Serial``'s, and shown."""
        return self._line("RI", super().ri)

    @property
    @override
    def cd(self) -> bool:
        """As ``serial.Serial``'s, and shown."""
        return self._line("CD", super().cd)

    def _line(self, name: str, level: bool) -> bool:
        self._control(name, _active(level))
        return level


def _active(level: object) -> str:
    return "active" if level else "inactive"
