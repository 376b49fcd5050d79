"""What core's tests share: a fourth way to run, and a pty with a backend of the tests' own."""

import os
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from backends import Far, PtyBackend
from event_loops import KINDS, NoReaderLoop

RUNTIMES = [pytest.param((kind["backend"], kind["backend_options"]), id=name) for name, kind in KINDS.items()]


@pytest.fixture(params=RUNTIMES)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Run every async test on the three runtimes, and where the portable waiter is needed."""
    return request.param


@pytest.fixture(scope="session", autouse=True)
def warm_selector() -> None:
    """Let AnyIO start the thread, with a pair of sockets, that it keeps for the life of the process."""

    async def wait() -> None:
        readable, writable = os.pipe()
        try:
            with anyio.move_on_after(0):
                await anyio.wait_readable(readable)
        finally:
            os.close(readable)
            os.close(writable)

    anyio.run(wait, backend_options={"loop_factory": NoReaderLoop})


@pytest.fixture
def far() -> Iterator[Far]:
    """The far end of a pty."""
    end = Far()
    yield end
    end.hang_up()


@pytest.fixture
def backend() -> PtyBackend:
    """An unopened backend, for `far`'s path."""
    return PtyBackend()
