"""Fixtures of the tests on hardware, and the choice of what runs where.

The links exist in the virtual machine, or are two ports named with ``--serial-pair A,B``; without
either nothing here is collected. How the machine is booted is in machine/, what is at the far
ends in support/serial_links.py, uart_links.py and usb_links.py.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
import usb_links
from hardware_runtimes import ASYNCIO
from pair_link import PairError, PairLink
from serial_links import Link
from uart_links import UartLink

HERE = Path(__file__).parent
IN_MACHINE = os.environ.get("ANYSERIAL_MACHINE") == "1"
LINKS = {"8250": UartLink, **usb_links.LINKS}
PAIR = "pair"
WITHOUT = "these tests need hardware: name two joined ports with --serial-pair A,B, or run them in the virtual machine"


def serial_pair(config: pytest.Config) -> tuple[str, str] | None:
    """Return the two ports named on the command line."""
    given: str | None = config.getoption("--serial-pair")
    if given is None:
        return None
    names = given.split(",")
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise pytest.UsageError(f"--serial-pair takes two ports, as in /dev/ttyUSB0,/dev/ttyUSB1; not {given!r}")
    return names[0], names[1]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if IN_MACHINE or serial_pair(config):
        return None
    if any(HERE in (path := Path(str(argument).partition("::")[0]).resolve()).parents or path == HERE
           for argument in config.invocation_params.args):  # fmt: skip
        raise pytest.UsageError(WITHOUT)
    return True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with a `link` on every driver that its mark `drivers` names, or on all."""
    if "link_name" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("drivers")
    wanted = mark.args if mark else (*LINKS, PAIR)
    present = (PAIR,) if serial_pair(metafunc.config) else tuple(LINKS)
    names: list[Any] = [name for name in wanted if name in present]
    if not names:
        names = [pytest.param("none", marks=pytest.mark.skip("for the virtual machine: tests-integration/machine"))]
    metafunc.parametrize("link_name", names, scope="session")


@pytest.fixture(scope="session")
def anyio_backend() -> Any:
    """Asyncio; `every_runtime` is for tests where the runtime matters."""
    return ASYNCIO


@pytest.fixture(scope="session")
def plugged_link(link_name: str, pytestconfig: pytest.Config) -> Iterator[Link]:
    """The link of one driver, kept for all its tests: plugging in takes time."""
    if pair := serial_pair(pytestconfig):
        try:
            link: Link = PairLink(*pair)
        except (PairError, serial.SerialException) as error:
            pytest.exit(f"--serial-pair {','.join(pair)}: {error}", pytest.ExitCode.USAGE_ERROR)
    else:
        link = LINKS[link_name]()
    yield link
    link.close()


@pytest.fixture
def link(plugged_link: Link, request: pytest.FixtureRequest) -> Link:
    """One port and its far end, quiet and with every setting at its default."""
    if reason := plugged_link.lacks([name for mark in request.node.iter_markers("needs") for name in mark.args]):
        pytest.skip(reason)
    plugged_link.reset()
    return plugged_link


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Do not take output that a close gives up for an error here: these tests leave it stuck on purpose."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.filterwarnings("ignore:.* of output not sent:RuntimeWarning"))
