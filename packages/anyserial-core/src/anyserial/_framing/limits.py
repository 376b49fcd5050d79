"""What both faces of a `FramedStream` share beside the decoder: limits, and a name for messages."""

from typing import TYPE_CHECKING, Any, Final

from anyio.streams.file import FileStreamAttribute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import anyio

__all__ = ("MOST_READS", "QUIET", "attributes_of_stream", "path_of")

QUIET: Final = 0.02
"""Seconds of quiet before the next request, after one that had no answer."""

MOST_READS: Final = 64
"""Reads of stale input before a request: a device that never pauses must not hold the request up."""


def path_of(stream: "anyio.TypedAttributeProvider") -> str | None:
    """Return the path of a serial port, for messages; None for other streams."""
    path = attributes_of_stream(stream).get(FileStreamAttribute.path)
    return None if path is None else str(path())


def attributes_of_stream(stream: Any) -> "Mapping[Any, Callable[[], Any]]":
    """Return the typed attributes of *stream*, under a type that checkers know."""
    attributes: Mapping[Any, Callable[[], Any]] = stream.extra_attributes
    return attributes
