"""Recording on the real driver and through the blocking face, and replaying there."""

import io
import os
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import anyserial.sync
import pytest
from anyserial.tap import Tap
from anyserial.testing import MockBackend, ReplayError, record, replay


@pytest.fixture
def far() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_blocking_port_on_the_driver_is_recorded_and_replayed(far: tuple[int, str], tmp_path: Path) -> None:
    device, path = far
    file = tmp_path / "x.rec"
    with anyserial.sync.SerialPort.open(path, baudrate=9600) as port, record(port, file):
        port.send(b"A?\n", timeout=5)
        assert os.read(device, 10) == b"A?\n"
        os.write(device, b"42\n")
        assert port.receive(timeout=5) == b"42\n"
        port.configure(port.config.with_changes(baudrate=19200))
    lines = [line.split(maxsplit=1)[-1] for line in file.read_text().splitlines()[2:]]
    assert lines == ["baudrate=9600", 'send "A?\\n"', 'receive "42\\n"', "configure baudrate=19200", "end"]

    backend = replay(file)
    with anyserial.sync.open_serial_port(path, backend.config, backend=backend) as port:
        port.send(b"A", timeout=5)
        port.send(b"?\n", timeout=5)
        assert port.receive(timeout=5) == b"42\n"
        port.configure(port.config.with_changes(baudrate=19200))
    with (
        pytest.raises(ReplayError, match=r"line 4, byte 2 of 3"),
        anyserial.sync.open_serial_port(path, backend.config, backend=backend) as port,
    ):
        port.send(b"AB", timeout=5)


def test_answer_in_another_thread_is_recorded_after_its_question(tmp_path: Path) -> None:
    near, far = MockBackend.pair()
    file = tmp_path / "x.rec"
    with (
        anyserial.sync.open_serial_port("near", backend=near) as port,
        anyserial.sync.open_serial_port("far", backend=far) as device,
        record(port, file),
    ):

        def echo() -> None:
            for _ in range(200):
                device.send(device.receive(1, timeout=5), timeout=5)

        def listen() -> None:
            for _ in range(200):
                port.receive(1, timeout=5)

        threads = [threading.Thread(target=task) for task in (echo, listen)]
        for thread in threads:
            thread.start()
        for _ in range(200):
            port.send(b"x", timeout=5)
        for thread in threads:
            thread.join()
    sent = received = 0
    for line in file.read_text().splitlines():
        sent += " send " in line
        received += " receive " in line
        assert received <= sent
    assert (sent, received) == (200, 200)


class Interrupting(io.StringIO):
    """A file at whose writing a signal arrives, once."""

    is_armed = False

    def write(self, text: str) -> int:
        if self.is_armed:
            self.is_armed = False
            raise KeyboardInterrupt
        return super().write(text)


def test_interruption_while_recording_loses_no_byte(far: tuple[int, str]) -> None:
    device, path = far
    file = Interrupting()
    with anyserial.sync.SerialPort.open(path) as port, record(port, file):
        os.write(device, b"kept")
        file.is_armed = True
        with pytest.raises(KeyboardInterrupt):
            port.receive(timeout=5)
        assert port.receive(timeout=5) == b"kept"
        file.is_armed = True
        with pytest.raises(KeyboardInterrupt):
            port.send(b"counted", timeout=5)
        assert port.statistics.bytes_sent == 7


def test_taps_and_recordings_of_one_port_end_in_any_order(far: tuple[int, str], tmp_path: Path) -> None:
    device, path = far
    below: list[bytes] = []
    above: list[bytes] = []

    def send(data: bytes) -> None:
        port.send(data, timeout=5)
        assert os.read(device, 10) == data

    with anyserial.sync.open_serial_port(path) as port:
        lower = Tap(port, lambda event: below.append(event.data))
        with record(port, tmp_path / "x.rec"):
            upper = Tap(port, lambda event: above.append(event.data))
            send(b"all")
            lower.detach()
            send(b"two")
        send(b"one")
        upper.detach()
        send(b"none")
    assert (below, above) == ([b"all"], [b"all", b"two", b"one"])
    recorded = (tmp_path / "x.rec").read_text()
    assert all(f'send "{word}"' in recorded for word in ("all", "two"))
    assert 'send "one"' not in recorded
