"""`anyserial.sync.share`: one blocking port, several threads, each with a link of its own."""

import os
import threading
import time
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import anyio
import pytest
from anyio.streams.file import FileStreamAttribute
from anyserial import LineError, SerialClosedError, SerialDisconnectedError, SerialError, SerialStreamAttribute
from anyserial.sync import PortLink, SerialPort, SharedPort, share
from anyserial.tap import InputLostError, Tap, TapEvent

LIMIT = 5.0  # seconds, for what must happen


@pytest.fixture
def shared(port: SerialPort) -> Iterator[SharedPort]:
    with share(port, capacity=8) as made:
        yield made


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread does, which has no event to wait for."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)
