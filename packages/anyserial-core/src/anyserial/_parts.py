"""Loading the other distributions of anyserial, by name and only when asked for.

Core depends on none of them. A part that is not installed gives one line that says what
to install; a part that is there but broken shows its own error. What a part is for is
not known here.
"""

import importlib
from typing import Any

__all__ = ("DISTRIBUTIONS", "load_part")

DISTRIBUTIONS = {
    "anyserial_cli": "anyserial",
    "anyserial_discovery": "anyserial-discovery",
    "anyserial_posix": "anyserial-posix",
    "anyserial_sync": "anyserial-sync",
    "anyserial_testing": "anyserial-testing",
}


def load_part(module: str) -> Any:
    """Import a part's module and return it.

    Args:
        module: ``"anyserial_posix"``, or a module below a part.

    Raises:
        ImportError: The part is not installed; the message names the distribution.
    """
    try:
        return importlib.import_module(module)
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
