"""What the device's control characters and escape sequences may do to the user's terminal.

A device, or whatever speaks through it, can send sequences that are not meant for looks: they change the
window's title, write the clipboard, or make the terminal type an answer into the device. The filter knows
what is harmless (ECMA-48 and xterm's control sequences) and lets that through; everything else is dropped.

Sequences that come in pieces are held back until they are whole, so that what is passed on can be cut and
joined anywhere.
"""

import re

__all__ = ("CHOICES", "EscapeFilter")

CHOICES = {
    "filter": "colours and cursor movement are obeyed, everything else is dropped",
    "show": "nothing is obeyed; control characters are shown as text",
    "strip": "everything is dropped, colours too",
    "obey": "everything is obeyed",
}

LONGEST = 256  # characters of a control sequence; what is longer is garbage
LONGEST_STRING = 8192  # of an operating-system command or another string: dropped as it comes

# Cursor movement, erasing, inserting, scrolling, tab stops, attributes, scroll region; no reports.
_FINALS = frozenset("ABCDEFGHIJKLMPSTXZ`abdefgmrsu@")
# Cursor keys, reverse video, origin, wrap, blinking, cursor, alternate screens, bracketed paste.
_PRIVATE_MODES = frozenset(["1", "5", "6", "7", "12", "25", "47", "1047", "1048", "1049", "2004"])
_MODES = frozenset({"4", "20"})
_SINGLE = frozenset("78DEHM=>c")
_TEXT_CONTROLS = frozenset("\t\n\r")
_PASSED_CONTROLS = _TEXT_CONTROLS | frozenset("\a\b\v\f\x0e\x0f")
_SPECIAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_CSI = re.compile(r"\x1b\[([<=>?]?)([0-9:;]*)([ -/]*)([@-~])")
_LARGE = re.compile("[0-9]{5}")  # no screen is that large, and a character repeated so often stops a terminal
_CSI_SO_FAR = re.compile(r"\x1b\[[0-?]*[ -/]*\Z")
# A character set is chosen, the screen is tested: an ESC, intermediate characters, a final one.
_CHARSET = re.compile(r"\x1b([ -/]{1,4})([0-~])")
_CHARSET_SO_FAR = re.compile(r"\x1b[ -/]{1,4}\Z")
_STRING_STARTS = frozenset("]PX^_")  # OSC, DCS, SOS, PM, APC
_STRING_END = re.compile("\x1b\\\\|\a|\x9c|\x18|\x1a|\x1b(?!\\\\)(?=.)", re.DOTALL)


