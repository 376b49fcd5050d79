"""``anyserial expect``: a script of what is expected and what is sent, with an exit status."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from anyserial_cli._main import Command
from anyserial_cli._term._arguments import add_port, add_received, add_sent, config_of, in_seconds
from anyserial_cli._term._script import DEFAULT_TIMEOUT, ScriptError, parse_script

if TYPE_CHECKING:
    from anyserial_cli._main import Parser

__all__ = ("COMMAND",)

DESCRIPTION = r"""
Talk to a device as a script says, and tell by the exit status how it went.

  anyserial expect boot.txt /dev/ttyUSB0 115200
  anyserial expect boot.txt board --log boot.log

A script is a file of one step a line:

  timeout 30s                     for each expect below
  fail "Kernel panic"             from here on, end with status 5 if this comes
  expect "login: "                wait for a regular expression
  line "root"                     send text and what Enter sends
  expect "[#$] $" within 5s       with a time of its own
  send "reboot\r"                 send text; \r \n \t \e \xNN are escapes
  send-file ymodem image.bin      raw, xmodem, ymodem or zmodem
  receive-file zmodem .           xmodem: a new file; ymodem, zmodem: a folder
  pause 0.5s
  break
  dtr on                          and dtr off, rts on, rts off
  # a comment

Quotes may be "..." or '...'. What came before a step and was not matched yet counts.
""".lstrip()

EPILOG = """\
exit status:
  0    every step was done
  1    the port could not be opened, the device went (--no-reconnect), a file could not be
       transferred, or the log is incomplete; the message says what
  2    the arguments, the script or a profile are wrong
  3    no port was named, and there is none, or several
  4    what was expected did not come in time; the message shows what came last
  5    a pattern of `fail` came
  130  interrupted (Ctrl-C)
"""


def _add_arguments(parser: "Parser") -> None:
    parser.add_argument("script", metavar="FILE", help="the script")
    add_port(parser)
    add_sent(parser)
    add_received(parser)
    parser.add_argument(
        "--timeout", type=in_seconds, default=DEFAULT_TIMEOUT, metavar="TIME", help="for each expect (30s)"
    )
    parser.set_defaults(
        interactive=False, stay=False, exit_after=None, mode="raw", echo=False, no_status=True, menu_key=None
    )


def _run(arguments: argparse.Namespace) -> int:
    from anyserial_cli._term._choosing import choose, run  # noqa: PLC0415  # not for --help

    arguments, device = choose(arguments)
    parser: Parser = arguments.parser
    try:
        text = Path(arguments.script).read_text(encoding="utf-8")
        arguments.steps = parse_script(
            text, encoding=arguments.encoding, timeout=arguments.timeout, name=arguments.script
        )
    except OSError as exc:
        parser.refuse("FILE", f"{arguments.script}: {exc.strerror}")
    except ValueError as exc:
        parser.error(str(exc) if isinstance(exc, ScriptError) else f"{arguments.script}: {exc}")
    if not arguments.steps:
        parser.refuse("FILE", f"{arguments.script} holds no step")
    return run(arguments, device, config_of(arguments))


COMMAND = Command(
    name="expect",
    summary="run a script of what is expected and sent, for tests of a boot",
    description=DESCRIPTION,
    epilog=EPILOG,
    add_arguments=_add_arguments,
    run=_run,
)
