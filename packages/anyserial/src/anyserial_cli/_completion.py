"""``anyserial completion``: what makes a shell complete commands, options and ports."""

from typing import TYPE_CHECKING

from anyserial_cli._main import DONE, Command

if TYPE_CHECKING:
    import argparse

    from anyserial_cli._main import Parser

__all__ = ("COMMAND",)

SHELLS = ("bash", "zsh", "fish")

DESCRIPTION = """\
Print what makes a shell complete the command: its options, and the ports of this host.

  bash   anyserial completion bash >> ~/.bashrc
  zsh    anyserial completion zsh >> ~/.zshrc
  fish   anyserial completion fish > ~/.config/fish/completions/anyserial.fish

Then begin a new shell.
"""


def _add_arguments(parser: "Parser") -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def _run(arguments: "argparse.Namespace") -> int:
    from argcomplete.shell_integration import shellcode  # noqa: PLC0415  # not for --help

    print(shellcode(["anyserial"], shell=arguments.shell))
    return DONE


COMMAND = Command(
    name="completion",
    summary="print shell completion for bash, zsh or fish",
    description=DESCRIPTION,
    epilog="",
    add_arguments=_add_arguments,
    run=_run,
)
