"""The typed attributes of a port, beside AnyIO's FileStreamAttribute.path and .fileno. For both faces."""

from typing import TYPE_CHECKING, Any

import anyio

from anyserial._port.lifecycle import OPEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._port.open_port import OpenPort
    from anyserial.capabilities import SerialCapabilities
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("SerialStreamAttribute", "attributes_of")


class SerialStreamAttribute(anyio.TypedAttributeSet):
    """Typed attributes of a port, beside AnyIO's FileStreamAttribute.path and .fileno."""

    capabilities: "SerialCapabilities" = anyio.typed_attribute()
    config: "SerialConfig" = anyio.typed_attribute()
    port_info: "PortInfo" = anyio.typed_attribute()


def attributes_of(port: "OpenPort", fileno: "Callable[[], int]") -> "dict[Any, Callable[[], Any]]":
    """Return the attributes that are known of *port*; *fileno* gives its descriptor."""
    from pathlib import Path  # noqa: PLC0415  # both seldom needed, and slow to import

    from anyio.streams.file import FileStreamAttribute  # noqa: PLC0415

    attributes: dict[Any, Callable[[], Any]] = {
        SerialStreamAttribute.capabilities: lambda: port.capabilities,
        SerialStreamAttribute.config: lambda: port.config,
        FileStreamAttribute.path: lambda: Path(port.path),
    }
    if port.port_info is not None:
        attributes[SerialStreamAttribute.port_info] = lambda: port.port_info
    if port.lifecycle.state == OPEN and port.transport.has_descriptor:
        attributes[FileStreamAttribute.fileno] = fileno
    return attributes
