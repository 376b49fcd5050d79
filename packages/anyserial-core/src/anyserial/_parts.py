"""Loading the other distributions of anyserial, by name and only when asked for.

Core depends on none of them. A part that is not installed gives one line that says what
to install; a part that is there but broken shows its own error. What a part is for is
not known here.
"""

import importlib
import sys
from typing import Any

__all__ = ("DISTRIBUTIONS", "load_part", "loading", "parts_for_freezers")

DISTRIBUTIONS = {
    "anyserial_cli": "anyserial",
    "anyserial_discovery": "anyserial-discovery",
    "anyserial_posix": "anyserial-posix",
    "anyserial_sync": "anyserial-sync",
    "anyserial_testing": "anyserial-testing",
}


# What was imported completely: another thread may still be in the middle of a module that sys.modules has already.
_loaded: dict[str, Any] = {}


def load_part(module: str) -> Any:
    """Import a part's module and return it.

    Args:
        module: ``"anyserial_posix"``, or a module below a part.

    Raises:
        ImportError: The part is not installed; the message names the distribution.
    """
    loaded = _loaded.get(module)
    if loaded is not None and sys.modules.get(module) is loaded:
        return loaded  # every open asks, and importing again takes ten times as long
    try:
        loaded = _loaded[module] = importlib.import_module(module)
    except ModuleNotFoundError as exc:
        top = module.partition(".")[0]
        # Compared by name, so that what a part itself fails to import is not taken for the part.
        if exc.name != top:
            raise
        distribution = DISTRIBUTIONS[top]
        raise ImportError(
            f"this needs the distribution {distribution}, which is not installed: pip install {distribution}",
            name=top,
        ) from exc
    return loaded


class loading:  # noqa: N801  # used as a function
    """Raise the OSError of an import in the block as a SerialError.

    An import opens files, so it fails if the process has no descriptor left. Every open is in such a block, so
    it is a plain object and no generator.

    Args:
        path: The port that needs the module.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, _traceback: object) -> None:
        if not isinstance(error, OSError):
            return
        # Loaded long before. Not above, because `python -m anyserial` says what is wrong with a broken installation.
        from anyserial.exceptions import SerialError  # noqa: PLC0415

        if not isinstance(error, SerialError):
            raise SerialError(
                error.errno, f"anyserial cannot load what it needs: {error.strerror}", self._path
            ) from error


def parts_for_freezers() -> tuple[object, ...]:  # pragma: no cover  # never called
    """Name, in import statements, what a program reaches only by a name in a string; never called.

    PyInstaller, cx_Freeze, Nuitka and py2app decide what goes into a frozen program by the
    import statements in its modules, wherever they are, and do not see a name in a string.
    They pass over what is not installed. The facade `anyserial.testing` imports its own part and
    needs no mention here.
    """
    import anyserial_discovery  # noqa: PLC0415
    import anyserial_posix  # noqa: PLC0415
    import anyserial_sync  # noqa: PLC0415

    # AnyIO loads this by name, and cx_Freeze, unlike PyInstaller, brings only its backend for asyncio.
    from anyio._backends import _trio  # noqa: PLC0415

    # The driver table names these.
    from anyserial._network import rfc2217, tcp  # noqa: PLC0415

    return _trio, anyserial_discovery, anyserial_posix, anyserial_sync, rfc2217, tcp
