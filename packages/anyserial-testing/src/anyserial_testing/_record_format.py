r"""The text of a record: one event a line, written and parsed here.

A record begins with a line for the version, the path and the settings. Then each line has the seconds since
the recording began, the name of an event, and what belongs to it. Bytes are in double quotes: printable
ASCII as it is, ``\n``, ``\r``, ``\t``, ``\"`` and ``\\`` as in Python, every other byte as ``\xNN``. Settings
are written as ``name=value``, only those that changed. Lines that are empty or begin with ``#`` are ignored.

What records an event and what replays it does not belong here. The format is documented in docs/recording.md.
"""

import errno
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from anyserial import exceptions
from anyserial.config import FlowControl, RS485Config, SerialConfig
from anyserial.exceptions import ConfigurationError, LineError, SerialError

__all__ = (
    "KINDS",
    "Event",
    "Record",
    "RecordError",
    "changes",
    "error_words",
    "header",
    "quoted",
    "read_record",
    "spelled",
)

VERSION = "anyserial record 1"
MOST_BYTES = 256  # in one line; longer transfers continue in the next
_MOST_SHOWN: Final = 80  # characters of a line in a message
_PROGRAM: Final = frozenset({"send", "configure", "lines", "break", "discard"})
_DEVICE: Final = frozenset({"receive", "damaged", "modem", "control", "counters", "gone", "fail"})
KINDS: Final = _PROGRAM | _DEVICE | {"close", "end"}

_ESCAPES = {0x0A: r"\n", 0x0D: r"\r", 0x09: r"\t", 0x22: r"\"", 0x5C: r"\\"}
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\Z')
_TOKEN = re.compile(r'\\x([0-9a-fA-F]{2})|\\([nrt"\\])|([ !#-\[\]-~])')
_UNESCAPED = {"n": 0x0A, "r": 0x0D, "t": 0x09, '"': 0x22, "\\": 0x5C}
_LINE = re.compile(r"\s*(\d+\.\d{6}) ([a-z]+)(?: (.+))?\Z")
_FAILURE = re.compile(r'([a-z]+) ([A-Za-z0-9]+) (\S+) (".*")\Z')
_NESTED = {"flow_control": FlowControl, "rs485": RS485Config}


class RecordError(ValueError):
    """A record cannot be read: it is damaged, cut off, or of another version. The message has file and line."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a record.

    Attributes:
        kind: One of `KINDS`.
        time: Seconds since the recording began.
        data: The bytes of a send or a receive.
        words: What else the line says, by name.
        error: The error of ``fail`` and ``damaged``.
        line: Its line in the file, from 1; 0 for an event that was not read from a file.
    """

    kind: str
    time: float = 0.0
    data: bytes = b""
    words: tuple[tuple[str, str], ...] = ()
    error: SerialError | None = None
    line: int = 0

    @property
    def of_program(self) -> bool:
        """Whether the program did it, and not the device."""
        return self.kind in _PROGRAM

    @property
    def text(self) -> str:
        """What the line says after its time."""
        if self.kind in {"send", "receive"}:
            return f"{self.kind} {quoted(self.data)}"
        return " ".join((self.kind, *(value if not name else f"{name}={value}" for name, value in self.words)))

    def lines(self) -> Iterator[str]:
        """Yield the lines that record the event: one, or more for a long transfer."""
        if not self.data:
            yield f"{self.time:12.6f} {self.text}\n"
        for at in range(0, len(self.data), MOST_BYTES):
            yield f"{self.time:12.6f} {self.kind} {quoted(self.data[at : at + MOST_BYTES])}\n"


@dataclass(frozen=True, slots=True)
class Record:
    """A whole record.

    Attributes:
        name: The file it was read from.
        path: The path of the port that was recorded.
        config: Its settings when the recording began.
        events: What happened, in order; without ``close`` and ``end``.
        last_line: The number of the line that ends it.
    """

    name: str
    path: str
    config: SerialConfig
    events: tuple[Event, ...]
    last_line: int


def quoted(data: bytes) -> str:
    """Return *data* as a record has it."""
    shown = (_ESCAPES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}") for byte in data)  # noqa: PLR2004
    return f'"{"".join(shown)}"'


def changes(new: Any, old: Any, prefix: str = "") -> tuple[tuple[str, str], ...]:
    """Return the settings of *new* that differ from *old*, as words."""
    found: list[tuple[str, str]] = []
    for field in fields(new):
        value, before = getattr(new, field.name), getattr(old, field.name)
        if value == before:
            continue
        name = f"{prefix}{field.name}"
        if is_dataclass(value):
            base = _NESTED[field.name]() if before is None else before
            inner = changes(value, base, f"{name}.")
            found += inner or ((f"{name}.enabled", "on"),)
        else:
            found.append((name, spelled(value)))
    return tuple(found)


