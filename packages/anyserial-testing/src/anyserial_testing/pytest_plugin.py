"""Fixtures for pytest: ``pytest_plugins = ["anyserial_testing.pytest_plugin"]`` in the top conftest.py.

Only what a test asks for is made. This is the one module of the package that imports pytest, which is no
dependency of it. The event loop is the test's business: every fixture is a plain function, and what it returns
can be used on any runtime.
"""

import gc
import os
import re
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyserial._spi import Face
from anyserial.config import SerialConfig
from anyserial.stream import SerialPort

from anyserial_testing._conversation import ReplayError
from anyserial_testing._faults import FaultPlan
from anyserial_testing._ports import faults_of, serial_port_pair
from anyserial_testing._record import record
from anyserial_testing._replay import replay
from anyserial_testing._virtual_port import VirtualPort, virtual_serial_port

__all__ = (
    "fault_plan",
    "no_serial_leaks",
    "pytest_addoption",
    "pytest_configure",
    "pytest_runtest_makereport",
    "recorded_port",
    "serial_pair",
    "virtual_port",
)

_FAILED = pytest.StashKey[bool]()
_GRACE = 2.0  # seconds that a thread which is stopping may take
_OWN_THREADS = "anyserial"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the port that `recorded_port` records."""
    parser.getgroup("anyserial").addoption(
        "--serial-record",
        metavar="PORT",
        help="open this serial port for tests that use recorded_port, and record them again instead of replaying",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of `recorded_port`."""
    config.addinivalue_line(
        "markers",
        "serial_record(file=None, **config_fields): the record of recorded_port, relative to the test's file,"
        " and the settings to open the port with",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether a test failed, for the fixtures that end after it."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture
def serial_pair(request: pytest.FixtureRequest) -> Iterator[tuple[SerialPort, SerialPort]]:
    """Two open ports, joined by a cable; as `serial_port_pair`, and closed after the test.

    Parametrize it indirectly with a dict of the arguments of `serial_port_pair`.
    """
    ports = serial_port_pair(**getattr(request, "param", {}))
    yield ports
    for port in ports:
        _close(port)


@pytest.fixture
def fault_plan(request: pytest.FixtureRequest, serial_pair: tuple[SerialPort, SerialPort]) -> FaultPlan:
    """The live fault plan of the first port of `serial_pair`.

    Parametrize it indirectly with a `FaultPlan`, or with a dict of its fields. The report of a failed test shows
    the plan, so that the failure can be repeated.
    """
    plan = faults_of(serial_pair[0])
    wanted: FaultPlan | dict[str, Any] = getattr(request, "param", {})
    if isinstance(wanted, FaultPlan):
        wanted = {item.name: getattr(wanted, item.name) for item in fields(wanted)}
    for name, value in wanted.items():
        setattr(plan, name, value)
    request.node.add_report_section("setup", "fault plan", repr(plan))
    return plan


@pytest.fixture
def virtual_port(request: pytest.FixtureRequest) -> Iterator[VirtualPort]:
    """A serial port with a real path; as `virtual_serial_port`, and unplugged after the test.

    It echoes. Parametrize it indirectly with a function that returns the `SimulatedDevice` to be behind it.
    """
    make = getattr(request, "param", None)
    with virtual_serial_port(None if make is None else make()) as port:
        yield port


@pytest.fixture
def recorded_port(request: pytest.FixtureRequest) -> Iterator[SerialPort]:
    """An open port that replays a record; with ``--serial-record=PORT``, that port, which is recorded.

    The record is ``serial_records/MODULE.TEST.rec`` beside the test's file, or what the marker
    ``serial_record(file, **config_fields)`` says. A test that fails leaves the record from before. A replay fails
    the test if it did not do everything that was recorded.
    """
    marker = request.node.get_closest_marker("serial_record")
    arguments: tuple[Any, ...] = marker.args if marker else ()
    settings: Mapping[str, Any] = marker.kwargs if marker else {}
    name = re.sub(r"[^\w.-]+", "-", request.node.name).strip("-")
    file = request.path.parent / (arguments[0] if arguments else f"serial_records/{request.path.stem}.{name}.rec")
    path = request.config.getoption("--serial-record")
    if path is None:
        yield from _replayed(request, file)
    else:
        yield from _recorded(request, file, path, SerialConfig(**settings))


def _replayed(request: pytest.FixtureRequest, file: Path) -> Iterator[SerialPort]:
    if not file.exists():
        pytest.fail(
            f"there is no record {file}."
            f" Record it with the device: pytest --serial-record=PORT '{request.node.nodeid}'",
            pytrace=False,
        )
    port = replay(file).port()
    yield port
    try:
        _close(port)
    except ReplayError as error:
        if not request.node.stash.get(_FAILED, False):
            pytest.fail(str(error), pytrace=False)


def _recorded(request: pytest.FixtureRequest, file: Path, path: str, config: SerialConfig) -> Iterator[SerialPort]:
    from anyserial.stream import open_serial_port  # noqa: PLC0415  # not for a replay

    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.unfinished")
    port = anyio.run(partial(open_serial_port, path, config))
    try:
        with record(port, unfinished):
            yield port
    finally:
        _close(port)
        if request.node.stash.get(_FAILED, False):
            unfinished.unlink()
        else:
            unfinished.replace(file)


@pytest.fixture
def no_serial_leaks() -> Iterator[None]:
    """Fail a test that leaves a serial port, a descriptor or a thread of anyserial's behind.

    Use it for a whole file with ``pytestmark = pytest.mark.usefixtures("no_serial_leaks")``: then it is the last
    fixture to end.
    """
    descriptors, threads, ports = _descriptors(), set(threading.enumerate()), {id(port) for port in _open_ports()}
    yield
    left = sorted(f"the port {port.path!r} is open" for port in _open_ports() if id(port) not in ports)
    deadline = time.monotonic() + _GRACE
    for thread in set(threading.enumerate()) - threads:
        # An open port keeps threads; it is the leak then, and they are not.
        if thread.name.startswith(_OWN_THREADS) and not left:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                left.append(f"the thread {thread.name!r} is running")
    left += [f"descriptor {number} is open" for number, was in _descriptors().items() if descriptors.get(number) != was]
    if left:
        pytest.fail(f"the test leaves something behind: {'; '.join(left)}", pytrace=False)


def _close(port: SerialPort) -> None:
    # The test may have run its own event loop. A port that nobody waits on can be closed in another one.
    if port.is_open:
        anyio.run(port.aclose)


def _open_ports() -> list[Face]:
    gc.collect()  # a port that only a cycle holds warns, and is closed
    return [entry for entry in gc.get_objects() if isinstance(entry, Face) and entry.is_open]


def _descriptors() -> dict[int, tuple[int, int]]:
    """What each open descriptor refers to, by device and inode."""
    found: dict[int, tuple[int, int]] = {}
    for entry in list(Path("/dev/fd").iterdir()):
        number = int(entry.name)
        try:
            status = os.fstat(number)
        except OSError:
            continue  # the descriptor of the listing, which is closed by now
        found[number] = status.st_dev, status.st_ino
    return found
