"""Whether the installation is whole: what an upgrade from 0.2.0 in place breaks, and its repair.

In 0.2.0 the distribution ``anyserial`` owned the files that are ``anyserial-core``'s now. pip
installs the new core first and then removes the old distribution's files, core's among them.
Nothing of `anyserial` may be imported here.
"""

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ("repair",)

# Files of core that 0.2.0 had too, under the same name.
SHARED = (
    "__init__.py",
    "_version.py",
    "capabilities.py",
    "config.py",
    "discovery.py",
    "exceptions.py",
    "py.typed",
    "stream.py",
    "sync.py",
    "testing.py",
)


def repair() -> str | None:
    """Return what to tell the user if files of core are missing, None if the installation is whole."""
    spec = find_spec("anyserial")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec is not None else []
    # Without its __init__.py the folder is a namespace package, perhaps one of several.
    missing = [name for name in SHARED if not any((folder / name).exists() for folder in folders)]
    if not missing:
        return None
    return (
        f"anyserial: this installation is broken: files of anyserial-core are missing ({', '.join(missing)}).\n"
        "\n"
        "An upgrade from anyserial 0.2.0 with `pip install -U` does that: pip puts the new files\n"
        "in place and then removes the old distribution's, which have the same names. Repair it with\n"
        "\n"
        f"    {_command()}\n"
    )


def _command() -> str:
    python = sys.executable or "python3"
    core = f"anyserial-core{_pin()}"
    if find_spec("pip") is None:  # an environment made by uv has none
        return shlex.join(["uv", "pip", "install", "--python", python, "--reinstall", "--no-deps", core])
    return shlex.join([python, "-m", "pip", "install", "--force-reinstall", "--no-deps", core])


def _pin() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # slow, and seldom needed

    try:
        return f"=={version('anyserial')}"
    except PackageNotFoundError:
        return ""
