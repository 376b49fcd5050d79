"""The event loops that core's tests run in."""

import asyncio
from typing import Any

import pytest

__all__ = ("KINDS", "NoReaderLoop", "only_on")


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


def only_on(*names: str) -> pytest.MarkDecorator:
    """Run an async test on these event loops alone, because it is about what the others lack."""
    backends = [
        pytest.param((kind["backend"], kind["backend_options"]), id=name)
        for name, kind in KINDS.items()
        if name in names
    ]
    return pytest.mark.parametrize("anyio_backend", backends)
