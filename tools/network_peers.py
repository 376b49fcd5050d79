"""Opens ports behind other projects' RFC 2217 servers, on loopback, and prints what works with each.

The servers are ser2net (Debian's package), pySerial's PortManager and esptool's server. A result that differs
from the table of EXPECTED ends the run with status 1: `yes`, `not confirmed` (the server leaves the request
without an answer) or `not reported`. docs/network.md has the table.

A server that is not installed is reported, and its column is left out.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import anyio
from anyserial import Parity, SerialError, SerialPort, UnsupportedFeatureError, open_serial_port
from anyserial.sync import open_serial_port as open_blocking

PATIENCE = 20.0  # seconds
DATA = bytes(range(256)) * 64
RUNTIMES = ("asyncio", "trio")
PORTS = 256  # in one event loop

# Run by an interpreter of its own: pySerial's server as its documentation builds it, on pySerial's loop://.
PYSERIAL = """
import serial, serial.rfc2217, socket, sys, threading
port = serial.serial_for_url("loop://", timeout=0.02)
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = listener.accept()
    class Writer:
        def write(self, data):
            client.sendall(data)
    manager = serial.rfc2217.PortManager(port, Writer())
    over = threading.Event()
    def read():
        while not over.is_set():
            if data := port.read(port.in_waiting or 1):
                client.sendall(b"".join(manager.escape(data)))
    reader = threading.Thread(target=read)
    reader.start()
    try:
        while data := client.recv(4096):
            port.write(b"".join(manager.filter(data)))
    except OSError:
        pass
    over.set()
    reader.join()
    client.close()
"""

EXPECTED = {
    "data": ("yes", "yes", "yes"),
    "settings, read back": ("yes", "yes", "yes"),
    "modem lines": ("yes", "yes", "yes"),
    "DTR and RTS": ("not confirmed", "yes", "not confirmed"),
    "break": ("yes", "yes", "yes"),
    "purge": ("yes", "yes", "yes"),
    "drain": ("yes", "yes", "yes"),
}
SERVERS = ("ser2net", "pySerial", "esptool")


def free_port() -> int:
    """Return a TCP port that nothing uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextlib.contextmanager
def running(*command: str) -> Generator[None]:
    """Run a server, and end it."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as it:
        try:
            yield
        finally:
            it.terminate()


@contextlib.contextmanager
def echoing_pty() -> Generator[str]:
    """Yield the path of a pty whose far end sends back what it gets."""
    far, near = os.openpty()
    tty.setraw(near)

    def echo() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(far, 4096):
                os.write(far, data)

    thread = threading.Thread(target=echo, daemon=True)
    thread.start()
    yield os.ttyname(near)
    os.close(near)  # which ends the thread: its read fails once the server has gone, too
    thread.join(1)
    os.close(far)


@contextlib.contextmanager
def server(name: str) -> Generator[str | None]:
    """Run the server of this name, and yield its URL; None if it is not installed."""
    port = free_port()
    url = f"rfc2217://127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        if name == "ser2net":
            program = shutil.which("ser2net", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
            if program is None:
                yield None
                return
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            device = stack.enter_context(echoing_pty())
            config = folder / "ser2net.yaml"
            config.write_text(
                "%YAML 1.1\n---\nconnection: &con\n"
                f"  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n"
                f"  connector: serialdev,{device},115200n81,local\n"
            )
            stack.enter_context(running(program, "-n", "-u", "-c", str(config)))
        elif name == "pySerial":
            stack.enter_context(running(sys.executable, "-c", PYSERIAL, str(port)))
        else:
            program = shutil.which("esp_rfc2217_server")
            if program is None:
                yield None
                return
            stack.enter_context(running(program, "-p", str(port), "loop://"))
        wait_for(port)
        yield url


def wait_for(port: int) -> None:
    """Wait until something listens."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            time.sleep(0.2)  # the server ends this client before the next one comes
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens at {port}")


async def _data(port: SerialPort) -> None:
    got = bytearray()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(port.send, DATA)
        while len(got) < len(DATA):
            got += await port.receive()
    if bytes(got) != DATA:
        raise AssertionError("data was changed on its way")


