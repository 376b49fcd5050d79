"""The workspace as data: its distributions, and the modules in them with their syntax trees.

For the layout's tests and the gate. It reads files and imports nothing of anyserial, so that it
works in an environment where a part is missing.
"""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ("CORE", "METAPACKAGE", "ROOT", "Distribution", "Imported", "Module", "distributions", "imports", "modules")

ROOT = Path(__file__).resolve().parent.parent
CORE = "anyserial-core"
METAPACKAGE = "anyserial"


class Distribution(NamedTuple):
    """One package of the workspace, from its pyproject.toml."""

    name: str
    source: Path
    project: dict[str, Any]
    groups: dict[str, list[str]]

    @property
    def import_name(self) -> str:
        """The top-level package that this distribution owns."""
        return self.source.name


class Module(NamedTuple):
    """One module of a distribution: its dotted name and its syntax tree."""

    name: str
    path: Path
    distribution: str
    tree: ast.Module

    @property
    def is_public(self) -> bool:
        """Whether no component of its name is private."""
        return not any(part.startswith("_") for part in self.name.split("."))


class Imported(NamedTuple):
    """One import: the module, the name taken from it if any, and where it stands."""

    module: str
    name: str | None
    line: int
    typing_only: bool


@cache
def distributions() -> dict[str, Distribution]:
    """Every package of the workspace, by distribution name."""
    found: dict[str, Distribution] = {}
    for path in sorted(ROOT.glob("packages/*/pyproject.toml")):
        stated = tomllib.loads(path.read_text())
        project = stated["project"]
        (source,) = (folder for folder in (path.parent / "src").iterdir() if (folder / "__init__.py").exists())
        found[project["name"]] = Distribution(project["name"], source, project, stated.get("dependency-groups", {}))
    return found


@cache
def modules() -> tuple[Module, ...]:
    """Every module of every distribution."""
    found: list[Module] = []
    for distribution in distributions().values():
        for path in sorted(distribution.source.rglob("*.py")):
            parts = path.relative_to(distribution.source.parent).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Module(name, path, distribution.name, ast.parse(path.read_text(), str(path))))
    return tuple(found)


@cache
def imports(module: Module) -> tuple[Imported, ...]:
    """Every import of a module, wherever it stands, and modules named to an import function."""
    return tuple(_imports(module))


def _imports(module: Module) -> Iterator[Imported]:
    for_typing = {
        id(node)
        for block in ast.walk(module.tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Imported(alias.name, None, node.lineno, id(node) in for_typing)
            case ast.ImportFrom(names=names):
                for alias in names:
                    yield Imported(_absolute(module, node), alias.name, node.lineno, id(node) in for_typing)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str() as target), *_],
            ):
                yield Imported(target, None, node.lineno, id(node) in for_typing)
            case _:
                pass


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".") if module.path.name == "__init__.py" else module.name.split(".")[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)
