"""A program with types, written against types-pyserial; `anyserial.pyserial` in its place must type-check too.

It is checked, never run: ``mypy`` and ``pyright`` read it as it is, and ``tools/pyserial_tests.py`` has mypy read it
with `anyserial.pyserial` in the place of ``serial``.
"""

import io
from collections.abc import Buffer
from typing import TYPE_CHECKING, Any

import serial
import serial.rs485
import serial.threaded
from serial.serialutil import PortNotOpenError, SerialBase, SerialException, SerialTimeoutException
from serial.tools import list_ports

if TYPE_CHECKING:
    from serial.tools.list_ports_common import ListPortInfo


class Logged(serial.Serial):
    """A port that keeps what passes."""

    def __init__(self, port: str | None, baudrate: int = 9600, **settings: Any) -> None:
        self.log: list[bytes] = []
        super().__init__(port, baudrate, **settings)

    def read(self, size: int = 1) -> bytes:
        """Keep what is read."""
        data = super().read(size)
        self.log.append(data)
        return data

    def write(self, b: Buffer, /) -> int | None:
        """Keep what is written."""
        self.log.append(bytes(b))
        return super().write(b)


class Own(SerialBase):
    """A port on nothing."""

    def read(self, size: int = 1, /) -> bytes:
        """Return zeros."""
        return b"\0" * size

    def write(self, b: Buffer, /) -> int | None:
        """Take everything."""
        return len(memoryview(b))


class Lines(serial.threaded.LineReader):
    """Handles lines."""

    def handle_line(self, line: str) -> None:
        """Print a line."""
        self.write_line(line.upper())


def exchange(port: serial.Serial, request: bytes) -> bytes:
    """Use every method of a port."""
    port.timeout = 1
    port.write_timeout = None
    port.inter_byte_timeout = 0.5
    port.baudrate, port.bytesize, port.parity, port.stopbits = 9600, serial.EIGHTBITS, serial.PARITY_NONE, 1.5
    port.xonxoff = port.rtscts = port.dsrdtr = False
    port.rts = port.dtr = not port.break_condition
    port.rs485_mode = serial.rs485.RS485Settings(delay_before_tx=0.1)
    port.exclusive = True
    levels: tuple[bool, bool, bool, bool] = (port.cts, port.dsr, port.ri, port.cd)
    port.reset_input_buffer()
    port.reset_output_buffer()
    try:
        sent: int | None = port.write(request)
        port.write(bytearray(request))
        port.write(memoryview(request))
        port.flush()
    except SerialTimeoutException:
        port.cancel_write()
        sent = None
    except (PortNotOpenError, SerialException) as exc:
        raise OSError(exc.errno, f"{port.name} {port.portstr} failed") from exc
    port.send_break(0.1)
    port.send_break(duration=0.1)
    answer: bytes = (
        port.read(size=sent or 1) + port.readline() + port.read_until(b"\r", 10) + port.read(port.in_waiting)
    )
    port.readinto(bytearray(10))
    port.set_input_flow_control(True)
    port.set_output_flow_control(enable=False)
    port.set_low_latency_mode(levels[0])
    port.cancel_read()
    settings: dict[str, Any] = port.get_settings()
    port.apply_settings(settings)
    for line in port:
        answer += line
    for part in port.iread_until(b";"):
        answer += part
    io.BufferedRWPair(port, port).write(b"x")
    descriptor: int | None = port.fd
    return answer if port.is_open and port.out_waiting == descriptor == port.fileno() else b""


def main() -> None:
    """Open ports in every way."""
    found: list[ListPortInfo] = [*list_ports.comports(include_links=True), *list_ports.grep("USB")]
    for info in sorted(found):
        if info.vid == 0x0403 and info.serial_number and "FTDI" in (info.manufacturer or info.description):
            with serial.Serial(info.device, 115200, timeout=0, dsrdtr=True, exclusive=None) as port:
                exchange(port, b"?")
    port = serial.serial_for_url("loop://", timeout=1, do_not_open=True)
    port.open()
    port.close()
    port.port = None
    Logged("/dev/ttyUSB0", 9600, parity=serial.PARITY_EVEN).log.clear()
    Own().read(1)
    with serial.threaded.ReaderThread(port, Lines) as lines:
        lines.write_line("hello")
    limit = serial.Timeout(1.0)
    while not limit.expired():
        print(limit.time_left(), serial.VERSION, serial.XON, serial.STOPBITS_TWO, serial.PARITY_NAMES["N"])


if __name__ == "__main__":
    main()
