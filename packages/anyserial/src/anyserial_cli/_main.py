"""The frame of the ``anyserial`` command: arguments, errors, exit status.

A command is a module with a `COMMAND`; `_load_commands` lists them. What a command does belongs in its
own module. Nothing of `anyserial` is imported before the installation has been looked at.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple, NoReturn, override

from anyserial_cli import _installation
from anyserial_cli._screen import describe

__all__ = ("DONE", "FAILED", "USAGE", "Command", "Parser", "main")

DONE = 0
FAILED = 1
USAGE = 2
INTERRUPTED = 130  # as a shell reports SIGINT

# The modules with the commands, in the order of the help.
MODULES = ("_list", "_watch", "_share", "_demo")

EPILOG = """\
exit status:
  0  everything was done
  1  something failed; the message says what
  2  the arguments are wrong

Try `anyserial demo`: it needs no hardware.
"""


class Command(NamedTuple):
    """One command: how it is called, and what does it.

    Attributes:
        name: The word after ``anyserial``.
        summary: One line for ``anyserial --help``.
        description: What ``anyserial NAME --help`` says above the arguments; laid out as it is printed.
        epilog: What it says below them.
        add_arguments: Declares the command's arguments.
        run: Does it and returns the exit status; its arguments hold the `Parser` too, as
            ``parser``. A `SerialError` or another OSError that comes out is printed as one
            line, and the status is 1.
    """

    name: str
    summary: str
    description: str
    epilog: str
    add_arguments: Callable[["Parser"], object]
    run: Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors say where the help is."""

    def refuse(self, argument: str, message: str) -> NoReturn:
        """End with a usage error about one argument, as the parser's own."""
        self.error(f"argument {argument}: {message}")

    @override
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message}\nSee `{self.prog} --help`.\n")


class _Version(argparse.Action):
    """Prints the version, which core is only asked for when it is wanted."""

    @override
    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        from anyserial import __version__  # noqa: PLC0415  # core may be broken; see the module's docstring

        print(f"anyserial {__version__}")
        parser.exit(DONE)


def _load_commands() -> Sequence[Command]:
    return [import_module(f"anyserial_cli.{name}").COMMAND for name in MODULES]


def _parser() -> Parser:
    parser = Parser(
        prog="anyserial",
        description="Serial ports from the command line.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for command in _load_commands():
        below = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.description,
            epilog=command.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(below)
        below.set_defaults(run=command.run, parser=below)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Args:
        arguments: What stands after ``anyserial``; None for the process's own.

    Raises:
        SystemExit: The arguments are wrong, or ask for help or the version.
    """
    if (repair := _installation.repair()) is not None:
        print(repair, file=sys.stderr)
        return FAILED
    parser = _parser()
    parsed = parser.parse_args(arguments)
    if not hasattr(parsed, "run"):
        parser.print_help(sys.stderr)
        return USAGE
    try:
        status: int = parsed.run(parsed)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Who read the output has gone (``| head``); the interpreter's last flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (OSError, ImportError) as exc:
        print(f"anyserial: {describe(exc)}", file=sys.stderr)
        return FAILED
    return status
