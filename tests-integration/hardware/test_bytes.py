"""Bytes both ways on real drivers."""

import anyio
import pytest
from anyserial import open_serial_port
from serial_links import Link

pytestmark = pytest.mark.anyio


async def test_bytes_both_ways(link: Link) -> None:
    with anyio.fail_after(30):
        async with await open_serial_port(link.path) as port:
            await port.send(b"ping")
            assert link.receive(4) == b"ping"
            link.send(b"pong")
            assert await port.receive() == b"pong"
