"""What every test of the workspace shares: the three runtimes, and a check that nothing is left behind.

Fixtures that need a port or a part belong in the conftest of the tests that use them.
"""

import gc
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop
from anyserial import _workers

RUNTIMES = (
    pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    pytest.param(("trio", dict[str, bool]()), id="trio"),
)
# Idle threads that trio caches for its next call. anyserial keeps none once its ports are closed.
KEPT_THREADS = ("Trio thread",)
THREAD_GRACE = 2.0  # seconds that a thread which is already stopping may take
# Few tests that take long. With --dist loadfile these files come first, or one core would run them alone at the end.
LONG_FILES = (
    "term/test_terminal.py",
    "docs/test_snippets.py",
    "docs/test_tutorial.py",
    "sync/test_signals.py",
    "network/test_serving.py",
    "term/test_scripts.py",
    "tools/test_machine.py",
    "docs/test_screens.py",
    "docs/test_troubleshooting.py",
    "tests-integration/test_recorded_port.py",
    "sync/test_stress.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the two ports that the tests in tests-integration/hardware may use."""
    parser.addoption(
        "--serial-pair", metavar="A,B", help="two real ports joined by a null modem, for the hardware tests"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Keep xdist to the order of `pytest_collection_modifyitems`; by itself it counts the tests of a file."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On several cores, begin with the files that take long, then go by the number of tests."""
    if not hasattr(config, "workerinput"):
        return
    counts = Counter(item.path for item in items)
    items.sort(key=lambda item: (not item.path.as_posix().endswith(LONG_FILES), -counts[item.path], item.path))


@pytest.fixture(params=RUNTIMES)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Run every async test three times: asyncio, uvloop, trio."""
    return request.param


@pytest.fixture(scope="session", autouse=True)
def take_interrupts() -> None:
    """Let Ctrl-C reach the programs that tests start, also in a run in the background, where a shell ignores it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def warm_uvloop() -> None:
    """Let libuv open the pair of pipes that it keeps for the life of the process."""
    uvloop.new_event_loop().close()


@pytest.fixture(scope="session", autouse=True)
def do_not_linger() -> None:
    """Let the threads of a port end with it: a test waits for them, and ten thousand tests would wait for minutes."""
    _workers.LINGER_SECONDS = 0.0


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test after which a descriptor is open or a thread running that was not before it."""
    descriptors, threads = _descriptors(), set(threading.enumerate())
    yield
    if _new(descriptors):
        gc.collect()  # what only a reference cycle holds is not a leak; its ResourceWarning is an error as it is
    deadline = time.monotonic() + THREAD_GRACE
    for thread in set(threading.enumerate()) - threads:
        if not thread.name.startswith(KEPT_THREADS):
            while not thread.is_alive() and thread in threading.enumerate():
                time.sleep(0)  # it is only just being started, and cannot be joined before
            thread.join(max(0.0, deadline - time.monotonic()))
            assert not thread.is_alive(), f"thread left running: {thread}"
    left = _new(descriptors)  # at last: what a thread opened, it closes at its end
    assert not left, f"descriptors left open: {left}"


def _descriptors() -> dict[int, tuple[int, int]]:
    """What each open descriptor refers to, by device and inode."""
    found: dict[int, tuple[int, int]] = {}
    for name in os.listdir("/dev/fd"):
        try:
            status = os.fstat(int(name))
        except OSError:
            continue  # the listing's own descriptor, closed by now
        found[int(name)] = status.st_dev, status.st_ino
    return found


def _new(before: dict[int, tuple[int, int]]) -> list[str]:
    return [_named(number) for number, identity in _descriptors().items() if before.get(number) != identity]


def _named(number: int) -> str:
    try:
        return f"{number} ({os.readlink(f'/proc/self/fd/{number}')})"
    except OSError:
        return str(number)
