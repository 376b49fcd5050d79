"""The arguments that `term` and `expect` share: the port, what is sent, what is shown and kept."""

import argparse
import re
from typing import TYPE_CHECKING, Any

from anyserial_cli._ports import complete_ports
from anyserial_cli._term._escapes import CHOICES
from anyserial_cli._term._newlines import RECEIVED, SENT
from anyserial_cli._term._profiles import ProfileError, config_path, load
from anyserial_cli._term._script import ScriptError, seconds
from anyserial_cli._term._settings import parse_settings
from anyserial_cli._term._stamps import STAMPS

if TYPE_CHECKING:
    from anyserial import SerialConfig

    from anyserial_cli._main import Parser

__all__ = ("add_port", "add_received", "add_sent", "config_of", "in_seconds")

_SIZE = re.compile(r"([0-9]+)([kKmMgG]?)")
_SCALE = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_MOST_KEPT = 1000


def add_port(parser: "Parser") -> None:
    """Declare what names and sets the port."""
    named = parser.add_argument("port", nargs="?", metavar="PORT", help="the port, or a profile; default: the only one")
    named.completer = complete_names  # type: ignore[attr-defined]  # argcomplete's
    parser.add_argument("settings", nargs="?", metavar="SETTINGS", type=_settings, help="such as 115200,8N1,rtscts")
    parser.add_argument("--profile-settings", type=_settings, help=argparse.SUPPRESS)
    port = parser.add_argument_group("the port")
    port.add_argument("-b", "--baudrate", type=int, metavar="N", help="bits per second (115200)")
    port.add_argument("--size", type=int, choices=(5, 6, 7, 8), help="data bits (8)")
    port.add_argument("--parity", choices=("none", "even", "odd", "mark", "space"), help="parity (none)")
    port.add_argument("--stop", choices=("1", "1.5", "2"), help="stop bits (1)")
    port.add_argument("--flow", choices=("none", "rtscts", "xonxoff", "dtrdsr"), help="flow control (none)")
    port.add_argument("--rs485", action="store_true", help="the kernel's RS-485 mode: RTS on while sending")
    port.add_argument("--rs485-delays", type=_delays, metavar="A,B", help="RS-485: times before and after sending")
    port.add_argument("--dtr", choices=("on", "off"), help="DTR once the port is open (left as it is)")
    port.add_argument("--rts", choices=("on", "off"), help="RTS once the port is open (left as it is)")
    port.add_argument("--exclusive", action="store_true", help="keep other programs out")
    port.add_argument("--wait", action="store_true", help="wait for a port that is not there yet")
    port.add_argument("--no-reconnect", action="store_true", help="end when the device is unplugged")


def add_sent(parser: "Parser") -> argparse._ArgumentGroup:
    """Declare what becomes of what is sent."""
    sent = parser.add_argument_group("what is sent")
    sent.add_argument("--newline-out", choices=SENT, help="sent for Enter (cr); a pipe is sent as it is")
    sent.add_argument("--char-delay", type=in_seconds, default=0.0, metavar="TIME", help="after each byte: 5ms, 0.1")
    sent.add_argument("--line-delay", type=in_seconds, default=0.0, metavar="TIME", help="after each line")
    return sent


