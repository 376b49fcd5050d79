"""Network ports keep the contract of backends, and serve blocking code, of which nothing waits in vain."""

import errno
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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
from anyserial.tap import Tap
from anyserial.testing import BackendBench, check_backend, spy
from network_far_end import PATIENCE, FarEnd

FULL = os.environ.get("ANYSERIAL_STRESS") == "full"


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


def test_a_blocking_receive_makes_room_for_answers_and_notifications(server: FarEnd) -> None:
    """One thread receives all the time; the answers that others wait for come in the same stream."""
    with open_serial_port(server.url) as port:
        got = bytearray()
        lines: list[Any] = []

        def receive() -> None:
            while len(got) < 3000:
                got.extend(port.receive(timeout=PATIENCE))

        threads = [
            threading.Thread(target=receive),
            threading.Thread(target=lambda: lines.append(port.wait_modem_change(interval=60, timeout=PATIENCE))),
        ]
        port.modem_lines(timeout=PATIENCE)
        for thread in threads:
            thread.start()
        for rate in range(1, 11):
            server.send(bytes(range(156, 256)))
            port.configure(port.config.with_changes(baudrate=rate * 100), timeout=PATIENCE)
            assert port.actual_baudrate == rate * 100
            server.send(bytes(range(200)))
            port.drain(timeout=PATIENCE)
        server.say(Command.NOTIFY_MODEM_STATE, ModemState.CD)
        for thread in threads:
            thread.join(PATIENCE)
        assert bytes(got) == (bytes(range(156, 256)) + bytes(range(200))) * 10
        assert lines[0].cd


def test_what_came_before_the_end_is_received_by_a_blocking_port(far: FarEnd) -> None:
    with open_serial_port(far.url) as port:
        far.send(bytes(30_000))
        far.hang_up()
        with suppress(SerialDisconnectedError):
            while True:
                port.send(b"x", timeout=PATIENCE)
        got = 0
        with suppress(SerialDisconnectedError):
            while True:
                got += len(port.receive(timeout=PATIENCE))
        assert got == 30_000


@pytest.mark.anyio
@pytest.mark.parametrize("watch", [Tap, spy])
async def test_what_a_network_port_sends_is_observed(far: FarEnd, watch: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "anyserial.spy")
    heard: list[Any] = []
    async with await SerialConnectable(path=far.url).connect() as port:
        with watch(port, heard.append) if watch is Tap else watch(port):
            await port.send(b"there")
            far.send(b"back")
            with anyio.fail_after(PATIENCE):
                assert await port.receive() == b"back"
    told = [str(event.data) for event in heard] or [record.getMessage() for record in caplog.records]
    assert "there" in str(told)
    assert "back" in str(told)


def test_a_blocking_port_that_is_watched_tells_everything(far: FarEnd) -> None:
    heard: list[Any] = []
    with open_serial_port(far.url) as port:
        port.send(b"before")
        with Tap(port, heard.append):
            port.send(b"there", timeout=PATIENCE)
            far.send(b"back")
            assert port.receive(timeout=PATIENCE) == b"back"
        far.send(b"after")
        assert port.receive(timeout=PATIENCE) == b"after"
    assert [bytes(event.data) for event in heard if event.data] == [b"there", b"back"]


def test_a_program_that_forgets_its_port_still_ends(far: FarEnd) -> None:
    program = f"from anyserial.sync import open_serial_port\nport = open_serial_port({far.url!r})\nport.send(b'x')"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE * 3,
    )
    assert done.stderr == ""


# A handler that raises comes at a random moment of a call. What was counted was sent and received, exactly once.
STORM = """
import random, signal, sys, time
from anyserial.sync import open_serial_port

class Interruption(Exception):
    pass

def interrupt(*_):
    if armed:
        armed.clear()
        raise Interruption

def guarded(call):
    signal.setitimer(signal.ITIMER_REAL, random.choice([1e-5, 1e-4, 1e-3]) * random.random() + 1e-6)
    try:
        try:
            armed.append(True)
            call()
        finally:
            armed.clear()
    except (Interruption, TimeoutError):
        pass

def stream(begin, count):
    return bytes((i * 7 + i // 256) % 256 for i in range(begin, begin + count))

armed = []
sys.unraisablehook = lambda _: None
signal.signal(signal.SIGALRM, interrupt)
port = open_serial_port(sys.argv[1])
sent = received = 0
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    if sent - received < 4000:
        data = stream(sent, random.randrange(1, 200))
        guarded(lambda: port.send(data))
        sent = port.statistics.bytes_sent
    got = []
    size, timeout = random.choice([1, 5, 65536]), random.choice([0, 0.001, 0.1])
    guarded(lambda: got.append(port.receive(size, timeout=timeout)))
    assert all(data == stream(received, len(data)) for data in got), (received, got)
    received = port.statistics.bytes_received
    if random.random() < 0.02:
        guarded(port.input_waiting)
signal.setitimer(signal.ITIMER_REAL, 0)
while received < sent:
    data = port.receive(timeout=5)
    assert data == stream(received, len(data)), (received, data)
    received += len(data)
try:
    print("too much:", port.receive(timeout=0.1))
except TimeoutError:
    print("over")
port.close()
"""


@pytest.mark.parametrize("speaks", [False, True])
def test_an_interruption_loses_no_byte_and_doubles_none(speaks: bool) -> None:
    with FarEnd(speaks=speaks, echoes=True) as end:
        done = subprocess.run(
            [sys.executable, "-c", STORM, end.url, "20" if FULL else "0.5"], capture_output=True, text=True, check=False
        )
    assert (done.stdout, done.stderr) == ("over\n", "")


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
