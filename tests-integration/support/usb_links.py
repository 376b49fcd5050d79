"""USB adapters played by a process of their own (being written)."""

from collections.abc import Callable

from serial_links import Link

__all__ = ("LINKS",)

LINKS: dict[str, Callable[[], Link]] = {}
