"""``anyserial share``: one port for several programs, each on a pty of its own.

Sharing is done by `anyserial.tap`; what is printed, and when the command ends, is decided here.
"""

import argparse
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from anyserial_cli._main import DONE, Command

if TYPE_CHECKING:
    from anyserial.config import SerialConfig

    from anyserial_cli._main import Parser

__all__ = ("COMMAND",)

MOST_LINKS = 64

DESCRIPTION = """\
Share one serial port among several programs, until Ctrl-C. Prints the path of one
pseudo-terminal for each program, one a line. Every program sees everything that the
port receives, and what a program writes is sent. A program may close its path and open
it again.

  anyserial share /dev/ttyUSB0                        two paths
  anyserial share /dev/ttyUSB0 --baudrate 9600 --links 3
  anyserial share /dev/ttyUSB0 --links 1 --show       and print what goes over the wire

The settings are this command's: what a program sets on its path has no effect. Output
that no program reads is dropped, the oldest first.
"""

EPILOG = """\
exit status:
  1    the port cannot be opened, or the device is gone; the message says what
  2    the arguments are wrong
  130  interrupted (Ctrl-C)
"""


def _add_arguments(parser: "Parser") -> None:
    parser.add_argument("port", metavar="PORT", help="path of a serial port, for example /dev/ttyUSB0")
    parser.add_argument("--links", type=_links, default=2, metavar="N", help="how many paths (default: %(default)s)")
    parser.add_argument(
        "--baudrate", type=int, default=115200, metavar="N", help="bits per second (default: %(default)s)"
    )
    parser.add_argument("--show", action="store_true", help="print what is received and sent, to standard error")


def _links(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_LINKS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_LINKS}")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    import anyio  # noqa: PLC0415  # not for --help
    from anyserial.config import SerialConfig  # noqa: PLC0415
    from anyserial.exceptions import ConfigurationError  # noqa: PLC0415

    parser: Parser = arguments.parser
    try:
        config = SerialConfig(baudrate=arguments.baudrate)
    except ConfigurationError as exc:
        parser.refuse("--baudrate", str(exc))
    return anyio.run(_share, arguments, config)


async def _share(arguments: argparse.Namespace, config: "SerialConfig") -> int:
    import anyio  # noqa: PLC0415  # not for --help
    from anyserial import open_serial_port  # noqa: PLC0415
    from anyserial.tap import Tap, share  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(share(await open_serial_port(arguments.port, config)))
        if arguments.show:
            stack.enter_context(Tap(shared.port, lambda event: print(event, file=sys.stderr)))
        paths = [await stack.enter_async_context(shared.pty()) for _ in range(arguments.links)]
        print(*paths, sep="\n", flush=True)
        await anyio.sleep_forever()
    return DONE


COMMAND = Command(
    name="share",
    summary="share one port among several programs",
    description=DESCRIPTION,
    epilog=EPILOG,
    add_arguments=_add_arguments,
    run=_run,
)
