"""``anyserial share``: a port for several programs."""

import os
import select
import signal
import subprocess
import sys
import tty
from collections.abc import Callable, Iterator
from typing import Any

import pytest

COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-m", "anyserial", "share"]


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command; it ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        started.append(subprocess.Popen([*COMMAND, *arguments], stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def opened(path: str) -> int:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd)
    return fd


def read(fd: int, count: int) -> bytes:
    data = b""
    while len(data) < count:
        assert select.select([fd], [], [], 10)[0], data
        data += os.read(fd, count - len(data))
    return data


def test_programs_see_everything_send_and_may_come_back(
    start: Callable[..., subprocess.Popen[str]], make_device: Callable[[Any], Any]
) -> None:
    def answer(far: int, data: bytes) -> None:
        os.write(far, data.upper())

    device = make_device(answer)
    process = start(device.path, "--links", "2", "--show")
    assert process.stdout is not None
    paths = [process.stdout.readline().strip() for _ in range(2)]
    one, two = map(opened, paths)
    os.write(one, b"abc")
    assert read(one, 3) == read(two, 3) == b"ABC"
    os.close(one)
    os.write(two, b"def")
    assert read(two, 3) == b"DEF"
    one = opened(paths[0])
    os.write(one, b"ghi")
    assert read(two, 3) == b"GHI"
    assert read(one, 3) in {b"DEF", b"GHI"}
    os.close(one)
    os.close(two)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == ""
    assert f"{device.path} sent b'abc'" in err
    assert f"{device.path} received b'ABC'" in err
    assert "Traceback" not in err


def test_the_end_of_the_device_ends_the_command(start: Callable[..., subprocess.Popen[str]]) -> None:
    far, near = os.openpty()
    tty.setraw(near)
    process = start(os.ttyname(near), "--links", "3")
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    os.close(near)
    os.close(far)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "the serial device is gone" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_port_that_is_not_there_is_one_line(start: Callable[..., subprocess.Popen[str]]) -> None:
    out, err = start("/dev/ttyNONE").communicate(timeout=20)
    assert out == ""
    assert err.splitlines()[-1] == "anyserial: /dev/ttyNONE: [ENOENT] there is no serial port at this path"
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments", [["p", "--links", "0"], ["p", "--links", "65"], ["p", "--links", "x"], ["p", "--baudrate", "0"], []]
)
def test_wrong_arguments_are_refused(start: Callable[..., subprocess.Popen[str]], arguments: list[str]) -> None:
    process = start(*arguments)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "See `anyserial share --help`." in err
