"""What ``install(children=True)`` adds to a child process: Python imports this module when it starts.

It may run in any Python that finds it on ``PYTHONPATH``, also in one without anyserial: there it does nothing. A
``sitecustomize`` that it hides is run after it.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from os.path import abspath, dirname  # not pathlib, whose import costs every child more than the rest of this

__all__ = ()


def _install() -> None:
    try:
        from anyserial_sync._serial_alias import install  # noqa: PLC0415  # it may not be there
    except Exception:  # noqa: BLE001  # another environment: it goes on as it would without this
        return
    install(children=True)


def _run_hidden() -> None:
    own = dirname(abspath(__file__))  # noqa: PTH100, PTH120  # see above
    path = [folder for folder in sys.path if abspath(folder) != own]  # noqa: PTH100
    spec = PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


if __name__ == "sitecustomize":
    _install()
    _run_hidden()
