"""The ports that the pages are run against behave as docs/index.md says."""

import os
from pathlib import Path

import anyio
import pytest
from anyio.streams.buffered import BufferedByteStream
from anyio.streams.file import FileStreamAttribute
from anyserial import (
    Capability,
    ControlLines,
    ModemLines,
    Parity,
    PortNotFoundError,
    RS485Config,
    SerialPort,
    find_serial_port,
    list_serial_ports,
    open_serial_port,
)
from documented_ports import documented_ports
from virtual_bench import Bench

pytestmark = pytest.mark.anyio

FILENO = FileStreamAttribute.fileno
BY_ID = "/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL_RIG-USB0-if00-port0"


async def test_settings_of_a_uart_are_kept(tmp_path: Path) -> None:
    with documented_ports(tmp_path):
        async with await SerialPort.open("/dev/ttyS0", parity="even", byte_size=7, low_latency=True) as port:
            assert port.config.parity is Parity.EVEN
            await port.configure(port.config.with_changes(parity="mark", rs485=RS485Config()))
            assert port.capabilities.modem_lines is not Capability.UNSUPPORTED


async def test_lines_are_a_loopback_plug(tmp_path: Path) -> None:
    with documented_ports(tmp_path):
        async with await SerialPort.open("/dev/ttyUSB0") as port:
            assert await port.control_lines() == ControlLines(rts=True, dtr=True)
            await port.set_control_lines(rts=False)
            assert await port.modem_lines() == ModemLines(cts=False, dsr=True, ri=False, cd=True)
            assert (await port.line_counters()).cts == 1


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"*IDN?\n", b"ANYSERIAL,"),
        (b"hello\n", b"hello\n"),
        (b"\x02\x41\x03", b"\x02\x41\x03"),
        (b"\xff" * 5000, b"\xff" * 5000),
    ],
)
async def test_instrument_answers(tmp_path: Path, sent: bytes, answer: bytes) -> None:
    with documented_ports(tmp_path), anyio.fail_after(10):
        async with await SerialPort.open("/dev/ttyACM3") as port, anyio.create_task_group() as tasks:
            tasks.start_soon(port.send, sent)
            assert await BufferedByteStream(port).receive_exactly(len(answer)) == answer


async def test_port_of_the_same_name_is_the_same_instrument(tmp_path: Path) -> None:
    with documented_ports(tmp_path):
        found = await find_serial_port(device=BY_ID)
        assert found is not None
        assert found.device == "/dev/ttyUSB0"
        async with await open_serial_port(BY_ID) as by_id, await open_serial_port(found) as by_device:
            assert by_id.port_info == by_device.port_info == found
            assert os.ttyname(by_id.extra(FILENO)) == os.ttyname(by_device.extra(FILENO))


async def test_what_is_not_plugged_in_is_not_there(tmp_path: Path) -> None:
    with documented_ports(tmp_path):
        for missing in ("/dev/ttyUSB8", "/dev/ttyUSB9", "/dev/ttyACM9"):
            with pytest.raises(PortNotFoundError):
                await open_serial_port(missing)
            assert missing not in {info.device for info in await list_serial_ports()}


async def test_afterwards_the_machine_is_its_own_again(tmp_path: Path) -> None:
    before = os.open, os.stat, await list_serial_ports()
    with documented_ports(tmp_path):
        assert await list_serial_ports() != before[2]
    assert (os.open, os.stat, await list_serial_ports()) == before


def test_an_instrument_of_another_bench_is_not_unplugged() -> None:
    with Bench() as bench, Bench() as other:
        instrument = bench.plug_in()
        with pytest.raises(ValueError, match="no instrument of this bench"):
            other.unplug(instrument)
        bench.unplug(instrument)
        with pytest.raises(ValueError, match="no instrument of this bench"):
            bench.unplug(instrument)
