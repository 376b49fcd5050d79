"""A pty as a serial port: one end opened by the driver, the other in the test's hands."""

import os
import tty
from types import SimpleNamespace
from typing import TYPE_CHECKING

import anyserial_posix
import pytest
from anyserial.config import SerialConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyserial.backend import SerialBackend


@pytest.fixture
def far() -> "Iterator[SimpleNamespace]":
    """The far end of a pty: master, slave, path and hang_up()."""
    master, slave = os.openpty()
    tty.setraw(slave)
    ends = [master, slave]

    def hang_up() -> None:
        """Close both of the test's ends, as if the far end were unplugged."""
        while ends:
            os.close(ends.pop())

    yield SimpleNamespace(master=master, slave=slave, path=os.ttyname(slave), hang_up=hang_up)
    hang_up()


@pytest.fixture
def port(far: SimpleNamespace) -> "Iterator[SerialBackend]":
    """A backend with the near end of `far` open."""
    backend = anyserial_posix.create_backend()
    backend.open(far.path, SerialConfig())
    yield backend
    backend.close()
