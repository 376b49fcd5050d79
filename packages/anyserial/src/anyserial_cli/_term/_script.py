r"""Scripts: what is expected of a device and what is sent to it, step by step; as data, without a port.

A script is a file of one step a line, or the ``--expect`` and ``--send`` options in their order::

    # Boot to the shell.
    timeout 30s
    fail "Kernel panic"
    expect "login: "
    line "root"
    expect "[#$] $" within 5s
"""

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyserial_cli._term._protocols import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = (
    "DEFAULT_TIMEOUT",
    "Break",
    "Expect",
    "Fail",
    "File",
    "Lines",
    "Matcher",
    "Pause",
    "ScriptError",
    "Send",
    "Step",
    "parse_script",
    "pattern",
    "protocol_named",
    "seconds",
    "unescape",
)

DEFAULT_TIMEOUT = 30.0  # seconds
KEPT = 64 * 1024  # received bytes in which a pattern is looked for
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED = {"r": "\r", "n": "\n", "t": "\t", "e": "\x1b", "0": "\0", "a": "\a", "b": "\b", "\\": "\\"}


class ScriptError(ValueError):
    """A script is wrong; the message says where and how."""


@dataclass(frozen=True, slots=True)
class Expect:
    """Wait until what is received matches."""

    text: str
    pattern: re.Pattern[bytes]
    timeout: float


@dataclass(frozen=True, slots=True)
class Fail:
    """From here on, end the script as soon as what is received matches."""

    text: str
    pattern: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class Send:
    """Send text; with *line*, and what the Enter key sends."""

    text: str
    line: bool


@dataclass(frozen=True, slots=True)
class File:
    """Send or receive a file."""

    verb: str
    protocol: str
    path: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Break:
    """Send a break."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Set DTR or RTS."""

    name: str
    is_on: bool


type Step = Expect | Fail | Send | File | Pause | Break | Lines


def seconds(text: str) -> float:
    """Return the seconds that *text* writes: ``5ms``, ``0.5`` or ``2s``.

    Raises:
        ScriptError: It is not a time.
    """
    number, scale = (text[:-2], 1e-3) if text.endswith("ms") else (text.removesuffix("s"), 1.0)
    try:
        value = float(number) * scale
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ScriptError(f"{text!r} is not a time such as 5ms, 0.5 or 2s")
    return value


def unescape(text: str) -> str:
    r"""Return *text* with ``\r``, ``\n``, ``\t``, ``\e``, ``\xNN`` and ``\\`` replaced.

    Raises:
        ScriptError: There is another escape.
    """

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        if name[0] == "x" and len(name) > 1:
            return chr(int(name[1:], 16))
        if name not in _ESCAPED:
            raise ScriptError(f"\\{name} is not an escape; there are \\r \\n \\t \\e \\a \\b \\0 \\xNN \\\\")
        return _ESCAPED[name]

    return _ESCAPE.sub(replaced, text)


def pattern(text: str, encoding: str) -> re.Pattern[bytes]:
    """Return the regular expression *text*, to be looked for in bytes of *encoding*.

    Raises:
        ScriptError: It is not a regular expression.
    """
    try:
        return re.compile(text.encode(encoding), re.MULTILINE)
    except (re.error, UnicodeEncodeError) as exc:
        raise ScriptError(f"{text!r} is not a regular expression: {exc}") from None


def protocol_named(name: str) -> str:
    """Return *name*, which is that of a protocol.

    Raises:
        ScriptError: It is none.
    """
    if name not in PROTOCOLS:
        raise ScriptError(f"{name!r} is not a protocol; there are {', '.join(PROTOCOLS)}")
    return name


def parse_script(text: str, *, encoding: str, timeout: float, name: str) -> list[Step]:
    """Return the steps of a script.

    Args:
        text: The file's text.
        encoding: The device's encoding.
        timeout: Seconds for each ``expect``, until the script says otherwise.
        name: The file's name, for errors.

    Raises:
        ScriptError: A line is wrong; the message has the file, the line, and what is expected.
    """
    parser = _Parser(encoding, timeout)
    for number, line in enumerate(text.splitlines(), 1):
        try:
            # Not POSIX quoting: a backslash is a regular expression's, or `unescape`'s.
            lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
            lexer.whitespace_split = True
            lexer.escape = ""
            words = [*lexer]
            if words:
                parser.take(words[0], words[1:])
        except ValueError as exc:
            raise ScriptError(f"{name}, line {number}: {exc}") from None
    return parser.steps


