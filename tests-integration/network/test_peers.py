"""The connections of a server: names of peers, keepalive, and an end that loses nothing."""

import socket
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from anyserial._network.peers import KEEP_ALIVE, close, part, peer_name, shown_address, watch_for_death


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (("127.0.0.1", 2217), "127.0.0.1:2217"),
        (("::1", 2217, 0, 0), "[::1]:2217"),
        ("/run/port\x1b[2J", r"/run/port\x1b[2J"),
        (("evil\nhost", 1), r"evil\nhost:1"),
    ],
)
def test_an_address_is_shown_on_one_line(address: object, shown: str) -> None:
    assert shown_address(address) == shown


@pytest.mark.anyio
async def test_a_dead_peer_will_be_noticed() -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        address: Any = listener.extra(SocketAttribute.local_address)
        async with await anyio.connect_tcp(*address[:2]) as stream:
            raw: Any = stream.extra(SocketAttribute.raw_socket)
            watch_for_death(stream)
            assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            for name, value in KEEP_ALIVE.items():
                if (option := getattr(socket, name, None)) is not None:
                    assert (name, raw.getsockopt(socket.IPPROTO_TCP, option)) == (name, value)
            assert peer_name(stream) == f"127.0.0.1:{address[1]}"


@pytest.mark.anyio
async def test_a_peer_reads_the_last_words_although_its_own_were_not_read() -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        address: Any = listener.extra(SocketAttribute.local_address)

        async def refuse(stream: SocketStream) -> None:
            try:
                await part(stream, b"no")
            finally:
                await close(stream)

        tasks.start_soon(listener.serve, refuse)
        async with await anyio.connect_tcp(*address[:2]) as stream:
            await stream.send(bytes(100_000))
            with anyio.fail_after(5):
                assert await stream.receive() == b"no"
                with pytest.raises(anyio.EndOfStream):
                    await stream.receive()
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_connection_that_was_reset_is_parted_with_all_the_same() -> None:
    done = anyio.Event()

    async def serve(stream: SocketStream) -> None:
        with pytest.raises(anyio.BrokenResourceError):
            await stream.receive()
        await part(stream)
        await close(stream)
        done.set()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        address: Any = listener.extra(SocketAttribute.local_address)
        with socket.create_connection(address[:2]) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        with anyio.fail_after(10):
            await done.wait()
        tasks.cancel_scope.cancel()
