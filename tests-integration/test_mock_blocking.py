"""The mock under the blocking port: the same backend, waited for with poll(2)."""

import threading
from collections.abc import Iterator

import pytest
from anyserial import LineError, SerialConfig, SerialDisconnectedError
from anyserial.sync import SerialPort, open_serial_port
from anyserial.testing import MockBackend, faults_of

type Ports = tuple[SerialPort, SerialPort]


@pytest.fixture
def ports() -> Iterator[Ports]:
    near, far = MockBackend.pair()
    config = SerialConfig(line_errors="raise")
    with open_serial_port(near.path, config, backend=near) as a, open_serial_port(far.path, backend=far) as b:
        yield a, b


def test_exchange_under_faults(ports: Ports) -> None:
    a, b = ports
    faults_of(a).eagain_reads = 3
    faults_of(a).eintr_reads = 3
    faults_of(b).short_write_max = 2
    faults_of(b).eagain_writes = 3
    b.send(b"in pieces", timeout=5)
    received = b""
    while len(received) < 9:
        received += a.receive(64, timeout=5)
    assert received == b"in pieces"
    assert faults_of(a).eagain_reads == 0


def test_damage_is_reported_in_its_place(ports: Ports) -> None:
    a, b = ports
    faults_of(a).parity_errors = 1
    b.send(b"@after")
    with pytest.raises(LineError) as caught:
        a.receive(64, timeout=5)
    assert caught.value.byte == 0x41
    assert a.receive(64, timeout=5) == b"after"


def test_unplugging_ends_a_blocked_receive_on_both_sides(ports: Ports) -> None:
    a, b = ports
    ended: list[str] = []
    ready = threading.Barrier(3)

    def receive(port: SerialPort) -> None:
        ready.wait(5)
        with pytest.raises(SerialDisconnectedError):
            port.receive(64, timeout=5)
        ended.append(port.path)

    threads = [threading.Thread(target=receive, args=(port,)) for port in ports]
    for thread in threads:
        thread.start()
    ready.wait(5)
    faults_of(a).disconnected = True
    for thread in threads:
        thread.join(5)
    assert sorted(ended) == [a.path, b.path]
