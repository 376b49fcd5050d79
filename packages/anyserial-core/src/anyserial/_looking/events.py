"""What a tap reports, and the one line that shows it.

Where the events come from is in `observing`, and where they go in `tapping`.
"""

from typing import NamedTuple, override

from anyserial._printable import printable

__all__ = ("TRACE", "TapEvent")

TRACE = 5
"""The logging level of a tap: below `logging.DEBUG`, which is 10."""

_MOST_SHOWN = 64  # bytes of data in a line
_LONGEST = 300  # characters of anything else in a line


class TapEvent(NamedTuple):
    r"""One thing that happened on a port. ``str(event)`` is one printable line of bounded length.

    Attributes:
        time: When, in seconds of `time.monotonic`: taken right after the system call that read or wrote.
        path: The port's path.
        kind: What happened:

            - ``"received"``, ``"sent"``: *data* was read from the driver, or taken by it.
            - ``"line_error"``: the line damaged a character; *value* is the LineError.
            - ``"configured"``: *value* is the SerialConfig that the driver has applied.
            - ``"control_lines"``: *value* is a dict of the lines that were set: ``{"rts": True}``.
            - ``"modem_lines"``: *value* is the ModemLines, which differ from those seen before.
            - ``"break"``: *value* tells whether the line is held in the break condition now.
            - ``"discarded"``: *value* is ``"input"`` or ``"output"``.
            - ``"failed"``: *value* is the exception that the driver's call raised.
            - ``"closed"``: the port has closed its backend.
        data: What was received or sent; never empty for these two kinds, and ``b""`` for the others.
        value: See *kind*; None for received, sent and closed.
    """

    time: float
    path: str
    kind: str
    data: bytes = b""
    value: object = None

    @override
    def __str__(self) -> str:
        if self.data:
            what = repr(self.data[:_MOST_SHOWN])
            if len(self.data) > _MOST_SHOWN:
                what += f" and {len(self.data) - _MOST_SHOWN} more bytes"
        elif self.value is None:
            what = ""
        else:
            text = (
                f"{type(self.value).__name__}: {self.value}" if isinstance(self.value, Exception) else str(self.value)
            )
            what = printable(text)
            if len(what) > _LONGEST:
                what = f"{what[:_LONGEST]}..."
        return f"{self.time:.6f} {printable(self.path)} {self.kind} {what}".rstrip()
