"""What the URL handlers share: taking a URL apart, and naming a port by it."""

from typing import NamedTuple, cast
from urllib.parse import parse_qsl, urlsplit

from anyserial_sync._pyserial.serialutil import SerialBase

__all__ = ("PortURL", "set_port", "split_url")

_PORT = cast("property", vars(SerialBase)["port"])


class PortURL(NamedTuple):
    """A URL in its parts.

    Attributes:
        place: What is between ``://`` and the options.
        options: The options; the value of one without ``=`` is empty.
    """

    place: str
    options: dict[str, str]


def split_url(url: str, scheme: str, known: tuple[str, ...]) -> PortURL:
    """Take a URL apart.

    Args:
        url: What follows *scheme* and ``://``; the scheme itself may be missing.
        scheme: The handler's own, in lower case.
        known: The options that it has.

    Raises:
        ValueError: The URL is of another scheme, or has an unknown option.
    """
    text = url if "://" in url else f"{scheme}://{url}"
    parts = urlsplit(text)
    if parts.scheme != scheme:
        raise ValueError(f"not a URL of {scheme}:// (got {url!r})")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := [name for name in options if name not in known]:
        raise ValueError(f"unknown option {unknown[0]!r}; {scheme}:// has {', '.join(known)} (got {url!r})")
    return PortURL(parts.netloc + parts.path, options)


def set_port(instance: SerialBase, name: str | None) -> None:
    """Set the port of an instance whose class takes a URL for it."""
    _PORT.__set__(instance, name)
