"""The code blocks of the documentation, and what each one needs to be run.

Extracting and classifying only: running them is `tests-integration/docs`.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import CodeType
from typing import NamedTuple

from check_docs import FENCE, pages
from source_tree import ROOT

__all__ = ("Block", "Kind", "blocks", "compiled", "does_something", "free_names", "kind_of", "missing_framework")


class Block(NamedTuple):
    """One fenced block: where it stands, its language, its text as written, and the output shown below it."""

    page: Path
    line: int
    language: str
    text: str
    output: str | None = None

    @property
    def name(self) -> str:
        """Where it stands, for a test's name and a message."""
        page = self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page
        return f"{page}:{self.line}"


class Kind(Enum):
    """How a Python block is run."""

    AWAITS = "awaits at its top level"
    ANYIO = "calls anyio.run"
    ASYNCIO = "calls asyncio.run"
    TRIO = "calls trio.run"
    UVLOOP = "calls uvloop.run"
    VIRTUAL_CLOCK = "calls the run method of a VirtualClock"
    NOT_RUN = "defines coroutines at its top level that nothing runs"
    PYTEST = "holds tests"
    FRAMEWORK = "needs a framework, and a process of its own"
    BLOCKING = "runs as it is"


FRAMEWORK = re.compile(r"^from (fastapi|PySide6|qasync)\b", re.MULTILINE)
RUNNERS = {"anyio": Kind.ANYIO, "asyncio": Kind.ASYNCIO, "trio": Kind.TRIO, "uvloop": Kind.UVLOOP}


def blocks(*languages: str, root: Path = ROOT) -> Iterator[Block]:
    """Every block of these languages in every Markdown page below *root*, in order.

    A ``text`` block that follows a block with nothing but blank lines between is that block's output.
    """
    for page in pages(root):
        last: Block | None = None
        for block in _fenced(page):
            if last is not None and block.language == "text" and _adjacent(page, last, block):
                last = last._replace(output=block.text)
                continue
            if last is not None and last.language in languages:
                yield last
            last = block
        if last is not None and last.language in languages:
            yield last


def _adjacent(page: Path, first: Block, second: Block) -> bool:
    """Whether nothing but blank lines separates two blocks of a page."""
    end = first.line + len(first.text.splitlines()) + 1  # the line that closes the first
    return not "".join(page.read_text().splitlines()[end : second.line - 1]).strip()


def _fenced(page: Path) -> Iterator[Block]:
    """Every block of one page."""
    fence, opened, language, lines = "", 0, "", list[str]()
    for number, line in enumerate(page.read_text().splitlines(), 1):
        match = FENCE.match(line)
        if fence:
            if match and match["fence"].startswith(fence) and not match["info"].strip():
                yield Block(page, opened, language, _dedented(lines))
                fence = ""
            else:
                lines.append(line)
        elif match:
            fence, opened, lines = match["fence"], number, []
            language = match["info"].strip().partition(" ")[0]


def compiled(block: Block) -> CodeType:
    """Compile a Python block, awaits at its top level included; lines are numbered as on the page."""
    tree = ast.parse(block.text, block.name)
    ast.increment_lineno(tree, block.line)
    code: CodeType = compile(tree, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return code


def kind_of(block: Block) -> Kind:
    """How a Python block is run.

    Raises:
        SyntaxError: It is not Python.
    """
    tree = ast.parse(block.text, block.name)
    if any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_") for node in tree.body
    ):
        return Kind.PYTEST
    if FRAMEWORK.search(block.text):
        return Kind.FRAMEWORK
    if compiled(block).co_flags & inspect.CO_COROUTINE:
        return Kind.AWAITS
    for library, kind in RUNNERS.items():
        if re.search(rf"(?<![\w.]){library}\.run\(|^from {library} import .*\brun\b", block.text, re.MULTILINE):
            return kind
    if re.search(r"^clock\.run\(", block.text, re.MULTILINE):
        return Kind.VIRTUAL_CLOCK
    return Kind.NOT_RUN if any(isinstance(node, ast.AsyncFunctionDef) for node in tree.body) else Kind.BLOCKING


def missing_framework(block: Block) -> str | None:
    """Why a block about a framework cannot be run here, or None; the gate's step ``frameworks`` installs them all."""
    for name in FRAMEWORK.findall(block.text):
        try:
            importlib.import_module("PySide6.QtCore" if name == "PySide6" else name)
        except ImportError as exc:
            return f"tools/check frameworks runs it: {exc}"
    return None


def free_names(block: Block) -> set[str]:
    """Names that a fragment reads and nowhere gives a value: the reader's own, and builtins."""
    bound: dict[str, bool] = {}
    for node in ast.walk(ast.parse(block.text, block.name)):
        match node:
            case ast.Name(id=name):
                bound[name] = bound.get(name, False) or not isinstance(node.ctx, ast.Load)
            case ast.arg(arg=name):
                bound[name] = True
            case _:
                pass
    return {name for name, is_bound in bound.items() if not is_bound}


def does_something(block: Block) -> bool:
    """Whether a Python block does more than define functions and classes: nobody would have run those."""
    definitions = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    body = ast.parse(block.text, block.name).body
    return kind_of(block) is Kind.PYTEST or not all(isinstance(statement, definitions) for statement in body)


def _dedented(lines: list[str]) -> str:
    """Join the lines, without the indentation of a block inside a list."""
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "".join(line[indent:] + "\n" for line in lines)
