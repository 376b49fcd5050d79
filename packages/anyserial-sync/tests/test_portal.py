# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# A lambda has nowhere to say what it takes.
"""A backend without a descriptor: everything goes through the one portal."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyserial.sync
import anyserial_sync._portal_provider as provider_module
import pytest
from anyserial.capabilities import ControlLines
from anyserial.config import SerialConfig
from anyserial.exceptions import (
    SerialCancelledError,
    SerialClosedError,
    SerialDisconnectedError,
    UnsupportedFeatureError,
)
from anyserial.sync import SerialPort, configure_portal, get_portal_provider, open_serial_port

type QueueBackend = Any  # conftest's, which has no name to import it by


@pytest.fixture(autouse=True, params=["asyncio", "trio"])
def fresh_provider(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "_state", provider_module._State())
    configure_portal(request.param)


@pytest.fixture
def port(queue_backend: QueueBackend) -> Iterator[SerialPort]:
    before = set(threading.enumerate())
    opened = open_serial_port("loop://", SerialConfig(), backend=queue_backend)
    yield opened
    opened.close()
    deadline = time.monotonic() + 5
    while left := [t for t in set(threading.enumerate()) - before if not t.name.startswith(("Trio", "anyserial"))]:
        assert time.monotonic() < deadline, left


def test_everything_goes_through_the_portal(port: SerialPort, queue_backend: QueueBackend) -> None:
    assert port.path == "loop://"
    port.send(bytes(range(250)))
    assert port.input_waiting() == 250
    assert port.receive(100, timeout=5) == bytes(range(100))
    assert port.receive_exactly(100) == bytes(range(100, 200))
    buffer = bytearray(64)
    assert port.receive_into(buffer) == 50
    assert port.output_waiting() == 0
    port.drain()
    port.drain_exact(timeout=5)
    port.configure(port.config.with_changes(baudrate=9600))
    assert port.config.baudrate == 9600
    port.send_break(0.01)
    assert port.control_lines() == ControlLines(rts=True, dtr=False)
    port.set_control_lines(rts=False)
    port.reset_output_buffer()
    port.send(b"abc")
    port.reset_input_buffer()
    with pytest.raises(UnsupportedFeatureError):
        port.line_counters()
    with pytest.raises(UnsupportedFeatureError):
        port.fileno()
    with pytest.raises(TimeoutError):
        port.wait_modem_change(timeout=0.05)
    for timeout in (0, 0.001):
        with pytest.raises(TimeoutError):
            port.receive(timeout=timeout)
    port.send(b"x")
    assert port.receive(timeout=0) == b"x"
    assert len(queue_backend.threads) == 1
    assert threading.get_ident() not in queue_backend.threads
    names = [call[0] for call in queue_backend.calls]
    assert names.index("drain_exact") < names.index("configure") < names.index("set_break")


def test_one_portal_for_all_ports_gone_after_the_last(port: SerialPort, queue_backend: QueueBackend) -> None:
    provider = get_portal_provider()
    other = open_serial_port("loop://2", backend=type(queue_backend)())
    portals = [each._port.transport.portal._portal for each in (other, port)]  # type: ignore[attr-defined]
    assert portals[0] is portals[1]
    other.close()
    assert provider._leases == 1
    port.close()
    assert provider._leases == 0
    with pytest.raises(SerialClosedError):
        port.receive()


def test_configure_portal_only_before_the_first_use(port: SerialPort) -> None:
    with pytest.raises(RuntimeError, match="before the first use"):
        configure_portal("asyncio")
    assert anyserial.sync._get_provider is get_portal_provider
    assert anyserial.sync._get_provider() is get_portal_provider()


@pytest.mark.parametrize("end", ["cancel", "close", "timeout"])
def test_a_blocked_call_is_woken(port: SerialPort, queue_backend: QueueBackend, end: str) -> None:
    queue_backend.never = {"send", "drain"}
    calls: list[Any] = [
        port.receive,
        lambda **kw: port.receive_exactly(3, **kw),
        lambda **kw: port.send(b"x", **kw),
        port.drain,
        lambda **kw: port.send_break(60, **kw),
    ]
    with ThreadPoolExecutor(1) as pool:
        for call in calls if end != "close" else calls[:1]:
            seen = len(queue_backend.calls)
            future = pool.submit(call, **({"timeout": 0.03} if end == "timeout" else {}))
            deadline = time.monotonic() + 5
            # On a busy machine a timeout may end the call before it reaches the backend.
            while end != "timeout" and len(queue_backend.calls) == seen:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            if end == "cancel":
                port.cancel_receive()
                port.cancel_send()
            elif end == "close":
                port.close()
            with pytest.raises({"cancel": SerialCancelledError, "close": SerialClosedError}.get(end, TimeoutError)):
                future.result(5)
    if end != "close":
        queue_backend.never.clear()
        port.send(b"usable")
        assert port.receive() == b"usable"


def test_an_open_that_takes_too_long_leaves_nothing(queue_backend: QueueBackend) -> None:
    queue_backend.never = {"open"}
    with pytest.raises(TimeoutError):
        open_serial_port("loop://", backend=queue_backend, timeout=0.02)
    assert get_portal_provider()._leases == 0


def test_the_device_goes(port: SerialPort, queue_backend: QueueBackend) -> None:
    queue_backend.gone = True
    with pytest.raises(SerialDisconnectedError):
        port.receive()
    assert not port.is_open
    with pytest.raises(SerialDisconnectedError):
        port.send(b"x")
    port.close()
    assert get_portal_provider()._leases == 0


# A portal is a thread; from Python 3.15 on, the warning about that reaches the parent.
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_child_after_fork_gets_a_portal_of_its_own(port: SerialPort, queue_backend: QueueBackend) -> None:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            try:
                port.receive()
            except SerialClosedError:
                port.close()
                with open_serial_port("loop://", backend=type(queue_backend)()) as mine:
                    mine.send(b"mine")
                    code = 0 if mine.receive() == b"mine" else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0
    port.send(b"parent")
    assert port.receive() == b"parent"