class _Parser:
    def __init__(self, encoding: str, timeout: float) -> None:
        self.steps: list[Step] = []
        self._encoding = encoding
        self._timeout = timeout
        # How a step is written, what takes its words, and how many there are at least and at most.
        self._words: dict[str, tuple[str, Callable[..., None], int, int]] = {
            "expect": ('expect "PATTERN" [within TIME]', self._expect, 1, 3),
            "fail": ('fail "PATTERN"', self._fail, 1, 1),
            "send": ('send "TEXT"', self._send, 1, 1),
            "line": ('line "TEXT"', self._send_line, 0, 1),
            "send-file": ("send-file PROTOCOL PATH", self._send_file, 2, 2),
            "receive-file": ("receive-file PROTOCOL PATH", self._receive_file, 2, 2),
            "timeout": ("timeout TIME", self._set_timeout, 1, 1),
            "pause": ("pause TIME", self._pause, 1, 1),
            "break": ("break", self._break, 0, 0),
            "dtr": ("dtr on, or dtr off", self._dtr, 1, 1),
            "rts": ("rts on, or rts off", self._rts, 1, 1),
        }

    def take(self, word: str, arguments: list[str]) -> None:
        if word not in self._words:
            raise ScriptError(f"{word!r} is not a step; there are {', '.join(self._words)}")
        form, take, least, most = self._words[word]
        if not least <= len(arguments) <= most:
            raise ScriptError(f"write {form}")
        take(*arguments)

    def _expect(self, text: str, *within: str) -> None:
        timeout = self._timeout
        if within:
            if len(within) == 1 or within[0] != "within":
                raise ScriptError('write expect "PATTERN" [within TIME]')
            timeout = seconds(within[1])
        self.steps.append(Expect(text, pattern(text, self._encoding), timeout))

    def _fail(self, text: str) -> None:
        self.steps.append(Fail(text, pattern(text, self._encoding)))

    def _send(self, text: str) -> None:
        self.steps.append(Send(unescape(text), line=False))

    def _send_line(self, text: str = "") -> None:
        self.steps.append(Send(unescape(text), line=True))

    def _send_file(self, protocol: str, path: str) -> None:
        self.steps.append(File("send", protocol_named(protocol), path))

    def _receive_file(self, protocol: str, path: str) -> None:
        self.steps.append(File("receive", protocol_named(protocol), path))

    def _set_timeout(self, text: str) -> None:
        self._timeout = seconds(text)

    def _pause(self, text: str) -> None:
        self.steps.append(Pause(seconds(text)))

    def _break(self) -> None:
        self.steps.append(Break())

    def _dtr(self, state: str) -> None:
        self._line("dtr", state)

    def _rts(self, state: str) -> None:
        self._line("rts", state)

    def _line(self, name: str, state: str) -> None:
        if state not in {"on", "off"}:
            raise ScriptError(f"write {name} on, or {name} off")
        self.steps.append(Lines(name, state == "on"))


class Matcher:
    """What was received and not yet matched, and the patterns that end the script."""

    def __init__(self) -> None:
        """Begin with nothing received."""
        self._data = b""
        self._ends: list[Fail] = []

    def feed(self, data: bytes) -> None:
        """Take received bytes; keep the last 64 KiB of what has not matched."""
        self._data = (self._data + data)[-KEPT:]

    def fail_on(self, step: Fail) -> None:
        """From now on, end the script when *step* matches. What came before and has not matched counts, too."""
        self._ends.append(step)

    def match(self, expected: re.Pattern[bytes]) -> bool:
        """Return whether *expected* was received, and drop everything up to its end."""
        found = expected.search(self._data)
        if found is None:
            return False
        self._data = self._data[found.end() :]
        return True

    def failed(self) -> Fail | None:
        """Return the first pattern of `fail_on` that was received."""
        return next((step for step in self._ends if step.pattern.search(self._data)), None)

    @property
    def rest(self) -> bytes:
        """What was received and not matched."""
        return self._data
