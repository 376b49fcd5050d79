"""RTS/CTS and XON/XOFF that really stop the sender, and let it go on without a loss."""

import random
import threading

import anyio
import anyserial.sync
import pytest
from anyserial import FlowControl, SerialConfig, SerialPort, open_serial_port
from exact import receive_exactly, receive_exactly_blocking
from hardware_runtimes import every_runtime
from serial_links import Link

pytestmark = pytest.mark.anyio

PATIENCE = 30
STILL = 0.1  # seconds in which a sender that was not stopped would have sent
XON, XOFF = b"\x11", b"\x13"
RTS_CTS = SerialConfig(flow_control=FlowControl(rts_cts=True))
XON_XOFF = SerialConfig(flow_control=FlowControl(xon_xoff=True))
DATA = bytes(value for value in random.Random(7).randbytes(13000) if bytes([value]) not in {XON, XOFF})[:12288]


def nothing_comes(link: Link) -> None:
    with pytest.raises(TimeoutError, match=r"^0 of 1 bytes"):
        link.receive(1, timeout=STILL)


async def cts_becomes(port: SerialPort, level: bool) -> None:
    while (await port.modem_lines()).cts is not level:
        await anyio.sleep(0.002)


@every_runtime
@pytest.mark.drivers("8250", "pair")
@pytest.mark.needs("rts_cts")
async def test_cts_stops_the_sender(link: Link) -> None:
    await cts_stops_the_sender(link)


@pytest.mark.drivers("ftdi_sio", "cp210x", "pl2303")
async def test_cts_stops_the_chip(link: Link) -> None:
    # These drivers tell the chip to look at CTS, and do not look themselves.
    await cts_stops_the_sender(link)


async def cts_stops_the_sender(link: Link) -> None:
    link.configure(RTS_CTS)
    link.set_inputs(cts=True)
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, RTS_CTS) as port:
            await cts_becomes(port, True)
            await port.send(b"before")
            assert link.receive(6) == b"before"
            link.set_inputs(cts=False)
            await cts_becomes(port, False)
            await port.send(b"held back")
            nothing_comes(link)
            link.send(b"the other way")
            assert await receive_exactly(port, 13) == b"the other way"
            link.set_inputs(cts=True)
            assert link.receive(9) == b"held back"
            await port.drain_exact()
            assert port.output_waiting() == 0


@pytest.mark.drivers("8250", "ftdi_sio", "cp210x", "pl2303", "ch341", "pair")
@pytest.mark.needs("cts")
async def test_cts_means_nothing_without_rts_cts(link: Link) -> None:
    link.set_inputs(cts=False)
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            link.configure(port.config)
            await port.send(b"sent all the same")
            assert link.receive(17) == b"sent all the same"


@pytest.mark.drivers("ch341", "cdc_acm")
async def test_cts_stops_nobody(link: Link) -> None:
    # ch341 got it in 2025 only (35478bc369a6 of usb-serial), CDC-ACM has no CTS. Both keep CRTSCTS: nothing tells.
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, RTS_CTS) as port:
            if link.driver == "ch341":
                await cts_becomes(port, False)
            else:
                assert (await port.modem_lines()).cts
            await port.send(b"sent")
            assert link.receive(4) == b"sent"


@pytest.mark.drivers("8250", "pair")
@pytest.mark.needs("rts_cts")
async def test_stopping_in_the_middle_of_a_send(link: Link) -> None:
    link.configure(RTS_CTS)
    got = b""
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, RTS_CTS) as port, anyio.create_task_group() as group:
            group.start_soon(port.send, DATA)
            await anyio.wait_all_tasks_blocked()
            for _ in range(3):
                got += await anyio.to_thread.run_sync(link.receive, 1000)
                link.set_inputs(cts=False)
                await cts_becomes(port, False)
                assert port.statistics.bytes_sent < len(DATA)
                link.set_inputs(cts=True)
            got += await anyio.to_thread.run_sync(link.receive, len(DATA) - len(got))
    assert got == DATA


@every_runtime
@pytest.mark.drivers("8250", "pair")
@pytest.mark.needs("drops_rts")
async def test_a_reader_that_stops_drops_rts(link: Link) -> None:
    link.configure(RTS_CTS)
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, RTS_CTS) as port:
            assert link.outputs()["rts"]
            sender = threading.Thread(target=link.send, args=(DATA,), daemon=True)
            sender.start()
            link.wait_outputs(rts=False)
            assert sender.is_alive()
            assert await receive_exactly(port, len(DATA)) == DATA
            link.wait_outputs(rts=True)
            await anyio.to_thread.run_sync(sender.join, PATIENCE)


@pytest.mark.drivers("8250", "pair")
@pytest.mark.needs("drops_rts")
def test_a_reader_that_stops_drops_rts_blocking(link: Link) -> None:
    link.configure(RTS_CTS)
    with anyserial.sync.open_serial_port(link.path, RTS_CTS) as port:
        sender = threading.Thread(target=link.send, args=(DATA,), daemon=True)
        sender.start()
        link.wait_outputs(rts=False)
        assert receive_exactly_blocking(port, len(DATA)) == DATA
        sender.join(PATIENCE)


@pytest.mark.drivers("ftdi_sio", "cp210x", "pl2303", "ch341", "cdc_acm")
async def test_a_reader_that_stops_loses_nothing(link: Link) -> None:
    # USB holds back what the tty has no room for.
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, RTS_CTS) as port:
            sender = threading.Thread(target=link.send, args=(DATA,), daemon=True)
            sender.start()
            while port.input_waiting() < 3000:
                await anyio.sleep(0.002)
            assert await receive_exactly(port, len(DATA)) == DATA
            await anyio.to_thread.run_sync(sender.join, PATIENCE)


@every_runtime
@pytest.mark.drivers("8250", "pair")
@pytest.mark.needs("xon_xoff")
async def test_xoff_stops_the_sender(link: Link) -> None:
    await xoff_stops_the_sender(link)


@pytest.mark.drivers("ftdi_sio", "cp210x", "pl2303")
async def test_xoff_stops_the_chip(link: Link) -> None:
    # The chip is told to look for it, and keeps both bytes to itself.
    await xoff_stops_the_sender(link)


async def xoff_stops_the_sender(link: Link) -> None:
    link.configure(XON_XOFF)
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, XON_XOFF) as port:
            link.send(XOFF + b"noticed")
            assert await receive_exactly(port, 7) == b"noticed"
            await port.send(b"held back")
            nothing_comes(link)
            link.send(XON)
            assert link.receive(9) == b"held back"
            await port.drain_exact()
            assert port.output_waiting() == 0


@pytest.mark.drivers("ch341", "cdc_acm")
async def test_xoff_stops_nobody(link: Link) -> None:
    # Neither driver tells its device, and the kernel's own XOFF stops UARTs only.
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, XON_XOFF) as port:
            link.send(XOFF + b"noticed")
            assert await receive_exactly(port, 7) == b"noticed"
            await port.send(b"sent all the same")
            assert link.receive(17) == b"sent all the same"


@pytest.mark.drivers("8250", "pair")
@pytest.mark.needs("sends_xoff")
async def test_a_reader_that_stops_sends_xoff(link: Link) -> None:
    link.configure(XON_XOFF)
    sent = 0
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, XON_XOFF) as port:
            while True:
                link.send(DATA[sent : sent + 256])
                sent += 256
                try:
                    assert link.receive(1, timeout=0.01) == XOFF
                    break
                except TimeoutError:
                    assert sent < len(DATA)
            assert await receive_exactly(port, sent) == DATA[:sent]
            assert link.receive(1) == XON