async def _settings(port: SerialPort) -> None:
    for baudrate, parity in ((9600, Parity.EVEN), (57600, Parity.NONE)):
        await port.configure(port.config.with_changes(baudrate=baudrate, parity=parity))
        if port.actual_baudrate != baudrate:
            raise AssertionError(f"the rate is {port.actual_baudrate}, not {baudrate}")


async def _lines(port: SerialPort) -> None:
    await port.set_control_lines(rts=True, dtr=False)
    lines = await port.control_lines()
    if not lines.rts or lines.dtr:
        raise AssertionError(f"the lines are {lines}")


async def _purge(port: SerialPort) -> None:
    await port.reset_input_buffer()
    await port.reset_output_buffer()


CALLS: dict[str, Callable[[SerialPort], Any]] = {
    "data": _data,
    "settings, read back": _settings,
    "modem lines": lambda port: port.modem_lines(),
    "DTR and RTS": _lines,
    "break": lambda port: port.send_break(0.02),
    "purge": _purge,
    "drain": lambda port: port.drain(),
}


async def converse(url: str) -> dict[str, str]:
    """Try everything on one connection."""
    results: dict[str, str] = {}
    with anyio.fail_after(PATIENCE):
        async with open_serial_port(url) as port:
            for name, call in CALLS.items():
                try:
                    await call(port)
                except UnsupportedFeatureError as error:
                    results[name] = "not confirmed" if "confirm" in str(error) else "not reported"
                else:
                    results[name] = "yes"
    return results


def converse_blocking(url: str) -> str:
    """Send and receive in blocking code."""
    with open_blocking(url, timeout=PATIENCE) as port:
        port.send(b"blocking\xff", timeout=PATIENCE)
        got = b""
        while len(got) < 9:  # noqa: PLR2004  # what was sent
            got += port.receive(timeout=PATIENCE)
    return "yes" if got == b"blocking\xff" else f"{got!r}"


def check_many() -> None:
    """Open 256 ports in one event loop, behind one server that sends everything back, and use them all at once."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests-integration" / "support"))
    from network_far_end import FarEnd  # noqa: PLC0415  # a tool of the tests

    async def run(urls: list[str]) -> None:
        async def one(url: str) -> None:
            async with open_serial_port(url) as port:
                for _ in range(4):
                    await port.send(b"0123456789abcdef")
                    got = b""
                    while len(got) < 16:  # noqa: PLR2004
                        got += await port.receive()

        with anyio.fail_after(10 * PATIENCE):
            async with anyio.create_task_group() as tasks:
                for url in urls:
                    tasks.start_soon(one, url)

    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(FarEnd(speaks=True, echoes=True)).url for _ in range(PORTS)]
        for runtime in RUNTIMES:
            begun = time.monotonic()
            anyio.run(run, urls, backend=runtime)
            print(f"{PORTS} ports in one {runtime} loop: opened, 4 round trips each, closed in {_since(begun)}")


def _since(begun: float) -> str:
    return f"{time.monotonic() - begun:.1f} s"


def main() -> int:
    """Try all servers; 1 if a result is not the expected one."""
    wrong: list[str] = []
    columns: dict[str, dict[str, str]] = {}
    for number, name in enumerate(SERVERS):
        with server(name) as url:
            if url is None:
                print(f"!!! {name} is not installed: NOTHING WAS CHECKED with it", flush=True)
                continue
            for runtime in RUNTIMES:
                try:
                    found = anyio.run(converse, url, backend=runtime)
                except (SerialError, AssertionError, TimeoutError) as error:
                    found = {"open": repr(error)}
                columns[name] = found
                expected = {row: values[number] for row, values in EXPECTED.items()}
                if found != expected:
                    wrong.append(f"{name}, {runtime}: {found} instead of {expected}")
            if (found_blocking := converse_blocking(url)) != "yes":
                wrong.append(f"{name}, blocking: {found_blocking}")
    print(f"{'':22}" + "".join(f"{name:16}" for name in columns))
    for row in EXPECTED:
        print(f"{row:22}" + "".join(f"{column.get(row, '-'):16}" for column in columns.values()))
    check_many()
    for line in wrong:
        print(line, file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
