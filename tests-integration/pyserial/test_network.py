"""``rfc2217://`` and ``socket://`` with pySerial's names: a server made of `PortManager`, and an echo."""

import select
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import anyserial
import pytest
from anyserial import pyserial as serial
from anyserial.pyserial import rfc2217

LIMIT = 10.0


class Redirector:
    """Serves ``loop://`` to one client, as the example of a server that comes with pySerial does."""

    def __init__(self, connection: socket.socket) -> None:
        self.port: Any = serial.serial_for_url("loop://", timeout=0.01)
        self.connection = connection
        self.lock = threading.Lock()
        self.manager = rfc2217.PortManager(self.port, self)

    def write(self, data: bytes) -> None:
        with self.lock, suppress(OSError):
            self.connection.sendall(data)

    def copy_to_client(self) -> None:
        while self.port.is_open:
            with suppress(serial.PortNotOpenError):
                if data := self.port.read(self.port.in_waiting or 1):
                    self.write(b"".join(self.manager.escape(data)))

    def serve(self) -> None:
        thread = threading.Thread(target=self.copy_to_client)
        thread.start()
        try:
            while data := self.connection.recv(1024):
                self.port.write(b"".join(self.manager.filter(data)))
                self.manager.check_modem_lines()
        except OSError:
            pass  # the client has gone
        finally:
            self.port.close()
            thread.join()


@contextmanager
def served() -> Generator[tuple[int, list[Redirector]]]:
    """Serve one client after the other on a TCP port of this host; give the port, and who was served."""
    clients: list[Redirector] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    clients.append(Redirector(connection))
                    clients[-1].serve()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1], clients
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def server() -> Iterator[tuple[int, list[Redirector]]]:
    with served() as server:
        yield server


def opened(url: str, **settings: Any) -> Any:
    return serial.serial_for_url(url, **settings)


def test_a_port_behind_a_server_has_settings_and_lines(server: tuple[int, list[Redirector]]) -> None:
    number, clients = server
    with opened(f"rfc2217://127.0.0.1:{number}", baudrate=19200, timeout=10) as port:
        assert type(port) is rfc2217.Serial
        remote = clients[0].port
        assert remote.baudrate == 19200
        port.write(b"hello\xff\n")
        assert port.readline() == b"hello\xff\n"
        port.baudrate = 57600
        port.parity = "E"
        assert (remote.baudrate, remote.parity) == (57600, "E")
        port.rts = False
        port.dtr = False
        port.flush()
        assert (remote.rts, remote.dtr) == (False, False)
        port.break_condition = True
        port.flush()
        assert remote.break_condition
        port.break_condition = False
        # The loop leads RTS to CTS; the server tells of it with the next message.
        port.write(b"x")
        assert port.read(1) == b"x"
        assert (port.cts, port.dsr, port.ri, port.cd) == (False, False, False, True)
        port.timeout = 0.01
        assert port.read(1) == b""
        port.timeout = None
        canceller = threading.Timer(0.05, port.cancel_read)
        canceller.start()
        assert port.read(1) == b""
        canceller.join()


def test_a_class_is_made_first_and_gets_its_url_later(server: tuple[int, list[Redirector]]) -> None:
    # As labgrid does it.
    port = rfc2217.Serial()
    port.timeout = 10
    port.port = f"rfc2217://127.0.0.1:{server[0]}?ign_set_control&timeout=5"
    port.open()
    port.write(b"abc")
    assert port.read(3) == b"abc"
    port.close()
    assert not port.is_open
    port.open()
    assert port.is_open
    port.close()


def test_a_server_that_goes_away_is_a_disconnection(server: tuple[int, list[Redirector]]) -> None:
    with opened(f"rfc2217://127.0.0.1:{server[0]}", timeout=10) as port:
        server[1][0].connection.shutdown(socket.SHUT_RDWR)
        with pytest.raises(serial.SerialException) as lost:
            port.read(1)
    assert isinstance(lost.value, anyserial.SerialDisconnectedError)


def test_a_socket_has_bytes_and_nothing_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"socket://127.0.0.1:{listener.getsockname()[1]}/"
        with opened(url, timeout=10) as port:
            far_end, _ = listener.accept()
            with far_end:
                port.write(b"hello")
                assert far_end.recv(100) == b"hello"
                far_end.sendall(b"a line\nmore")
                assert port.readline() == b"a line\n"
                assert port.read(4) == b"more"
                port.baudrate = 1200
                port.rts = port.dtr = port.break_condition = False
                port.send_break(0)
                assert (port.cts, port.dsr, port.ri, port.cd) == (True, True, False, True)
                assert (port.in_waiting, port.baudrate) == (0, 1200)
            with pytest.raises(serial.SerialException):
                port.read(1)


@pytest.mark.parametrize("scheme", ["socket", "rfc2217"])
def test_nobody_listens(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
    with pytest.raises(serial.SerialException, match="could not open port") as refused:
        opened(f"{scheme}://127.0.0.1:{number}")
    assert isinstance(refused.value, anyserial.PortNotFoundError)


@contextmanager
def connected() -> Generator[tuple[Any, socket.socket]]:
    """Give a port of ``socket://`` and the far end's socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: Any = serial.serial_for_url(f"socket://127.0.0.1:{listener.getsockname()[1]}", timeout=LIMIT)
        far, _ = listener.accept()
        with far, port:
            yield port, far


def is_readable(port: Any, seconds: float = LIMIT) -> bool:
    return bool(select.select([port], [], [], seconds)[0])


def test_a_program_waits_for_the_socket_itself() -> None:
    with connected() as (port, far):
        assert not is_readable(port, 0)
        far.sendall(b"abcdef\nrest")
        assert is_readable(port)
        # However a byte is asked for or counted, those behind it stay where the program sees them.
        assert port.read(1) == b"a"
        assert port.in_waiting == 10
        assert is_readable(port, 0)
        port.timeout = 0
        assert port.read(2) == b"bc"
        assert is_readable(port, 0)
        assert port.readline() == b"def\n"
        assert is_readable(port, 0)
        assert port.read(10) == b"rest"
        assert not is_readable(port, 0)
        assert port.in_waiting == 0
        far.sendall(b"old")
        assert is_readable(port)
        port.reset_input_buffer()
        assert not is_readable(port, 0)


def test_a_program_that_waits_itself_notices_the_end() -> None:
    with connected() as (port, far):
        port.fileno()
        far.sendall(b"last")
        far.shutdown(socket.SHUT_WR)
        assert is_readable(port)
        assert port.read(4) == b"last"
        assert is_readable(port)
        with pytest.raises(anyserial.SerialDisconnectedError):
            _ = port.in_waiting


def test_a_closed_port_has_no_socket() -> None:
    with connected() as (port, _):
        port.close()
        with pytest.raises(serial.PortNotOpenError):
            port.fileno()