def add_received(parser: "Parser") -> None:
    """Declare how received bytes are shown and kept."""
    shown = parser.add_argument_group("what is received")
    shown.add_argument("--hex", action="store_true", help="show a hex dump")
    shown.add_argument("--timestamps", choices=STAMPS, default="off", help="before each line (off)")
    shown.add_argument("--newline-in", choices=RECEIVED, default="auto", help="what ends a line (auto)")
    shown.add_argument("--encoding", type=_encoding, default="utf-8", metavar="NAME", help="of the device (utf-8)")
    shown.add_argument("--escapes", choices=CHOICES, default="filter", help="what escape sequences may do (filter)")
    shown.add_argument("--safe", action="store_const", const="show", dest="escapes", help="as --escapes show")
    shown.add_argument("--show-errors", action="store_true", help="show breaks and damaged characters")
    kept = parser.add_argument_group("what is kept")
    kept.add_argument("--log", metavar="FILE", help="write what is received to FILE")
    kept.add_argument("--log-append", action="store_true", help="keep what FILE holds")
    kept.add_argument("--log-as", choices=("raw", "seen"), default="raw", help="the bytes, or the text (raw)")
    kept.add_argument("--log-rotate", type=_size, metavar="SIZE", help="begin another after SIZE: 500k, 10M")
    kept.add_argument("--log-keep", type=_count, default=5, metavar="N", help="how many old logs are kept (5)")
    kept.add_argument("--record", metavar="FILE", help="record both directions for anyserial.testing.replay")


def complete_names(**keywords: object) -> list[str]:
    """Return the ports and the profiles, for a shell's completion."""
    try:
        profiles = [*load(config_path())]
    except ProfileError:
        profiles = []
    return [*profiles, *complete_ports(**keywords)]


def in_seconds(text: str) -> float:
    """Return a time as an option writes it."""
    try:
        return seconds(text)
    except ScriptError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def _settings(text: str) -> dict[str, Any]:
    try:
        return parse_settings(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def _delays(text: str) -> tuple[float, float]:
    before, comma, after = text.partition(",")
    if not comma:
        raise argparse.ArgumentTypeError(f"{text!r} is not a pair of times such as 1ms,2ms")
    return in_seconds(before), in_seconds(after)


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None or not int(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500k or 10M")
    return int(match[1]) * _SCALE[match[2].lower()]


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_KEPT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST_KEPT}")
    return int(text)


def _encoding(text: str) -> str:
    import codecs  # noqa: PLC0415

    refusal = f"{text!r} is not an encoding that Python knows"
    try:
        name = codecs.lookup(text).name
        refusal = f"{text!r} does not make characters of bytes one by one; name another, such as utf-8 or utf-16-le"
        # UTF-16 without an order puts a mark before each piece that is sent, and refuses what comes without one.
        if "a".encode(name) * 2 == "aa".encode(name):
            codecs.getincrementaldecoder(name)("backslashreplace").decode(bytes(range(256)))
            return name
    except (LookupError, UnicodeError):
        pass
    raise argparse.ArgumentTypeError(refusal)


def config_of(arguments: argparse.Namespace) -> "SerialConfig":
    """Return the port's settings; wrong ones end the program with a usage error."""
    from anyserial import FlowControl, RS485Config, SerialConfig  # noqa: PLC0415
    from anyserial.exceptions import ConfigurationError  # noqa: PLC0415

    parser: Parser = arguments.parser
    fields: dict[str, Any] = {**(arguments.profile_settings or {}), **(arguments.settings or {})}
    given = {
        "baudrate": arguments.baudrate,
        "byte_size": arguments.size,
        "parity": arguments.parity,
        "stop_bits": arguments.stop,
        "dtr_on_open": arguments.dtr and arguments.dtr == "on",
        "rts_on_open": arguments.rts and arguments.rts == "on",
    }
    fields |= {name: value for name, value in given.items() if value is not None}
    if arguments.flow is not None:
        names = {"rtscts": "rts_cts", "xonxoff": "xon_xoff", "dtrdsr": "dtr_dsr"}
        fields["flow_control"] = FlowControl(**({names[arguments.flow]: True} if arguments.flow != "none" else {}))
    if arguments.show_errors:
        fields["line_errors"] = "raise"
    try:
        if arguments.rs485 or arguments.rs485_delays:
            before, after = arguments.rs485_delays or (0.0, 0.0)
            fields["rs485"] = RS485Config(delay_before_send=before, delay_after_send=after)
        return SerialConfig(exclusive=arguments.exclusive, **fields)
    except ConfigurationError as exc:
        parser.error(str(exc))
