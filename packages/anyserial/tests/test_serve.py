"""``anyserial serve``: a port for programs in the network."""

import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from anyserial_cli._main import main

COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-m", "anyserial", "serve"]


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command; it ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        started.append(subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=stderr, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def connected(process: subprocess.Popen[str], scheme: str) -> socket.socket:
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url.startswith(f"{scheme}://127.0.0.1:"), url
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10)


def read(client: socket.socket, ending: bytes) -> bytes:
    data = b""
    while not data.endswith(ending):
        piece = client.recv(4096)
        assert piece, data
        data += piece
    return data


def upper(far: int, data: bytes) -> None:
    os.write(far, data.upper())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_both_protocols_are_served_until_a_signal(
    start: Callable[..., subprocess.Popen[str]], make_device: Callable[[Any], Any], number: int, status: int
) -> None:
    device = make_device(upper)
    process = start(device.path, "9600", "--rfc2217", "0", "--tcp", "0", "--hold", "--idle-timeout", "60")
    with connected(process, "rfc2217") as client:
        client.sendall(b"abc")
        assert read(client, b"ABC").startswith(b"\xff\xfb\x03")  # telnet's offers come first
    with connected(process, "tcp") as client:
        client.sendall(b"def")
        assert read(client, b"DEF") == b"DEF"
        process.send_signal(number)
        assert client.recv(10) == b""
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (status, "")
    assert f"{device.path}: serving by RFC 2217 on 127.0.0.1:" in err
    assert "has the port, by TCP" in err
    assert "the server ends; 3 bytes to the port, 3 from it" in err
    assert "Traceback" not in err


def test_the_live_line_shows_client_and_counts(
    start: Callable[..., subprocess.Popen[str]], make_device: Callable[[Any], Any]
) -> None:
    device = make_device(upper)
    master, slave = pty.openpty()
    try:
        process = start(device.path, "--tcp", "0", stderr=slave)
        with connected(process, "tcp") as client:
            client.sendall(b"abc")
            assert read(client, b"ABC") == b"ABC"
            shown = b""
            while b"115200,8N1  client 127.0.0.1:" not in shown or b"  3 bytes to the port, 3 from it" not in shown:
                shown += os.read(master, 4096)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        os.close(master)
        os.close(slave)


def test_an_open_address_comes_with_a_warning(
    start: Callable[..., subprocess.Popen[str]], make_device: Callable[[Any], Any]
) -> None:
    process = start(make_device(upper).path, "--tcp", "0", "--listen", "0.0.0.0")  # noqa: S104  # what is warned of
    assert process.stdout is not None
    assert process.stdout.readline().startswith("tcp://0.0.0.0:")
    process.send_signal(signal.SIGTERM)
    assert "there is no password" in process.communicate(timeout=20)[1]


def failed(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert "Traceback" not in err
    return err.splitlines()[-1]


def test_what_cannot_be_served_is_one_line(
    start: Callable[..., subprocess.Popen[str]], make_device: Callable[[Any], Any]
) -> None:
    line = failed(start("/dev/ttyNONE"))
    assert line == "anyserial: /dev/ttyNONE: [ENOENT] there is no serial port at this path"
    path = make_device(upper).path
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        line = failed(start(path, "--tcp", str(number)))
    assert line == (
        f"anyserial: 127.0.0.1:{number}: [EADDRINUSE] another program listens there already: choose another port number"
    )
    line = failed(start(path, "--listen", "203.0.113.1"))
    assert line == "anyserial: 203.0.113.1:2217: [EADDRNOTAVAIL] this machine has no such address"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["p", "--tcp", "65536"], "'65536' is not a port number, from 0 to 65535"),
        (["p", "nonsense"], "'nonsense' is not a baud rate"),
        (["p", "--idle-timeout", "0"], "a number of seconds above 0"),
        (["p", "--reset-on-connect"], "a port that is held (--hold)"),
        ([], "the following arguments are required: PORT"),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", *arguments])
    assert caught.value.code == 2
    assert text in capsys.readouterr().err
