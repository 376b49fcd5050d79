"""``anyserial term``: its arguments, and the exit status."""

import argparse
import math
import os
import sys
from typing import TYPE_CHECKING, Any

from anyserial_cli._main import Command
from anyserial_cli._ports import complete_ports
from anyserial_cli._term._escapes import CHOICES
from anyserial_cli._term._keys import parse_key
from anyserial_cli._term._newlines import RECEIVED, SENT
from anyserial_cli._term._settings import parse_settings
from anyserial_cli._term._stamps import STAMPS

if TYPE_CHECKING:
    from anyserial import SerialConfig

    from anyserial_cli._main import Parser

__all__ = ("COMMAND",)

DESCRIPTION = """\
A terminal for a serial port.

  anyserial term                                the port, or a choice of ports
  anyserial term /dev/ttyUSB0 115200,8N1        settings in the short form
  anyserial term /dev/ttyUSB0 -b 9600 --flow rtscts
  anyserial term /dev/ttyUSB0 --hex --timestamps time --log boot.bin
  echo AT | anyserial term /dev/ttyUSB0 --newline-out cr --exit-after 1

The menu key is ctrl-t: ctrl-t ? shows what it can do, ctrl-t q quits. When the device is
unplugged, the terminal waits until it comes back.
"""

EPILOG = """\
exit status:
  0      the session was ended from the keyboard, or by --exit-after
  1      the port could not be opened, the device went (--no-reconnect), or the log is
         incomplete; the message says what
  2      the arguments are wrong
  3      no port was named, and there is none, or none was chosen
  128+N  ended by signal N
"""

NO_PORT = 3


def _add_arguments(parser: "Parser") -> None:
    named = parser.add_argument("port", nargs="?", metavar="PORT", help="the port; default: the only one, or a choice")
    named.completer = complete_ports  # type: ignore[attr-defined]  # argcomplete's
    parser.add_argument("settings", nargs="?", metavar="SETTINGS", type=_settings, help="such as 115200,8N1,rtscts")
    port = parser.add_argument_group("the port")
    port.add_argument("-b", "--baudrate", type=int, metavar="N", help="bits per second (115200)")
    port.add_argument("--size", type=int, choices=(5, 6, 7, 8), help="data bits (8)")
    port.add_argument("--parity", choices=("none", "even", "odd", "mark", "space"), help="parity (none)")
    port.add_argument("--stop", choices=("1", "1.5", "2"), help="stop bits (1)")
    port.add_argument("--flow", choices=("none", "rtscts", "xonxoff", "dtrdsr"), help="flow control (none)")
    port.add_argument("--rs485", action="store_true", help="the kernel's RS-485 mode")
    port.add_argument("--dtr", choices=("on", "off"), help="DTR once the port is open (left as it is)")
    port.add_argument("--rts", choices=("on", "off"), help="RTS once the port is open (left as it is)")
    port.add_argument("--exclusive", action="store_true", help="keep other programs out")
    port.add_argument("--wait", action="store_true", help="wait for a port that is not there yet")
    port.add_argument("--no-reconnect", action="store_true", help="end when the device is unplugged")
    sent = parser.add_argument_group("what is sent")
    sent.add_argument("--mode", choices=("raw", "line", "hex"), default="raw", help="keys, edited lines, or hex (raw)")
    sent.add_argument("--echo", action="store_true", help="show what is sent")
    sent.add_argument("--newline-out", choices=SENT, help="sent for Enter (cr); a pipe is sent as it is")
    sent.add_argument("--char-delay", type=_seconds, default=0.0, metavar="TIME", help="after each character: 5ms, 0.1")
    sent.add_argument("--line-delay", type=_seconds, default=0.0, metavar="TIME", help="after each line")
    shown = parser.add_argument_group("what is received")
    shown.add_argument("--hex", action="store_true", help="show a hex dump")
    shown.add_argument("--timestamps", choices=STAMPS, default="off", help="before each line (off)")
    shown.add_argument("--newline-in", choices=RECEIVED, default="auto", help="what ends a line (auto)")
    shown.add_argument("--encoding", type=_encoding, default="utf-8", metavar="NAME", help="of the device (utf-8)")
    shown.add_argument("--escapes", choices=CHOICES, default="filter", help="what escape sequences may do (filter)")
    shown.add_argument("--safe", action="store_const", const="show", dest="escapes", help="as --escapes show")
    shown.add_argument("--show-errors", action="store_true", help="show breaks and damaged characters")
    shown.add_argument("--log", metavar="FILE", help="write what is received to FILE")
    shown.add_argument("--log-append", action="store_true", help="keep what FILE holds")
    shown.add_argument("--log-as", choices=("raw", "seen"), default="raw", help="the bytes, or the text (raw)")
    user = parser.add_argument_group("the session")
    user.add_argument("--menu-key", type=_menu_key, default="ctrl-t", metavar="KEY", help="such as ctrl-] (ctrl-t)")
    user.add_argument("--no-status", action="store_true", help="no status line")
    user.add_argument(
        "--exit-after",
        type=_seconds,
        metavar="TIME",
        help="end when the input has ended and nothing was received for so long",
    )


def _settings(text: str) -> dict[str, Any]:
    try:
        return parse_settings(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def _seconds(text: str) -> float:
    number, scale = (text[:-2], 1e-3) if text.endswith("ms") else (text.removesuffix("s"), 1.0)
    try:
        value = float(number) * scale
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 5ms, 0.5 or 2s")
    return value


def _encoding(text: str) -> str:
    import codecs  # noqa: PLC0415

    try:
        codecs.getincrementaldecoder(text)
        return codecs.lookup(text).name
    except LookupError:
        raise argparse.ArgumentTypeError(f"{text!r} is no encoding that Python knows") from None


def _menu_key(text: str) -> int | None:
    try:
        return parse_key(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def _config(arguments: argparse.Namespace) -> "SerialConfig":
    from anyserial import FlowControl, RS485Config, SerialConfig  # noqa: PLC0415
    from anyserial.exceptions import ConfigurationError  # noqa: PLC0415

    parser: Parser = arguments.parser
    fields: dict[str, Any] = dict(arguments.settings or {})
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
    if arguments.rs485:
        fields["rs485"] = RS485Config()
    if arguments.show_errors:
        fields["line_errors"] = "raise"
    try:
        return SerialConfig(exclusive=arguments.exclusive, **fields)
    except ConfigurationError as exc:
        parser.error(str(exc))


def _run(arguments: argparse.Namespace) -> int:
    config = _config(arguments)
    import anyio  # noqa: PLC0415

    from anyserial_cli._term._picker import pick  # noqa: PLC0415  # not for --help
    from anyserial_cli._term._program import run  # noqa: PLC0415

    if arguments.port is None:
        arguments.port = anyio.run(pick, os.isatty(0) and os.isatty(1), arguments.wait)
        if arguments.port is None:
            print("anyserial: no serial port was found or chosen; `anyserial term PORT` names one", file=sys.stderr)
            return NO_PORT
    return anyio.run(run, arguments, config)


COMMAND = Command(
    name="term",
    summary="a terminal for a serial port",
    description=DESCRIPTION,
    epilog=EPILOG,
    add_arguments=_add_arguments,
    run=_run,
)
