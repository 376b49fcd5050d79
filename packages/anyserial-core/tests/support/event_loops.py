"""The event loops that core's tests run in."""

import asyncio
from typing import Any

__all__ = ("KINDS", "NoReaderLoop")


class NoReaderLoop(asyncio.SelectorEventLoop):
    """An event loop that watches no descriptors, as a proactor loop: AnyIO then waits by a thread of its own."""

    add_reader = asyncio.AbstractEventLoop.add_reader
    remove_reader = asyncio.AbstractEventLoop.remove_reader
    add_writer = asyncio.AbstractEventLoop.add_writer
    remove_writer = asyncio.AbstractEventLoop.remove_writer


KINDS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio", "backend_options": {"use_uvloop": False}},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio", "backend_options": {}},
    "portable": {"backend": "asyncio", "backend_options": {"loop_factory": NoReaderLoop}},
}
"""What `anyio.run` takes for each of them, by name."""
