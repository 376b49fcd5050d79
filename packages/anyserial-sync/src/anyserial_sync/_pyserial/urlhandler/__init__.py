"""The handlers of URLs: one module ``protocol_X`` for each scheme ``X://``. Each is loaded when it is first used.

The import statements are for tools that freeze programs, too: they do not see a module that is loaded by its name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyserial_sync._pyserial.urlhandler import (
        protocol_alt,
        protocol_hwgrep,
        protocol_loop,
        protocol_rfc2217,
        protocol_socket,
        protocol_spy,
    )

__all__ = (
    "protocol_alt",
    "protocol_hwgrep",
    "protocol_loop",
    "protocol_rfc2217",
    "protocol_socket",
    "protocol_spy",
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
