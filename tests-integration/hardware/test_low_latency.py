"""Low latency and RS-485: what the chip is told, what it is left with, and who has neither."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyserial.sync
import pytest
from anyserial import (
    Capability,
    RS485Config,
    SerialConfig,
    UnsupportedFeatureError,
    UnsupportedPolicy,
    open_serial_port,
)
from exact import receive_exactly
from hardware_runtimes import every_runtime
from serial_links import Link
from usb_links import ChipLink

pytestmark = pytest.mark.anyio

PATIENCE = 30
PROBE = Path(__file__).parent / "probes" / "low_latency.py"
FAST = SerialConfig(low_latency=True)
NOBODY = 65534
FTDI = pytest.mark.drivers("ftdi_sio")


def set_timer(link: ChipLink, milliseconds: int) -> None:
    """Set the latency timer as an administrator does."""
    Path("/sys/class/tty", Path(link.path).name, "device/latency_timer").write_text(str(milliseconds))


@contextmanager
def a_user_s_port(path: str, user: int) -> Generator[None]:
    """Let any user open the port, and this process be one of them."""
    mode = Path(path).stat().st_mode
    Path(path).chmod(0o666)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        Path(path).chmod(mode & 0o777)


@FTDI
@every_runtime
async def test_the_timer_of_the_chip_goes_to_1_ms_and_comes_back(link: ChipLink) -> None:
    with anyio.fail_after(PATIENCE):
        for before in (16, 5):
            set_timer(link, before)
            async with await open_serial_port(link.path, FAST) as port:
                assert port.capabilities.low_latency is Capability.SUPPORTED
                assert link.latency_timer == 1
            assert link.latency_timer == before


@FTDI
async def test_the_timer_goes_with_configure(link: ChipLink) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            assert link.latency_timer == 16
            for config, timer in ((FAST, 1), (FAST, 1), (SerialConfig(), 16), (FAST, 1)):
                await port.configure(config)
                assert link.latency_timer == timer
        assert link.latency_timer == 16


@FTDI
def test_an_ordinary_user_may_have_it(link: ChipLink) -> None:
    with a_user_s_port(link.path, NOBODY):
        with anyserial.sync.open_serial_port(link.path, FAST):
            assert link.latency_timer == 1
        assert link.latency_timer == 16


@FTDI
@pytest.mark.parametrize("user", [0, NOBODY])
@pytest.mark.parametrize("config", [SerialConfig(), FAST], ids=["plain", "low latency"])
async def test_what_a_killed_process_left_is_put_back_by_the_next(
    link: ChipLink, user: int, config: SerialConfig
) -> None:
    with a_user_s_port(link.path, 0):
        killed = subprocess.Popen(  # noqa: ASYNC220  # what it prints is waited for
            [sys.executable, PROBE, link.path, str(user)], stdout=subprocess.PIPE, text=True
        )
        with killed:
            assert killed.stdout is not None
            assert killed.stdout.readline() == "supported\n"
            # While it is there, nobody else changes what it has.
            async with await open_serial_port(link.path, config):
                assert link.latency_timer == 1
            assert link.latency_timer == 1
            killed.kill()
        link.wait(lambda state: not state.dtr)
        assert link.latency_timer == 1  # the kernel keeps it
        async with await open_serial_port(link.path, config):
            assert link.latency_timer == (1 if config.low_latency else 16)
        assert link.latency_timer == 16


@pytest.mark.drivers("8250", "cp210x", "pl2303", "ch341", "cdc_acm")
async def test_a_driver_without_a_timer_opens_all_the_same(link: Link) -> None:
    async with await open_serial_port(link.path, FAST) as port:
        # 8250 keeps the flag: what it is for, receiving without a delay, it does anyway.
        expected = Capability.SUPPORTED if link.driver == "8250" else Capability.UNSUPPORTED
        assert port.capabilities.low_latency is expected
        link.send(b"in")
        assert await receive_exactly(port, 2) == b"in"


@pytest.mark.drivers("8250", "ftdi_sio", "cp210x", "pl2303", "ch341", "cdc_acm")
async def test_rs485_is_refused_where_there_is_none(link: Link) -> None:
    # 8250 tells a mode, all zeros, for a UART that has none; asking for one is ENOTTY everywhere.
    config = SerialConfig(rs485=RS485Config())
    with pytest.raises(UnsupportedFeatureError, match="RS-485"):
        await open_serial_port(link.path, config)
    async with await open_serial_port(link.path) as port:
        with pytest.raises(UnsupportedFeatureError, match="RS-485"):
            await port.configure(config)
        with pytest.warns(RuntimeWarning, match="RS-485"):
            await port.configure(config.with_changes(unsupported_policy=UnsupportedPolicy.WARN))
        await port.configure(config.with_changes(unsupported_policy=UnsupportedPolicy.IGNORE))
        assert port.capabilities.rs485 is not Capability.SUPPORTED
        await port.configure(SerialConfig(rs485=RS485Config(enabled=False)))  # it is off, as asked
        link.send(b"in")
        assert await receive_exactly(port, 2) == b"in"
