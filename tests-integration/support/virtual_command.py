"""What ``anyserial virtual --link instrument`` keeps running for the reader of the tutorial, for a block of it."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import anyio
from anyserial_cli import _instrument

__all__ = ("virtual_instrument",)

PAUSE = 0.1  # seconds in the middle of an answer: longer than a busy machine stands still


@contextmanager
def virtual_instrument(link: Path) -> Generator[None]:
    """Play the command's instrument behind *link*."""

    async def serve() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(instrument.serve)
            await anyio.wait_readable(stopping.fileno())
            tasks.cancel_scope.cancel()

    stopping, stop = socket.socketpair()
    with (
        stopping,
        stop,
        mock.patch.object(_instrument, "PAUSE_IN_LINE", PAUSE),
        _instrument.Instrument("SN0001") as instrument,
    ):
        thread = threading.Thread(target=anyio.run, args=(serve,), daemon=True)
        link.symlink_to(instrument.path)
        thread.start()
        try:
            yield
        finally:
            stop.send(b"\0")
            thread.join()
            link.unlink()
