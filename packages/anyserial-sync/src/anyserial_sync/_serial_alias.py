"""Putting `anyserial.pyserial` in the place of ``serial``, by an import hook, and undoing that.

Theory of operation. An `AliasFinder` at the head of ``sys.meta_path`` answers for ``serial`` and everything below it,
and for ``serial_asyncio`` and ``serial_asyncio_fast``. pySerial is not looked at, whether it is installed or not.

Child processes get the same through ``PYTHONPATH``: the folder ``_children`` beside this module has a
``sitecustomize`` that calls `install`.

Nothing of `anyserial` is imported here, so that the beginning of a child costs little.
"""

import os
import sys
from pathlib import Path

from anyserial_sync._module_alias import AliasFinder, home_of

__all__ = ("install", "uninstall")

PLACES = {
    "serial": "anyserial_sync._pyserial",
    "serial_asyncio": "anyserial.asyncio",
    "serial_asyncio_fast": "anyserial.asyncio",
}
CHILDREN = Path(__file__).parent / "_children"

_finder = AliasFinder(PLACES)


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
    early = sorted(name for name in sys.modules if home_of(name, PLACES) is not None and not _is_ours(name))
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
    for name in [name for name in sys.modules if home_of(name, PLACES) is not None and _is_ours(name)]:
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
    home = home_of(name, PLACES)
    return home is not None and sys.modules[name] is sys.modules.get(home)


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
