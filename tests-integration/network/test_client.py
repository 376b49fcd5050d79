"""Network ports keep the contract of backends, and serve blocking code, of which nothing waits in vain."""

import errno
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
from anyserial import (
    ControlLines,
    FlowControl,
    LineError,
    PortNotFoundError,
    SerialCancelledError,
    SerialClosedError,
    SerialConfig,
    SerialConnectable,
    SerialDisconnectedError,
    UnsupportedFeatureError,
)
from anyserial._network.com_port import Command, ModemState
from anyserial.network import Rfc2217Backend, TcpBackend
from anyserial.sync import SerialConnectable as BlockingConnectable
from anyserial.sync import SerialPort, open_serial_port, reconnect
from anyserial.testing import BackendBench, check_backend
from network_far_end import PATIENCE, FarEnd


def nobody() -> int:
    """Return a TCP port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def bench(*, speaks: bool) -> BackendBench:
    far = FarEnd(speaks=speaks)
    backend: Rfc2217Backend | TcpBackend = Rfc2217Backend() if speaks else TcpBackend()
    refused = (
        SerialConfig(flow_control=FlowControl(xon_xoff=True, rts_cts=True)) if speaks else SerialConfig(parity="odd")
    )
    return BackendBench(
        backend=backend,
        path=far.url,
        send=far.send,
        receive=far.receive,
        hang_up=far.hang_up,
        close=far.close,
        # A raw connection takes the rates that the suite sets only where the policy lets it.
        config=SerialConfig(unsupported_policy="raise" if speaks else "ignore"),
        missing=f"{'rfc2217' if speaks else 'tcp'}://127.0.0.1:{nobody()}",
        refused=refused,
    )


@pytest.mark.parametrize(("speaks", "skipped"), [(True, ""), (False, "B13")])
def test_the_backends_keep_the_contract(speaks: bool, skipped: str) -> None:
    report = check_backend(lambda: bench(speaks=speaks))
    assert {result.clause for result in report.results if result.outcome == "skipped"} == set(skipped.split())


@pytest.fixture(params=[True, False], ids=["rfc2217", "tcp"])
def far(request: pytest.FixtureRequest) -> Iterator[FarEnd]:
    with FarEnd(speaks=request.param) as end:
        yield end


@pytest.fixture
def server() -> Iterator[FarEnd]:
    with FarEnd(speaks=True) as end:
        yield end


def test_blocking_data(far: FarEnd) -> None:
    with open_serial_port(far.url, timeout=PATIENCE) as port:
        assert (port.path, port.is_open) == (far.url, True)
        port.send(b"there\xff", timeout=PATIENCE)
        deadline = time.monotonic() + PATIENCE
        got = b""
        while len(got) < 6 and time.monotonic() < deadline:
            got += far.receive(100)
        assert got == b"there\xff"
        far.send(b"and \xff back")
        assert port.receive(4, timeout=PATIENCE) == b"and "
        assert port.input_waiting() == 6
        assert port.receive(timeout=PATIENCE) == b"\xff back"
        with pytest.raises(TimeoutError):
            port.receive(timeout=0.02)
        with pytest.raises(TimeoutError):
            port.receive(timeout=0)
        far.send(b"still usable")
        assert port.receive(timeout=PATIENCE) == b"still usable"
        port.drain(timeout=PATIENCE)
    with pytest.raises(SerialClosedError):
        port.receive()


def test_blocking_settings_and_lines(server: FarEnd) -> None:
    with BlockingConnectable(path=server.url, config=SerialConfig(baudrate=9600)).connect(timeout=PATIENCE) as port:
        assert port.actual_baudrate == 9600
        assert port.port_info is not None
        assert port.port_info.description == "far end"
        port.configure(port.config.with_changes(baudrate=57600, parity="even", line_errors="raise"), timeout=PATIENCE)
        assert port.actual_baudrate == 57600
        assert port.control_lines(timeout=PATIENCE) == ControlLines(rts=True, dtr=True)
        port.set_control_lines(dtr=False, timeout=PATIENCE)
        assert port.control_lines(timeout=PATIENCE) == ControlLines(rts=True, dtr=False)
        port.send_break(0.01, timeout=PATIENCE)
        port.reset_input_buffer(timeout=PATIENCE)
        server.say(Command.NOTIFY_LINE_STATE, 16)
        with pytest.raises(LineError, match="a break was received"):
            port.receive(timeout=PATIENCE)


def test_a_blocking_wait_for_the_modem_lines_is_told(server: FarEnd) -> None:
    with open_serial_port(server.url) as port:
        before = port.modem_lines(timeout=PATIENCE)
        with pytest.raises(TimeoutError):
            port.wait_modem_change(interval=60, timeout=0.05)
        threading.Timer(0.02, server.say, (Command.NOTIFY_MODEM_STATE, ModemState.CD)).start()
        after = port.wait_modem_change(interval=60, timeout=PATIENCE)
        assert after.cd
        assert not before.cd


CALLS: dict[str, tuple[Callable[[SerialPort], Any], Callable[[SerialPort], Any], type[Exception]]] = {
    "close a receive": (lambda port: port.receive(), lambda port: port.close(), SerialClosedError),
    "close a send": (lambda port: port.send(bytes(1 << 26)), lambda port: port.close(), SerialClosedError),
    "cancel a receive": (lambda port: port.receive(), lambda port: port.cancel_receive(), SerialCancelledError),
    "cancel a send": (lambda port: port.send(bytes(1 << 26)), lambda port: port.cancel_send(), SerialCancelledError),
    "close a break": (lambda port: port.send_break(60), lambda port: port.close(), SerialClosedError),
}


@pytest.mark.parametrize("name", CALLS)
def test_another_thread_ends_a_blocking_call(name: str) -> None:
    call, end, error = CALLS[name]
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as listener, FarEnd(speaks=True) as server:
        # For a send, a peer that does not read; for the rest, one that answers.
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}" if "send" in name else server.url
        with open_serial_port(url, close_timeout=0.05) as port:
            timer = threading.Timer(0.1, end, (port,))
            timer.start()
            begun = time.monotonic()
            with pytest.raises(error):
                call(port)
            assert time.monotonic() - begun < PATIENCE
            timer.join()
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon:  # the portal, which ends after a close that did not wait for it
            thread.join(PATIENCE)


def test_a_blocking_open_can_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rfc2217://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            open_serial_port(url, timeout=0.05)
        assert time.monotonic() - begun < 2


def test_a_blocking_port_notices_the_end(far: FarEnd) -> None:
    with open_serial_port(far.url) as port:
        far.send(b"last")
        far.hang_up()
        assert port.receive(timeout=PATIENCE) == b"last"
        with pytest.raises(SerialDisconnectedError):
            port.receive(timeout=PATIENCE)
        assert not port.is_open


def test_blocking_errors() -> None:
    port = nobody()
    with pytest.raises(PortNotFoundError, match=f"nothing listens at 127.0.0.1:{port}") as caught:
        open_serial_port(f"rfc2217://127.0.0.1:{port}")
    assert caught.value.errno == errno.ECONNREFUSED
    with FarEnd(speaks=False) as far, pytest.raises(UnsupportedFeatureError, match="baudrate=9600"):
        open_serial_port(far.url, baudrate=9600)


def test_a_blocking_reconnect(far: FarEnd) -> None:
    rounds = 0
    with reconnect(far.url) as ports:
        for port in ports:
            rounds += 1
            if rounds == 2:
                break
            far.hang_up()
            with pytest.raises(SerialDisconnectedError):
                port.receive(timeout=PATIENCE)
    assert rounds == 2


@pytest.mark.anyio
async def test_a_port_follows_its_caller_to_another_event_loop(far: FarEnd) -> None:
    port = await SerialConnectable(path=far.url).connect()
    far.send(b"one")
    assert await port.receive() == b"one"

    async def elsewhere() -> None:
        with anyio.fail_after(PATIENCE):
            far.send(b"two")
            assert await port.receive() == b"two"
            await port.send(b"back")

    def run() -> None:
        anyio.run(elsewhere)

    await anyio.to_thread.run_sync(run)
    far.send(b"three")
    with anyio.fail_after(PATIENCE):
        assert await port.receive() == b"three"
    await port.aclose()


@pytest.mark.parametrize("module", ["anyserial", "anyserial.sync"])
def test_a_local_port_loads_nothing_of_the_network(module: str) -> None:
    program = f"""
import os, sys, tty
import {module}
main, end = os.openpty()
tty.setraw(end)
from anyserial.sync import open_serial_port
open_serial_port(os.ttyname(end)).close()
print([name for name in sys.modules if "_network" in name or name == "anyserial.network"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
