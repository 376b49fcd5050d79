"""``anyserial run``: a pySerial program, on anyserial.

How a program is found and run belongs in `anyserial.pyserial`.
"""

import argparse
import sys
from typing import NoReturn

from anyserial_cli._main import Command

__all__ = ("COMMAND",)

DESCRIPTION = """\
Run a Python program that uses pySerial, with anyserial in its place.

`import serial` gives anyserial.pyserial in that process, whether pySerial is
installed or not, and `import serial_asyncio` anyserial.asyncio. Nothing is
changed on disk.
"""

EPILOG = """\
examples:
  anyserial run esptool chip-id
  anyserial run flash.py --port /dev/ttyUSB0
  anyserial run -m serial.tools.miniterm /dev/ttyUSB0 115200

The exit status is the program's. It is 2 if there is no such program.
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--children", action="store_true", help="Python processes that the program starts do the same")
    parser.add_argument(
        "-m",
        dest="module",
        nargs=argparse.REMAINDER,
        metavar="MODULE [ARG ...]",
        help="run a module, as `python -m` does; what follows is the module's",
    )
    parser.add_argument(
        "program",
        nargs=argparse.REMAINDER,
        metavar="PROGRAM [ARG ...]",
        help="a script, or a command on PATH; what follows is the program's",
    )


def _run(arguments: argparse.Namespace) -> NoReturn:
    from anyserial.pyserial import ProgramError, run  # noqa: PLC0415  # not for --help

    parser: argparse.ArgumentParser = arguments.parser
    is_module = arguments.module is not None
    words: list[str] = arguments.module if is_module else arguments.program
    if not words:
        parser.error("-m needs a module" if is_module else "a program is needed, such as esptool")
    try:
        # Not returned: the frame would flush the program's output, which the interpreter does at its end.
        sys.exit(run(words[0], words[1:], module=is_module, children=arguments.children))
    except ProgramError as exc:
        parser.error(str(exc))


COMMAND = Command(
    name="run",
    summary="run a pySerial program on anyserial",
    description=DESCRIPTION,
    epilog=EPILOG,
    add_arguments=_add_arguments,
    run=_run,
)
