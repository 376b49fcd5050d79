"""From received bytes to what is shown: decoding, line ends, escape sequences, timestamps, or a hex dump."""

import codecs
from dataclasses import dataclass

from anyserial_cli._term._escapes import EscapeFilter
from anyserial_cli._term._hex import HexDump
from anyserial_cli._term._newlines import ReceivedNewlines
from anyserial_cli._term._stamps import Stamper

__all__ = ("View", "ViewSettings")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSettings:
    """How received bytes are shown."""

    encoding: str = "utf-8"
    newline: str = "auto"
    escapes: str = "filter"
    stamps: str = "off"
    hex: bool = False
    live: bool = True


class View:
    """Shows one stream of bytes. What a character or a sequence lacks is waited for."""

    def __init__(self, settings: ViewSettings, *, began: float, wall: float, rows: int | None = None) -> None:
        """Begin with *settings*; the other arguments are those of `Stamper` and `EscapeFilter`."""
        self.settings = settings
        self._decoder = codecs.getincrementaldecoder(settings.encoding)("backslashreplace")
        self._newlines = ReceivedNewlines(settings.newline)
        self.escapes = EscapeFilter(settings.escapes, rows)
        self._stamper = Stamper(settings.stamps, began, wall)
        self._dump = HexDump(live=settings.live and settings.stamps == "off") if settings.hex else None

    def feed(self, data: bytes, now: float) -> str:
        """Return the text to print for *data*, which arrived at the monotonic time *now*."""
        if self._dump is not None:
            return self._stamper.feed(self._dump.feed(data), now)
        text = self._newlines.feed(self.escapes.feed(self._decoder.decode(data)))
        return self._stamper.feed(text, now)

    def flush(self, now: float) -> str:
        """Return what was held back, as if nothing more came."""
        if self._dump is not None:
            return self._stamper.feed(self._dump.flush(), now)
        return self._stamper.feed(self._newlines.feed(self.escapes.feed(self._decoder.decode(b"", final=True))), now)
