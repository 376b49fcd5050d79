"""Bytes both ways on real drivers: every value, every rate, both directions at once."""

import threading

import anyio
import anyserial.sync
import pytest
from anyserial import LineErrors, SerialConfig, open_serial_port
from exact import receive_exactly, receive_exactly_blocking
from hardware_runtimes import every_runtime
from serial_links import Link

pytestmark = pytest.mark.anyio

EVERY_VALUE = bytes(range(256))  # XON and XOFF, NUL and the 0xFF that marks an error among them
PATIENCE = 20


@every_runtime
@pytest.mark.drivers("8250", "ftdi_sio", "cdc_acm", "pair")
async def test_every_value_both_ways(link: Link) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            link.configure(port.config)
            await port.send(EVERY_VALUE)
            assert link.receive(256) == EVERY_VALUE
            link.send(EVERY_VALUE)
            assert await receive_exactly(port, 256) == EVERY_VALUE
            assert (port.statistics.bytes_sent, port.statistics.bytes_received) == (256, 256)


def test_every_value_both_ways_blocking(link: Link) -> None:
    with anyserial.sync.open_serial_port(link.path) as port:
        link.configure(port.config)
        port.send(EVERY_VALUE, timeout=PATIENCE)
        assert link.receive(256) == EVERY_VALUE
        link.send(EVERY_VALUE)
        assert receive_exactly_blocking(port, 256) == EVERY_VALUE


@pytest.mark.parametrize("line_errors", [LineErrors.DISCARD, LineErrors.RAISE])
async def test_every_value_while_errors_are_marked(link: Link, line_errors: LineErrors) -> None:
    # PARMRK doubles each 0xFF that was really sent; cp210x has escapes of its own in its event mode.
    data = EVERY_VALUE + b"\xff\xff\x00\xff" + EVERY_VALUE[::-1]
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, SerialConfig(line_errors=line_errors)) as port:
            link.configure(port.config)
            await port.send(data)
            assert link.receive(len(data)) == data
            link.send(data)
            assert await receive_exactly(port, len(data)) == data


async def test_both_directions_at_once(link: Link) -> None:
    out, back = EVERY_VALUE * 12, EVERY_VALUE[::-1] * 12
    seen: list[bytes] = []
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            link.configure(port.config)
            ends = (
                threading.Thread(target=link.send, args=(back,), daemon=True),
                threading.Thread(target=lambda: seen.append(link.receive(len(out))), daemon=True),
            )
            for end in ends:
                end.start()
            async with anyio.create_task_group() as group:
                group.start_soon(port.send, out)
                assert await receive_exactly(port, len(back)) == back
            for end in ends:
                await anyio.to_thread.run_sync(end.join, PATIENCE)
    assert seen == [out]
