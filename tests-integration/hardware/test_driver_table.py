"""The table of drivers in docs/hardware.md, measured."""

import platform
import re

import anyio
import pytest
from driver_facts import cells, measure
from serial_links import Link
from source_tree import ROOT

pytestmark = pytest.mark.anyio

DRIVERS = ("8250", "ftdi_sio", "cp210x", "pl2303", "ch341", "cdc_acm")


@pytest.mark.drivers(*DRIVERS)
async def test_the_table_says_what_the_driver_does(link: Link) -> None:
    version = re.match(r"\d+\.\d+", platform.release())
    assert version
    with anyio.fail_after(60):
        assert cells((ROOT / "docs/hardware.md").read_text(), link.driver, version[0]) == await measure(link)
