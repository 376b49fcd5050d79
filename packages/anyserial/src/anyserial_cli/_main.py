"""The frame of the ``anyserial`` command: arguments, errors, exit status.

A command is a module with a `COMMAND`; `MODULES` lists them, and only the one asked for is loaded. What
it does belongs in its own module. Nothing of `anyserial` is imported before the installation has been looked at.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any, NamedTuple, NoReturn, override

from anyserial_cli import _installation
from anyserial_cli._screen import describe

__all__ = ("DONE", "FAILED", "INTERRUPTED", "USAGE", "Command", "Parser", "main")

DONE = 0
FAILED = 1
USAGE = 2
INTERRUPTED = 130  # as a shell reports SIGINT

# The commands and their modules, in the order of the help.
MODULES = {
    "list": "_list",
    "info": "_info",
    "term": "_term._command",
    "expect": "_term._expect",
    "watch": "_watch",
    "share": "_share",
    "serve": "_serve",
    "virtual": "_virtual",
    "run": "_run",
    "completion": "_completion",
    "demo": "_demo",
}

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

    _source = ""  # where the words that are parsed come from, if they were not typed

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """Parse everything; what nobody knows is refused by the command that it was given to."""
        words = sys.argv[1:] if arguments is None else list(arguments)
        command = _command_word(words)
        if command is not None and command not in MODULES:
            self.error(f"there is no command {command!r}{_suggestion(command, MODULES)}")
        parsed, unknown = self.parse_known_args(words)
        if unknown:
            below: Parser = getattr(parsed, "parser", self)
            below.refuse_unknown(unknown)
        parsed.words = words[words.index(command) + 1 :] if command is not None else words
        return parsed

    def parse_words(self, words: Sequence[str], source: str = "") -> argparse.Namespace:
        """Parse a command's own words; *source* stands before what is wrong with them."""
        self._source = source
        try:
            # A file has no argument that is required: something stands for it.
            parsed, unknown = self.parse_known_args(["-", *words] if source else words)
        finally:
            self._source = ""
        if unknown:
            self.refuse_unknown(unknown)
        parsed.words = [*words]
        return parsed

    def refuse_unknown(self, words: Sequence[str]) -> NoReturn:
        """End with a usage error about words that mean nothing here."""
        options = [option for action in self._actions for option in action.option_strings]
        hint = _suggestion(words[0].partition("=")[0], options) if words[0].startswith("-") else ""
        self.error(f"unrecognized arguments: {' '.join(words)}{hint}")

    def refuse(self, argument: str, message: str) -> NoReturn:
        """End with a usage error about one argument, as the parser's own."""
        self.error(f"argument {argument}: {message}")

    @override
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {self._source}{message}\nSee `{self.prog} --help`.\n")


class _Version(argparse.Action):
    """Prints the version, which core is only asked for when it is wanted."""

    @override
    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        from anyserial import __version__  # noqa: PLC0415  # core may be broken; see the module's docstring

        print(f"anyserial {__version__}")
        parser.exit(DONE)


def _load_commands(only: str | None) -> Sequence[Command]:
    names = MODULES.values() if only is None else [MODULES[only]]
    return [import_module(f"anyserial_cli.{name}").COMMAND for name in names]


def _command_word(words: Sequence[str]) -> str | None:
    """Return the command that is asked for: the first word that is not an option of the frame's own."""
    return next((word for word in words if not word.startswith("-")), None)


def _suggestion(word: str, known: Iterable[str]) -> str:
    import difflib  # noqa: PLC0415  # only a mistake needs it

    close = difflib.get_close_matches(word, known, n=2)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def _parser(only: str | None = None) -> Parser:
    """Return the parser, with the commands; with *only* that one if it is named, because loading costs time."""
    parser = Parser(
        prog="anyserial",
        description="Serial ports from the command line.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for command in _load_commands(only):
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


def _prepare_standard_streams() -> None:
    """Lead standard descriptors that are closed to ``/dev/null``.

    Otherwise a port would get one of their numbers, and what is printed would be sent to the device.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    # Their objects are None then, and what is printed to a None goes to standard output.
    for fd, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(fd, "w", encoding="utf-8", closefd=False))
    # In a locale that has not every character, a name is printed with escapes.
    reconfigure: Callable[..., None] | None = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None and sys.stdout.errors == "strict":
        reconfigure(errors="backslashreplace")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Args:
        arguments: What stands after ``anyserial``; None for the process's own.

    Raises:
        SystemExit: The arguments are wrong, or ask for help or the version.
    """
    _prepare_standard_streams()
    if (repair := _installation.repair()) is not None:
        print(repair, file=sys.stderr)
        return FAILED
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete  # noqa: PLC0415  # the shell asks what could follow

        argcomplete.autocomplete(_parser())
    word = _command_word(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(word if word in MODULES else None)
    parsed = parser.parse(arguments)
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
