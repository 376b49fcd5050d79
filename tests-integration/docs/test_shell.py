"""Every command in the documentation's shell blocks: that it exists and takes the arguments written there.

The README's two one-liners are really run, by the gate. Here each command is parsed as
the shell would, and looked up: ours by our own parsers and tables, the system's in a list
of what pages may use. A command that nothing here knows fails. Lists of ports that pages show
are compared with the command's output.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from doctest import ELLIPSIS, OutputChecker
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from anyserial_cli import main
from anyserial_cli._main import _parser  # pyright: ignore[reportPrivateUsage]
from doc_blocks import Block, blocks
from documented_ports import documented_ports
from gate import STEPS
from source_tree import ROOT, distributions

UV_PYTHON = re.compile(r"(\.uv/bin/|\.venv/bin/|venv/bin/)")
LISTED = re.compile(r"^\$ anyserial (?P<arguments>list.*)\n(?P<output>(?:[^$].*\n)+)", re.MULTILINE)
ENVIRONMENT = re.compile(r"[A-Z_]+=\S*")
# What is not ours and takes the reader's own arguments.
SYSTEM = frozenset(
    {
        "apt",
        "cat",
        "cd",
        "chmod",
        "docker",
        "echo",
        "fuser",
        "getfacl",
        "git",
        "groups",
        "id",
        "ls",
        "newgrp",
        "podman",
        "sg",
        "snap",
        "stty",
        "systemctl",
        "udevadm",
        "usermod",
    }
)


def _commands() -> Iterator[Any]:
    for block in blocks("sh", "console"):
        for number, command in enumerate(_split(block)):
            yield pytest.param(command, id=f"{block.name}-{number}")


def _split(block: Block) -> Iterator[list[str]]:
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        if block.language == "console":
            if not line.startswith("$ "):
                continue  # output
            line = line.removeprefix("$ ")  # noqa: PLW2901
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
        lexer.whitespace_split = True
        command = list[str]()
        for token in lexer:
            if token in {"&&", "||", "|", ";"}:
                yield command
                command = []
            else:
                command.append(token)
        if command:
            yield command


def _distribution(requirement: str) -> None:
    name, _, extras = requirement.partition("[")
    known = {
        found: distribution.project.get("optional-dependencies", {}) for found, distribution in distributions().items()
    }
    assert name in known, f"there is no distribution {name!r} of ours: {', '.join(known)}"
    for extra in filter(None, extras.rstrip("]").split(",")):
        assert extra in known[name], f"{name} has no extra {extra!r}: {', '.join(known[name])}"


def _pip(arguments: list[str]) -> None:
    assert arguments[0] in {"install", "uninstall"}
    requirements = [argument for argument in arguments[1:] if not argument.startswith("-")]
    assert requirements
    for requirement in requirements:
        if requirement != "uv":
            _distribution(requirement)


def _uv(arguments: list[str]) -> None:
    match arguments:
        case ["run", *command]:
            while command and command[0] in {"--group", "--package", "--extra", "--with"}:
                command = command[2:]
            check(command)
        case ["sync" | "lock" | "build", *_] | ["python", "install", *_]:
            pass
        case ["add", *requirements] | ["pip", "install", *requirements]:
            _pip(["install", *requirements])
        case _:
            pytest.fail(f"no page may use uv {' '.join(arguments)}")


def _python(arguments: list[str]) -> None:
    match arguments:
        case ["-m", "venv", _]:
            pass
        case ["-m", "pip", *rest]:
            _pip(rest)
        case ["-m", "anyserial", *rest]:
            _anyserial(rest)
        case ["-OO", "-m", "compileall", "-q", "-b", *packages]:
            assert all(any(ROOT.glob(f"packages/*/src/{package}")) for package in packages)
        case ["-m", "benchmarks", *_]:
            assert (ROOT / "benchmarks/__main__.py").exists()
        case [path, *_] if path.endswith(".py"):
            assert (ROOT / path).exists(), f"there is no {path}"
        case [path, *_] if "/" in path:
            assert (ROOT / path / "__main__.py").exists(), f"{path} is not a folder that Python runs"
        case _:
            pytest.fail(f"no page may use python {' '.join(arguments)}")


def _pytest(arguments: list[str]) -> None:
    for before, argument in pairwise(["", *arguments]):
        if "/" in argument and before != "--serial-pair":
            path = argument.partition("::")[0]
            assert (ROOT / path).exists(), f"there is no {path}"


def _anyserial(arguments: list[str]) -> None:
    try:
        _parser().parse_args(arguments)
    except SystemExit as exc:
        assert exc.code == 0, f"anyserial {' '.join(arguments)} is refused"  # noqa: PT017  # --help ends with 0


def _check(steps: list[str]) -> None:
    known = {step.name for step in STEPS} | {"--list"}
    assert set(steps) <= known, f"tools/check knows {', '.join(sorted(known))}"


RULES: dict[str, Callable[[list[str]], None]] = {
    "anyserial": _anyserial,
    "pip": _pip,
    "pytest": _pytest,
    "python": _python,
    "python3": _python,
    "tools/check": _check,
    "uv": _uv,
}


def check(command: list[str]) -> None:
    """Fail if *command* is not one that a reader can run."""
    while ENVIRONMENT.fullmatch(command[0]) or command[0] == "sudo":
        command = command[1:]
    name = UV_PYTHON.sub("", command[0]) if UV_PYTHON.match(command[0]) else command[0]
    if name in RULES:
        RULES[name](command[1:])
    elif name in {"ruff", "mypy", "pyright", "coverage"}:
        assert name in (ROOT / "pyproject.toml").read_text()
    else:
        assert name in SYSTEM, f"nothing here knows the command {name!r}"


@pytest.mark.parametrize("command", [*_commands()])
def test_command_exists_and_takes_its_arguments(command: list[str]) -> None:
    check(command)


def test_a_list_of_ports_is_what_the_command_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = [match for block in blocks("console") for match in LISTED.finditer(block.text)]
    assert shown
    with documented_ports(tmp_path):
        for match in shown:
            assert main(shlex.split(match["arguments"])) == 0
            assert OutputChecker().check_output(match["output"], capsys.readouterr().out, ELLIPSIS)


@pytest.mark.parametrize(
    "line",
    [
        "anyserial no-such-command",
        "anyserial demo --no-such-option",
        "pip install anyserial-cores",
        "pip install 'anyserial[no-such-extra]'",
        "uv run pytest packages/no-such-package",
        "tools/check no-such-step",
        "rm -rf build",
    ],
)
def test_wrong_command_is_found(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(shlex.split(line))
