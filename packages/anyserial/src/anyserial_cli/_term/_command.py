"""``anyserial term``: its arguments, and the exit status."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, override

from anyserial_cli._main import Command
from anyserial_cli._term._arguments import add_port, add_received, add_sent, config_of, in_seconds
from anyserial_cli._term._keys import parse_key
from anyserial_cli._term._script import (
    DEFAULT_TIMEOUT,
    Expect,
    File,
    ScriptError,
    Send,
    Step,
    pattern,
    protocol_named,
    unescape,
)

if TYPE_CHECKING:
    from anyserial_cli._main import Parser

__all__ = ("COMMAND",)

DESCRIPTION = """\
A terminal for a serial port.

  anyserial term                                the port, or a choice of ports
  anyserial term /dev/ttyUSB0 115200,8N1        settings in the short form
  anyserial term board                          a profile of ~/.config/anyserial/config.toml
  anyserial term /dev/ttyUSB0 -b 9600 --flow rtscts
  anyserial term /dev/ttyUSB0 --hex --timestamps time --log boot.bin
  echo AT | anyserial term /dev/ttyUSB0 --newline-out cr --exit-after 1s
  anyserial term /dev/ttyUSB0 --expect 'login: ' --send-line root --expect '# $'

The menu key is ctrl-t: ctrl-t ? shows what it can do, ctrl-t q quits. When the device is
unplugged, the terminal waits until it comes back.
"""

EPILOG = """\
exit status:
  0      the session was ended from the keyboard, by --exit-after, or every step was done
  1      the port could not be opened, the device went (--no-reconnect), a file could not be
         transferred, or the log is incomplete; the message says what
  2      the arguments or a profile are wrong
  3      no port was named, and there is none, or none was chosen
  4      what --expect waits for did not come in time
  128+N  ended by signal N
"""


class _AddStep(argparse.Action):
    """Keeps the steps of a script in the order in which they were given."""

    @override
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        steps: list[tuple[str, Any]] = [*(namespace.given_steps or ()), (option_string or "", values)]
        namespace.given_steps = steps


def _add_arguments(parser: "Parser") -> None:
    add_port(parser)
    sent = add_sent(parser)
    sent.add_argument("--mode", choices=("raw", "line", "hex"), default="raw", help="keys, edited lines, or hex (raw)")
    sent.add_argument("--echo", action="store_true", help="show what is sent")
    add_received(parser)
    user = parser.add_argument_group("the session")
    user.add_argument("--menu-key", type=_menu_key, default="ctrl-t", metavar="KEY", help="such as ctrl-] (ctrl-t)")
    user.add_argument("--no-status", action="store_true", help="no status line")
    user.add_argument(
        "--exit-after",
        type=in_seconds,
        metavar="TIME",
        help="end when the input has ended and nothing was received for so long",
    )
    script = parser.add_argument_group(
        "a script", "Steps, done in the order in which they are given; then the session ends."
    )
    for option, metavar, what in (
        ("--expect", "PATTERN", "wait for a regular expression"),
        ("--send", "TEXT", "send text; \\r \\n \\t \\e \\xNN are escapes"),
        ("--send-line", "TEXT", "send text and what Enter sends"),
        ("--send-file", ("PROTOCOL", "FILE"), "raw, xmodem, ymodem or zmodem"),
        ("--receive-file", ("PROTOCOL", "WHERE"), "xmodem: a new file; ymodem, zmodem: a folder"),
    ):
        script.add_argument(
            option,
            metavar=metavar,
            nargs=None if isinstance(metavar, str) else len(metavar),
            action=_AddStep,
            dest="given_steps",
            help=what.replace("%", "%%"),
        )
    script.add_argument(
        "--timeout", type=in_seconds, default=DEFAULT_TIMEOUT, metavar="TIME", help="for each --expect (30s)"
    )
    script.add_argument("--stay", action="store_true", help="go on at the keyboard when the steps are done")
    parser.set_defaults(interactive=True)


def _menu_key(text: str) -> int | None:
    try:
        return parse_key(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def _steps(arguments: argparse.Namespace) -> list[Step]:
    steps: list[Step] = []
    option = ""
    try:
        for option, value in arguments.given_steps or ():
            match option:
                case "--expect":
                    steps.append(Expect(value, pattern(value, arguments.encoding), arguments.timeout))
                case "--send" | "--send-line":
                    steps.append(Send(unescape(value), line=option == "--send-line"))
                case _:
                    verb = option.removeprefix("--").removesuffix("-file")
                    steps.append(File(verb, protocol_named(value[0]), value[1]))
    except ScriptError as exc:
        parser: Parser = arguments.parser
        parser.refuse(option, str(exc))
    return steps


def _run(arguments: argparse.Namespace) -> int:
    from anyserial_cli._term._choosing import choose, run  # noqa: PLC0415  # not for --help

    arguments, device = choose(arguments)
    arguments.steps = _steps(arguments)
    return run(arguments, device, config_of(arguments))


COMMAND = Command(
    name="term",
    summary="a terminal for a serial port",
    description=DESCRIPTION,
    epilog=EPILOG,
    add_arguments=_add_arguments,
    run=_run,
)
