"""Putting `anyserial.pyserial` in the place of ``serial``, by an import hook, and undoing that.

Theory of operation. A finder at the head of ``sys.meta_path`` answers for ``serial`` and everything below it,
and for ``serial_asyncio`` and ``serial_asyncio_fast``. Its loader puts the module that takes the place into
``sys.modules`` under the name that was asked for: the same object under two names, so there is one class
`SerialException`, whatever name it was imported by. The import system allows a loader to do so. pySerial is not
looked at, whether it is installed or not.

Child processes get the same through ``PYTHONPATH``: the folder ``_children`` beside this module has a
``sitecustomize`` that calls `install`.

Nothing of `anyserial` is imported here, so that the beginning of a child costs little.
"""

import importlib
import importlib.abc
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, cast, override

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

__all__ = ("install", "uninstall")

PLACES = {
    "serial": "anyserial_sync._pyserial",
    "serial_asyncio": "anyserial.asyncio",
    "serial_asyncio_fast": "anyserial.asyncio",
}
CHILDREN = Path(__file__).parent / "_children"


def _home_of(name: str) -> str | None:
    """Return the module that takes the place of *name*, None if it is none of ours."""
    top, dot, below = name.partition(".")
    home = PLACES.get(top)
    return None if home is None else f"{home}{dot}{below}"


class _Loader(importlib.abc.InspectLoader):
    """Loads a module of anyserial under another name."""

    def __init__(self, home: str) -> None:
        self.home = home

    @override
    def exec_module(self, module: "ModuleType") -> None:
        sys.modules[module.__name__] = importlib.import_module(self.home)

    # For ``-m``: runpy asks for the code.

    @override
    def get_code(self, fullname: str) -> "CodeType | None":
        return self._below().get_code(self.home)

    @override
    def get_source(self, fullname: str) -> str | None:
        return self._below().get_source(self.home)

    @override
    def is_package(self, fullname: str) -> bool:
        return self._below().is_package(self.home)

    def _below(self) -> importlib.abc.InspectLoader:
        return cast("importlib.abc.InspectLoader", importlib.import_module(self.home).__loader__)


class _Finder(importlib.abc.MetaPathFinder):
    """Answers for the modules of pySerial and its relatives."""

    @override
    def find_spec(
        self, fullname: str, path: "Sequence[str] | None", target: "ModuleType | None" = None
    ) -> ModuleSpec | None:
        home = _home_of(fullname)
        if home is None:
            return None
        below = importlib.util.find_spec(home)
        if below is None:
            # An error and not None: the next finder would find pySerial's own module.
            raise ModuleNotFoundError(f"anyserial, in the place of pySerial, has no module {fullname!r}", name=fullname)
        spec = ModuleSpec(
            fullname, _Loader(home), origin=below.origin, is_package=below.submodule_search_locations is not None
        )
        spec.has_location = below.has_location
        return spec


_finder = _Finder()


def install(*, children: bool = False) -> None:
    """Let ``import serial`` give `anyserial.pyserial` in this process, and ``serial_asyncio`` `anyserial.asyncio`.

    ``serial.tools``, ``serial.rfc2217`` and the other modules below ``serial`` come along, and
    ``serial_asyncio_fast`` does. pySerial need not be installed; if it is, it is hidden and stays as it is.
    Calling this again does no harm.

    Args:
        children: Whether Python processes that this one starts do the same. They must be of an environment that
            has anyserial; others, and those started with ``-I``, ``-E`` or ``-S``, are left alone.

    Raises:
        RuntimeError: pySerial was imported before. What has imported it would keep it, and its exceptions are
            not anyserial's.
    """
    early = sorted(name for name in sys.modules if _home_of(name) is not None and not _is_ours(name))
    if early:
        raise RuntimeError(
            f"pySerial is imported already ({', '.join(early[:3])}): call anyserial.pyserial.install() before"
            " anything imports serial"
        )
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    if children:
        paths = [path for path in _python_path() if path != str(CHILDREN)]
        os.environ["PYTHONPATH"] = os.pathsep.join([str(CHILDREN), *paths])


def uninstall() -> None:
    """Undo `install`: the next ``import serial`` gives pySerial, or fails if it is not installed.

    Modules that have imported ``serial`` keep what they got. Children that run already are not told.
    """
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    for name in [name for name in sys.modules if _home_of(name) is not None and _is_ours(name)]:
        del sys.modules[name]
    paths = _python_path()
    if str(CHILDREN) in paths:
        paths.remove(str(CHILDREN))
        if paths:
            os.environ["PYTHONPATH"] = os.pathsep.join(paths)
        else:
            del os.environ["PYTHONPATH"]


def _is_ours(name: str) -> bool:
    """Return whether the module that is imported under *name* is the one that takes the place."""
    home = _home_of(name)
    return home is not None and sys.modules[name] is sys.modules.get(home)


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