class EscapeFilter:
    """Passes on, drops or shows control sequences, as chosen.

    Attributes:
        disturbed: Something passed that may have hurt a line below the scroll region; the owner of
            that line redraws it and sets this back.
        was_reset: The terminal was reset (RIS), scroll region included; the owner sets this back, too.
        alternate: The device has switched to the alternate screen.
        origin: The device has switched to the origin mode.
    """

    def __init__(self, choice: str, rows: int | None = None) -> None:
        """Filter as *choice*, a key of `CHOICES`; keep scroll regions within *rows* rows, if told."""
        self.choice = choice
        self.rows = rows
        self.disturbed = False
        self.was_reset = False
        self.alternate = self.origin = False
        self._held = ""
        self._in_string = 0

    def feed(self, text: str) -> str:
        """Return what the terminal gets for *text*."""
        if self.choice == "obey":
            self.disturbed = True
            self.origin |= "\x1b[?6h" in text
            return text
        if self.choice == "show":
            return _SPECIAL.sub(lambda match: _shown(match[0]), text)
        if not self._held and not self._in_string and _SPECIAL.search(text) is None:
            return text
        text, self._held = self._held + text, ""
        pieces: list[str] = []
        at = 0
        while at < len(text):
            if self._in_string:
                at = self._skip_string(text, at)
                continue
            match = _SPECIAL.search(text, at)
            if match is None:
                pieces.append(text[at:])
                break
            pieces.append(text[at : match.start()])
            at = match.start()
            if text[at] != "\x1b":
                pieces.append(self._control(text[at]))
                at += 1
                continue
            taken, piece = self._sequence(text, at)
            if not taken:
                self._held = text[at:]
                break
            pieces.append(piece)
            at += taken
        return "".join(pieces)

    def _skip_string(self, text: str, at: int) -> int:
        match = _STRING_END.search(text, at)
        if match is not None and match.start() - at < self._in_string:
            self._in_string = 0
            return match.end()
        rest = len(text) - at
        if match is None and rest < self._in_string:
            # The ESC of the terminator may be the last character.
            if text.endswith("\x1b"):
                self._held = "\x1b"
                rest -= 1
            self._in_string -= rest
            return len(text)
        skipped = self._in_string
        self._in_string = 0  # garbage, no string
        return at + skipped

    def _control(self, char: str) -> str:
        if self.choice == "strip":
            return ""
        if char in _PASSED_CONTROLS:
            return char
        # A C1 control may be a whole sequence's beginning to the terminal; NUL, ENQ and DEL say nothing.
        return _shown(char) if char >= "\x80" else ""

    def _sequence(self, text: str, at: int) -> tuple[int, str]:
        """Return how many characters the sequence at *at* takes (0: it is not whole) and what becomes of it."""
        following = text[at + 1 : at + 2]
        if not following:
            return 0, ""
        if following == "[":
            return self._control_sequence(text, at)
        if following in _STRING_STARTS:
            self._in_string = LONGEST_STRING
            return 2, ""
        if " " <= following <= "/":
            return self._character_set(text, at)
        if following in _SINGLE:
            if following == "c":
                self.disturbed = self.was_reset = True
                self.alternate = self.origin = False
            return 2, self._passed("\x1b" + following)
        # An unknown sequence of two characters, or an ESC before something that is not part of one.
        return (2 if "\x20" <= following <= "\x7e" else 1), ""

    def _character_set(self, text: str, at: int) -> tuple[int, str]:
        match = _CHARSET.match(text, at)
        if match is None:
            return (0, "") if _CHARSET_SO_FAR.match(text, at) else (2, "")
        known = match[1] in {"(", ")", "*", "+"} or match[0] == "\x1b#8"
        return match.end() - at, self._passed(match[0]) if known else ""

    def _control_sequence(self, text: str, at: int) -> tuple[int, str]:  # noqa: PLR0911  # one for each kind
        match = _CSI.match(text, at)
        if match is None:
            is_begun = len(text) - at < LONGEST and _CSI_SO_FAR.match(text, at) is not None
            return (0, "") if is_begun else (2, "")
        prefix, parameters, intermediate, final = match.groups()
        taken = match.end() - at
        if taken > LONGEST:
            return 2, ""
        if intermediate:
            # The shape of the cursor, and a soft reset.
            known = not prefix and (intermediate, final) == (" ", "q")
            return taken, self._passed(match[0]) if known else ""
        if final in "hl" and prefix in ("", "?"):
            return taken, self._mode(prefix, parameters.split(";"), final)
        if prefix or final not in _FINALS or _LARGE.search(parameters):
            return taken, ""
        if final == "r":
            return taken, self._region(parameters)
        self.disturbed |= final in "JLMST"
        return taken, self._passed(match[0])

    def _mode(self, prefix: str, modes: list[str], final: str) -> str:
        allowed = _PRIVATE_MODES if prefix else _MODES
        kept = [mode for mode in modes if mode in allowed]
        if prefix and not {"47", "1047", "1049"}.isdisjoint(kept):
            self.alternate = final == "h"
            self.disturbed = True
        if prefix and "6" in kept:
            self.origin = final == "h"
        return self._passed(f"\x1b[{prefix}{';'.join(kept)}{final}") if kept else ""

    def _region(self, parameters: str) -> str:
        top, _, bottom = parameters.partition(";")
        self.disturbed = True
        if self.rows is None or not (top or "1").isdecimal() or not (bottom or "1").isdecimal():
            return self._passed(f"\x1b[{parameters}r")
        last = min(int(bottom), self.rows) if bottom and int(bottom) else self.rows
        return self._passed(f"\x1b[{top or '1'};{last}r")

    def _passed(self, sequence: str) -> str:
        return "" if self.choice == "strip" else sequence


def _shown(char: str) -> str:
    return f"\\x{ord(char):02x}"
