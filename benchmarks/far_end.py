"""The far ends of ptys, in a process of their own: `far_end.py MODE PORTS DELAY`.

Prints the paths to open, one JSON list, and then serves them until its stdin closes.
``echo`` sends back what arrives, DELAY seconds later; ``source`` answers every byte
with BULK bytes in bursts of 4 KiB; ``silent`` says nothing. ``tcp`` and ``rfc2217`` are
servers that send back what arrives, and the path is their URL.
"""

import json
import os
import resource
import select
import socket
import sys
import threading
import time
import tty
from contextlib import suppress

BURST = bytes(4096)
BULK = 32 * 1024 * 1024


def main() -> None:
    """Serve."""
    mode, ports, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    if mode in {"tcp", "rfc2217"}:
        serve(mode, delay)
    else:
        serve_ptys(mode, ports, delay)


def serve_ptys(mode: str, ports: int, delay: float) -> None:
    """Serve ptys, until stdin closes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    masters: list[int] = []
    paths: list[str] = []
    for _ in range(ports):
        master, slave = os.openpty()  # the slave stays open, so that the line survives from one client to the next
        tty.setraw(slave)
        masters.append(master)
        paths.append(os.ttyname(slave))
    print(json.dumps(paths), flush=True)
    poll = select.epoll()
    poll.register(0, select.EPOLLIN | select.EPOLLHUP)
    for master in masters:
        poll.register(master, select.EPOLLIN)
    while True:
        ready = poll.poll()
        if delay:
            time.sleep(delay)
        for fd, _ in ready:
            if fd == 0:
                return
            data = os.read(fd, 65536)
            if mode == "echo":
                os.write(fd, data)
            elif mode == "source":
                for _ in range(BULK // len(BURST)):
                    os.write(fd, BURST)


def serve(mode: str, delay: float) -> None:
    """Serve one client after another in the network, until stdin closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps([f"{mode}://127.0.0.1:{listener.getsockname()[1]}"]), flush=True)

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client, suppress(OSError):
                converse(client, mode, delay)

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


def converse(client: socket.socket, mode: str, delay: float) -> None:
    """Send data back, and answer the requests of RFC 2217 with what they ask for."""
    from anyserial._network import com_port, telnet  # noqa: PLC0415  # the ptys need nothing of anyserial

    codec = telnet.Telnet(local=(telnet.BINARY, telnet.SGA), remote=(telnet.BINARY, telnet.SGA, telnet.COM_PORT))
    while data := client.recv(65536):
        for event in codec.feed(data) if mode == "rfc2217" else [data]:
            if isinstance(event, bytes):
                time.sleep(delay)
                client.sendall(telnet.escaped(event) if mode == "rfc2217" else event)
            elif isinstance(event, telnet.Subnegotiation) and event.option == telnet.COM_PORT:
                answer = com_port.encode(*com_port.decode(event.payload, from_server=False), from_server=True)
                client.sendall(telnet.subnegotiation(telnet.COM_PORT, answer))
        if output := codec.take_output():
            client.sendall(output)


if __name__ == "__main__":
    main()
