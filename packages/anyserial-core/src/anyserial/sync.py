"""The blocking API, from the distribution anyserial-sync.

Only names, no code, belong here. Each is loaded when it is first used.
"""

from typing import TYPE_CHECKING, Any

from anyserial._parts import load_part

if TYPE_CHECKING:
    from anyserial_sync import (
        BlockingByteStream,
        FramedStream,
        PortLink,
        PortWatch,
        Reconnection,
        SerialConnectable,
        SerialPort,
        SharedPort,
        configure_portal,
        find_serial_port,
        get_portal_provider,
        inspect_serial_port,
        list_serial_ports,
        open_serial_port,
        reconnect,
        share,
        wait_for_port,
        watch_serial_ports,
    )

    _get_provider = get_portal_provider

__all__ = (
    "BlockingByteStream",
    "FramedStream",
    "PortLink",
    "PortWatch",
    "Reconnection",
    "SerialConnectable",
    "SerialPort",
    "SharedPort",
    "configure_portal",
    "find_serial_port",
    "get_portal_provider",
    "inspect_serial_port",
    "list_serial_ports",
    "open_serial_port",
    "reconnect",
    "share",
    "wait_for_port",
    "watch_serial_ports",
)

_part = load_part("anyserial_sync")  # or an error that says what to install


def __getattr__(name: str) -> Any:
    # The name with the underscore is the one that users of 0.2 import.
    if name in __all__ or name == "_get_provider":
        value = getattr(_part, name.removeprefix("_get_provider") or "get_portal_provider")
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__]
