"""What the stress tests share: how much, which choices, a pty, and how busy the machine was.

A plain run is short. ANYSERIAL_STRESS=full runs the figures that the project promises.
Every random choice comes from `rng`, whose seed a failing test prints; set
ANYSERIAL_STRESS_SEED to it to have the same choices again.
"""

import errno
import os
import random
import secrets
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import anyserial_posix
import pytest

FULL = {"": False, "full": True}[os.environ.get("ANYSERIAL_STRESS", "")]


@pytest.fixture
def count() -> Callable[[int, int], int]:
    """Choose between the figure of a short run and that of a full one."""

    def choose(short: int, full: int) -> int:
        return full if FULL else short

    return choose


@pytest.fixture
def rng() -> random.Random:
    """The source of every random choice of one test."""
    seed = int(os.environ.get("ANYSERIAL_STRESS_SEED") or secrets.randbits(32))
    print(f"ANYSERIAL_STRESS_SEED={seed} makes the same choices again")
    return random.Random(seed)


class Far:
    """The far end of a pty: `path` is what a port opens, `master` (non-blocking) the cable to it."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self._slave)
        self._ends = [self.master, self._slave]

    def write(self, data: bytes) -> int:
        """Write what the pty takes now."""
        try:
            return os.write(self.master, data)
        except BlockingIOError:
            return 0

    def read(self) -> bytes:
        """Read what is there now."""
        try:
            return os.read(self.master, 65536)
        except BlockingIOError:
            return b""
        except OSError as exc:
            if exc.errno == errno.EIO:  # no port is open
                return b""
            raise

    def unplug(self) -> None:
        """Hang the port up."""
        while self._ends:
            # The master first: its close is the hang-up. What the slave's close has to say is nobody's business.
            with suppress(OSError):
                os.close(self._ends.pop(0))


@pytest.fixture
def new_far() -> Iterator[Callable[[], Far]]:
    """Make as many ptys as a test likes."""
    made: list[Far] = []

    def make() -> Far:
        made.append(Far())
        return made[-1]

    yield make
    for far in made:
        far.unplug()


@pytest.fixture
def far(new_far: Callable[[], Far]) -> Far:
    """One pty."""
    return new_far()


class SlowBackend:
    """The platform's backend on a pty, with a device that is slow or stuck where a pty never is.

    Attributes:
        unsent: What `output_waiting` reports as long as the device is there.
        gate: `configure`, `set_break` and `close` wait for it, up to 60 seconds.
        entered: Set when one of these has begun to wait.
    """

    @property
    def kind(self) -> Literal["descriptor"]:
        return "descriptor"

    def __init__(self) -> None:
        self._inner = anyserial_posix.create_backend()
        self.unsent = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.calls = SimpleNamespace(close=0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def output_waiting(self) -> int:
        return self._inner.output_waiting() or self.unsent

    def _wait(self) -> None:
        if not self.gate.is_set():
            self.entered.set()
            assert self.gate.wait(60), "nobody opened the gate"

    def configure(self, config: Any) -> None:
        self._wait()
        self._inner.configure(config)

    def set_break(self, on: bool) -> None:
        self._wait()
        self._inner.set_break(on)

    def close(self) -> None:
        self.calls.close += 1
        self._wait()
        self._inner.close()


@pytest.fixture
def slow_backend() -> Iterator[Callable[[], Any]]:
    """Make backends whose device can be made slow; those that are still stuck afterwards are let go."""
    made: list[SlowBackend] = []

    def make() -> Any:
        made.append(SlowBackend())
        return made[-1]

    yield make
    for backend in made:
        backend.gate.set()
    deadline = time.monotonic() + 10
    while any(backend.is_open for backend in made):  # their closes run on threads of their own
        assert time.monotonic() < deadline, "a backend was never closed"
        time.sleep(0.001)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Do not take output that a close gives up for an error here: these tests leave it stuck on purpose."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.filterwarnings("ignore:.* of output not sent:RuntimeWarning"))
