"""Modules under a second name: an import hook that answers for a name and everything below it.

Theory of operation. `AliasFinder` is one of ``sys.meta_path``. Its loader puts the module that takes the place into
``sys.modules`` under the name that was asked for: the same object under two names, so there is one class
`SerialException`, whatever name it was imported by. The import system allows a loader to do so.

Nothing of `anyserial` is imported here, so that the beginning of a child costs little.
"""

import importlib
import importlib.abc
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, cast, override

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType, ModuleType

__all__ = ("AliasFinder", "home_of")


def home_of(name: str, places: "Mapping[str, str]") -> str | None:
    """Return the module that takes the place of *name*, None if there is none.

    Args:
        name: A module's name.
        places: Modules whose place is taken, with everything below them, and by what.
    """
    for place, home in places.items():
        if name == place or name.startswith(f"{place}."):
            return home + name[len(place) :]
    return None


class _Loader(importlib.abc.InspectLoader):
    """Loads a module under another name."""

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


class AliasFinder(importlib.abc.MetaPathFinder):
    """Answers for the modules whose place is taken.

    Args:
        places: As for `home_of`.
    """

    def __init__(self, places: "Mapping[str, str]") -> None:
        self._places = places

    @override
    def find_spec(
        self, fullname: str, path: "Sequence[str] | None", target: "ModuleType | None" = None
    ) -> ModuleSpec | None:
        home = home_of(fullname, self._places)
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
