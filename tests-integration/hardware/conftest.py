"""Fixtures of the tests on hardware: the links, which exist in the virtual machine or are named by --serial-pair.

What is at the far ends is in support/serial_links.py and support/usb_links.py; which tests run
where is decided here, and how the machine is booted in machine/.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hardware_runtimes import ASYNCIO
from serial_links import Link, TtyLink

IN_MACHINE = os.environ.get("ANYSERIAL_MACHINE") == "1"
HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--serial-pair",
        metavar="A,B",
        help="run the hardware tests on two real ports that a null modem cable joins",
    )
