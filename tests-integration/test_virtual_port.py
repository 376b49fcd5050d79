"""A simulated device behind a pty: reached by this library and by pySerial, unplugged, and under faults."""

import serial
from anyserial import PortNotFoundError, SerialDisconnectedError
from anyserial.sync import SerialPort
from anyserial.testing import Fault, FaultPlan, SimulatedDevice, virtual_serial_port
from pytest import raises  # noqa: PT013  # one name


def read_line(port: SerialPort) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        data += port.receive(64, timeout=5.0)
    return data


def test_the_path_can_be_opened_again_and_by_other_programs() -> None:
    device = SimulatedDevice(strict=True).on(b"*IDN?\n", b"ACME\n")
    with virtual_serial_port(device) as virtual:
        for _ in range(2):
            with SerialPort.open(virtual.path, baudrate=9600) as port:
                port.send(b"*IDN?\n")
                assert read_line(port) == b"ACME\n"
        assert device.port_settings.baudrate == 9600
        with serial.Serial(virtual.path, 115200, timeout=5) as other:
            other.write(b"*IDN?\n")
            assert other.readline() == b"ACME\n"
    assert len(device.requests) == 3


def test_unplugging_hangs_up_and_the_path_comes_back() -> None:
    device = SimulatedDevice().on(b"?\n", b"!\n")
    with virtual_serial_port(device) as virtual:
        path = virtual.path
        with SerialPort.open(path) as port:
            virtual.unplug()
            with raises(SerialDisconnectedError):
                port.receive(timeout=5.0)
        with raises(PortNotFoundError):
            SerialPort.open(path)
        virtual.replug()
        assert virtual.path == path
        with SerialPort.open(path) as port:
            port.send(b"?\n")
            assert read_line(port) == b"!\n"


def test_a_short_unplug_hangs_up_too() -> None:
    plan = FaultPlan(schedule=(Fault("replug", on="read", at_byte=0, seconds=0.001),))
    device = SimulatedDevice().on(b"?\n", b"!\n")
    with virtual_serial_port(device, faults=plan) as virtual:
        with SerialPort.open(virtual.path) as port:
            port.send(b"?\n")
            with raises(SerialDisconnectedError):
                port.receive(timeout=5.0)
        virtual.replug()
        with SerialPort.open(virtual.path) as port:
            device.unplug()
            device.replug()
            with raises(SerialDisconnectedError):
                port.receive(timeout=5.0)


def test_faults_and_a_strict_device() -> None:
    plan = FaultPlan(schedule=(Fault("parity", at_byte=0), Fault("overrun", at_byte=2)))
    with (  # noqa: PT012  # leaving the block raises it
        raises(AssertionError, match="what"),
        virtual_serial_port(SimulatedDevice(strict=True).on(b"?\n", b"0123\n"), faults=plan) as virtual,
        SerialPort.open(virtual.path) as port,
    ):
        port.send(b"?\n")
        assert read_line(port) == b"113\n"
        port.send(b"what\n?\n")
        assert read_line(port) == b"0123\n"
