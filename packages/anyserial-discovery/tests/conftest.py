"""Recorded and hand-built trees of Linux, made into directories.

A line of a tree is ``PATH -> TARGET`` (a link), ``PATH = TEXT`` (an attribute) or
``PATH : MAJOR:MINOR`` (a device node, for which a plain file stands in).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import override

import pytest
from anyserial_discovery._host import Host

TREES = Path(__file__).parent / "trees"


class Tree(Host):
    """A host below a directory, where nodes are plain files with a number on record."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.root = root
        self.numbers: dict[str, tuple[int, int]] = {}
        self.forbidden: set[str] = set()
        self.opened: list[str] = []
        # What a test does before an access, and what it takes away.
        self.before: Callable[[str], object] = lambda _: None
        self.hidden: Callable[[str], bool] = lambda _: False

    def load(self, text: str) -> "Tree":
        for line in text.splitlines():
            if line and not line.startswith("#"):
                self.put(line)
        return self

    def put(self, line: str) -> None:
        path, kind, value = line.split(" ", 2)
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        match kind:
            case "->":
                place.symlink_to(value)
                if path.startswith("/sys/dev/char/"):
                    # The device's own attribute says the same number.
                    self.put(f"/sys{value.removeprefix('../..')}/dev = {place.name}")
            case "=":
                place.write_text(value + "\n")
            case ":":
                place.touch()
                major, minor = value.split(":")
                self.numbers[path] = int(major), int(minor)
            case _:
                raise ValueError(line)

    def remove(self, path: str) -> None:
        place = self.root / path.lstrip("/")
        place.unlink()
        self.numbers.pop(path, None)

    @override
    def content(self, path: str) -> bytes | None:
        self.before(path)
        self.opened.append(path)
        return None if self.hidden(path) else super().content(path)

    @override
    def link(self, path: str) -> str | None:
        self.before(path)
        return None if self.hidden(path) else super().link(path)

    @override
    def device_number(self, path: str) -> tuple[int, int] | None:
        self.before(path)
        if self.hidden(path):
            return None
        resolved = self.real_path(path)
        return self.numbers.get(resolved) if os.path.exists(str(self.root) + resolved) else None

    @override
    def nodes(self) -> dict[tuple[int, int], str]:
        self.before("/dev")
        return {self.numbers[path]: path for path in sorted(self.numbers, reverse=True) if not self.hidden(path)}

    @override
    def may_open(self, path: str) -> bool:
        return path in self.numbers and path not in self.forbidden

    @override
    def real_path(self, path: str) -> str:
        return os.path.realpath(str(self.root) + path).removeprefix(str(self.root))


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[[str], Tree]:
    """Make the tree of that name; without a name, one with nothing in it."""

    def make(name: str = "") -> Tree:
        tree = Tree(tmp_path)
        if not name:
            return tree
        drivers = TREES / f"{name}.proc.txt"
        if drivers.exists():
            (tmp_path / "proc/tty").mkdir(parents=True, exist_ok=True)
            (tmp_path / "proc/tty/drivers").write_text(drivers.read_text())
        return tree.load((TREES / f"{name}.txt").read_text())

    return make