def spelled(value: object) -> str:
    """Return a setting or a level as a record has it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "unset" if value is None else str(value)


def error_words(operation: str, error: SerialError) -> tuple[tuple[str, str], ...]:
    """Return the words of a ``fail`` or ``damaged`` event."""
    if isinstance(error, LineError):
        return ("", error.kind), *(() if error.byte is None else (("byte", f"0x{error.byte:02x}"),))
    number = "-" if error.errno is None else errno.errorcode.get(error.errno, str(error.errno))
    message = quoted((error.strerror or "").encode("ascii", "backslashreplace"))
    return ("", operation), ("", type(error).__name__), ("", number), ("", message)


def header(path: str, config: SerialConfig) -> str:
    """Return the first lines of a record."""
    settings = "".join(f" {name}={value}" for name, value in changes(config, SerialConfig()))
    return f"{VERSION}\npath {quoted(path.encode())}\nconfig{settings}\n"


def changed_config(config: SerialConfig, words: Iterable[tuple[str, str]]) -> SerialConfig:
    """Return *config* with the settings that the words name.

    Raises:
        ValueError: There is no such setting, or its value is not valid.
    """
    wanted: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for name, text in words:
        outer, dot, inner = name.partition(".")
        if dot and outer in _NESTED:
            nested.setdefault(outer, {})[inner] = _value(text)
        else:
            wanted[name] = _value(text)
    for outer, values in nested.items():
        current = getattr(config, outer)
        base: Any = _NESTED[outer]() if current is None else current
        known = {field.name: getattr(base, field.name) for field in fields(base)}
        if unknown := values.keys() - known:
            raise ConfigurationError(f"{outer} has no setting {', '.join(sorted(unknown))}")
        wanted[outer] = _NESTED[outer](**(known | values))
    return config.with_changes(**wanted)


def read_record(contents: bytes, name: str) -> Record:
    """Return the record that a file has.

    Args:
        contents: The file's contents.
        name: What messages call it.

    Raises:
        RecordError: This is not a record, or a line of it is damaged, or it is cut off.
    """
    try:
        text = contents.decode("ascii")
    except UnicodeDecodeError as error:
        place = len((contents[: error.start] + b".").decode("ascii").splitlines())
        raise RecordError(
            f"{name}, line {place}: the byte 0x{contents[error.start]:02x} is not ASCII; write it as"
            f" \\x{contents[error.start]:02x}, and save the file as ASCII"
        ) from None
    parser = _Parser(name)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                parser.take(line, number)
            except ValueError as error:
                raise RecordError(f"{name}, line {number}: {error}") from None
    return parser.finish()


class _Parser:
    def __init__(self, name: str) -> None:
        self._name = name
        self._headers = 0
        self._path = ""
        self._config = self._current = SerialConfig()
        self._events: list[Event] = []
        self._end = 0

    def take(self, line: str, number: int) -> None:
        if self._end:
            raise ValueError("nothing may follow the line 'end'")
        if self._headers < 3:  # noqa: PLR2004  # the lines of `header`
            self._take_header(line)
            return
        if (match := _LINE.match(line)) is None:
            raise ValueError(
                "this is not an event: expected SECONDS EVENT, with six decimals, as in '0.012500 send \"A\"'"
                f" (got {_shown(line)})"
            )
        if match[2] not in KINDS:
            raise ValueError(f"there is no event {_shown(match[2])}; the events are {', '.join(sorted(KINDS))}")
        seconds, kind, rest = float(match[1]), match[2], match[3] or ""
        if self._events and seconds < self._events[-1].time:
            raise ValueError(f"the time {match[1]} lies before that of the event above")
        if kind == "end":
            self._end = number
        elif kind != "close":
            self._events.append(self._event(kind, rest, seconds, number))

    def _take_header(self, line: str) -> None:
        if self._headers == 0:
            if line.rstrip() != VERSION:
                raise ValueError(
                    f"this is not a record that this version can read: expected {VERSION!r} (got {_shown(line)})"
                )
        elif self._headers == 1:
            word, _, rest = line.partition(" ")
            if word != "path":
                raise ValueError(f"expected 'path \"PATH\"' (got {_shown(line)})")
            self._path = _unquoted(rest).decode()
        else:
            word, _, rest = line.partition(" ")
            if word != "config":
                raise ValueError(f"expected 'config NAME=VALUE ...' (got {_shown(line)})")
            self._config = self._current = changed_config(SerialConfig(), _words(rest))
        self._headers += 1

    def _event(self, kind: str, rest: str, seconds: float, number: int) -> Event:
        if kind in {"send", "receive"}:
            data = _unquoted(rest)
            if not data:
                raise ValueError(f"{kind} needs at least one byte")
            return Event(kind, seconds, data, line=number)
        if kind == "fail":
            return Event(kind, seconds, words=_failure_words(rest), error=_failure(rest, self._path), line=number)
        if kind == "damaged":
            return Event(kind, seconds, words=_damage_words(rest), error=_damage(rest, self._path), line=number)
        if kind in {"break", "discard"}:
            accepted = ("on", "off") if kind == "break" else ("input", "output")
            if rest not in accepted:
                raise ValueError(f"{kind} must be followed by {' or '.join(accepted)} (got {_shown(rest)})")
            return Event(kind, seconds, words=(("", rest),), line=number)
        words = tuple(_words(rest))
        if kind == "configure":
            self._current = changed_config(self._current, words)
        else:
            _check_words(kind, dict(words))
        return Event(kind, seconds, words=words, line=number)

    def finish(self) -> Record:
        if not self._end:
            if not self._headers:
                raise RecordError(f"{self._name} is empty; a record begins with {VERSION!r}")
            last = self._events[-1].line if self._events else self._headers
            raise RecordError(
                f"{self._name} is cut off after line {last}: the line 'end' is missing."
                " Close the recording, or record again"
            )
        return Record(self._name, self._path, self._config, tuple(self._events), self._end)


_COUNTERS = ("cts", "dsr", "ri", "cd", "rx", "tx", "frame", "overrun", "parity", "brk", "buf_overrun")
_NAMES = {
    "lines": ("rts", "dtr"),
    "control": ("rts", "dtr"),
    "modem": ("cts", "dsr", "ri", "cd"),
    "counters": _COUNTERS,
    "gone": (),
}


def _check_words(kind: str, words: dict[str, str]) -> None:
    names = _NAMES[kind]
    unknown = words.keys() - set(names)
    # Only the lines that a program sets may be left out.
    missing = set[str]() if kind == "lines" else set(names) - words.keys()
    if unknown or missing or (kind == "lines" and not words):
        raise ValueError(f"{kind} takes {', '.join(names) or 'nothing'} (got {', '.join(words) or 'nothing'})")
    for name, text in words.items():
        fits = text.isdecimal() if kind == "counters" else text in {"on", "off"}
        if not fits:
            raise ValueError(f"{name} must be {'a number' if kind == 'counters' else 'on or off'} (got {_shown(text)})")


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]!r} and more"


def _words(text: str) -> Iterator[tuple[str, str]]:
    names: set[str] = set()
    for word in text.split():
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise ValueError(f"expected NAME=VALUE (got {_shown(word)})")
        if name in names:
            raise ValueError(f"{name} is given twice")
        names.add(name)
        yield name, value


def _value(text: str) -> object:
    named = {"on": True, "off": False, "unset": None}
    if text in named:
        return named[text]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _unquoted(text: str) -> bytes:
    if (match := _QUOTED.match(text.rstrip())) is None:
        raise ValueError(f"expected bytes in double quotes (got {_shown(text)})")
    body, at, found = match[1], 0, bytearray()
    while at < len(body):
        if (token := _TOKEN.match(body, at)) is None:
            raise ValueError(f"the bytes cannot be read from {body[at : at + 8]!r} on; write other bytes as \\xNN")
        byte, escape, plain = token.groups()
        found.append(int(byte, 16) if byte else _UNESCAPED[escape] if escape else ord(plain))
        at = token.end()
    return bytes(found)


def _failure_words(text: str) -> tuple[tuple[str, str], ...]:
    match = _FAILURE.match(text)
    return () if match is None else tuple(("", word) for word in match.groups())


def _failure(text: str, path: str) -> SerialError:
    match = _FAILURE.match(text)
    cls = getattr(exceptions, match[2], None) if match else None
    if match is None or not isinstance(cls, type) or not issubclass(cls, SerialError):
        raise ValueError(
            f"expected 'fail OPERATION ERROR ERRNO \"MESSAGE\"', ERROR from anyserial (got {_shown(text)})"
        )
    number = None if match[3] == "-" else getattr(errno, match[3], None)
    if number is None and match[3] != "-":
        if not match[3].isdecimal():
            raise ValueError(f"there is no errno {match[3]}")
        number = int(match[3])
    return cls(number, _unquoted(match[4]).decode(), path)


def _damage_words(text: str) -> tuple[tuple[str, str], ...]:
    kind, _, byte = text.partition(" byte=")
    return ("", kind), *((("byte", byte),) if byte else ())


def _damage(text: str, path: str) -> LineError:
    kind, _, byte = text.partition(" byte=")
    if kind not in {"parity_or_framing", "break", "overrun"} or (byte and not re.fullmatch(r"0x[0-9a-f]{2}", byte)):
        raise ValueError(f"expected 'damaged parity_or_framing byte=0x41', or break or overrun (got {_shown(text)})")
    message = f"the line damaged what was received: {kind}"
    return LineError(errno.EIO, message, path, kind=kind, byte=int(byte, 16) if byte else None)
