"""The lines of a remote port, as its server reports them: modem lines, control lines, counters; without I/O.

How the reports arrive is not known here.
"""

from typing import TYPE_CHECKING, Final

from anyserial._network.com_port import Control, LineState, ModemState

if TYPE_CHECKING:
    from anyserial.capabilities import LineCounters, ModemLines

__all__ = ("ERRORS", "Lines")

ERRORS: Final = LineState.OVERRUN | LineState.PARITY | LineState.FRAMING | LineState.BREAK
"""The line states that are errors."""

_MODEM = (
    # level, change, counter
    (ModemState.CTS, ModemState.CTS_CHANGED, "cts"),
    (ModemState.DSR, ModemState.DSR_CHANGED, "dsr"),
    (ModemState.RI, ModemState.RI_ENDED, "ri"),
    (ModemState.CD, ModemState.CD_CHANGED, "cd"),
)
_LINE = (
    (LineState.FRAMING, "frame"),
    (LineState.OVERRUN, "overrun"),
    (LineState.PARITY, "parity"),
    (LineState.BREAK, "brk"),
)


class Lines:
    """The lines as far as they are known.

    Attributes:
        modem: The last report of the modem lines; None before the first.
        rts: The level of RTS; None if it is not known.
        dtr: The level of DTR; None if it is not known.
        reports: How many reports of the modem lines have come.
        has_break: Whether the server has said anything about a break.
    """

    __slots__ = ("_counts", "dtr", "has_break", "modem", "reports", "rts")

    def __init__(self) -> None:
        self.modem: ModemState | None = None
        self.rts: bool | None = None
        self.dtr: bool | None = None
        self.reports = 0
        self.has_break = False
        self._counts: dict[str, int] = dict.fromkeys(("cts", "dsr", "ri", "cd", "frame", "overrun", "parity", "brk"), 0)

    def modem_heard(self, value: int) -> None:
        """Take a report of the modem lines."""
        before, self.modem = self.modem, ModemState(value)
        self.reports += 1
        if before is None:
            return
        for level, change, counter in _MODEM:
            if value & change or (value ^ before) & level:
                self._counts[counter] += 1

    def line_heard(self, value: int) -> None:
        """Take a report of line errors."""
        for state, counter in _LINE:
            if value & state:
                self._counts[counter] += 1

    def control_heard(self, value: int) -> None:
        """Take the answer to a SET-CONTROL."""
        match value:
            case Control.DTR_ON | Control.DTR_OFF:
                self.dtr = value == Control.DTR_ON
            case Control.RTS_ON | Control.RTS_OFF:
                self.rts = value == Control.RTS_ON
            case Control.ASK_BREAK | Control.BREAK_ON | Control.BREAK_OFF:
                self.has_break = True
            case _:
                pass

    @property
    def are_known(self) -> bool:
        """Whether the modem lines and both control lines are known."""
        return self.modem is not None and self.rts is not None and self.dtr is not None

    def modem_lines(self) -> "ModemLines | None":
        """Return the modem lines; None if they are not known."""
        from anyserial.capabilities import ModemLines  # noqa: PLC0415  # the port has loaded it

        state = self.modem
        if state is None:
            return None
        return ModemLines(
            cts=bool(state & ModemState.CTS),
            dsr=bool(state & ModemState.DSR),
            ri=bool(state & ModemState.RI),
            cd=bool(state & ModemState.CD),
        )

    def counters(self, received: int, sent: int) -> "LineCounters":
        """Return the counters, with the bytes of this connection."""
        from anyserial.capabilities import LineCounters  # noqa: PLC0415

        counts = self._counts
        return LineCounters(
            cts=counts["cts"],
            dsr=counts["dsr"],
            ri=counts["ri"],
            cd=counts["cd"],
            rx=received,
            tx=sent,
            frame=counts["frame"],
            overrun=counts["overrun"],
            parity=counts["parity"],
            brk=counts["brk"],
            buf_overrun=0,
        )

    def changes(self) -> tuple[int, int, int, int]:
        """Return how often CTS, DSR, RI and CD have changed."""
        counts = self._counts
        return counts["cts"], counts["dsr"], counts["ri"], counts["cd"]
