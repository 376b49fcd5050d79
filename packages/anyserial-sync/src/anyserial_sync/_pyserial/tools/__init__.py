"""The tools of pySerial: listing ports, and the terminal. Each module is loaded when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyserial_sync._pyserial.tools import (
        hexlify_codec,
        list_ports,
        list_ports_common,
        list_ports_posix,
        miniterm,
    )

__all__ = ("hexlify_codec", "list_ports", "list_ports_common", "list_ports_posix", "miniterm")


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
