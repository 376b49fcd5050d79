"""How the connection of an asyncio transport ends: close, abort, unplug, fork, and a transport that is forgotten."""

import asyncio
import gc
import os
import threading
import time
from typing import Any

import pytest
import uvloop
from anyio import wait_all_tasks_blocked
from anyserial.asyncio import TransportSerial, connection_for_serial, create_serial_connection
from anyserial.exceptions import LineError, SerialDisconnectedError, SerialError
from backends import Far, OwnBackend, PtyBackend, until
from children import run_in_child
from event_loops import NoReaderLoop
from protocols import Notes, connect, reports

pytestmark = pytest.mark.anyio
WATCHING = [
    pytest.param(("asyncio", {"loop_factory": asyncio.SelectorEventLoop}), id="asyncio"),
    pytest.param(("asyncio", {"loop_factory": uvloop.new_event_loop}), id="uvloop"),
]
LOOPS = [*WATCHING, pytest.param(("asyncio", {"loop_factory": NoReaderLoop}), id="portable")]
MUCH = bytes(range(256)) * 1200  # far more than a pty holds


everywhere = pytest.mark.parametrize("anyio_backend", LOOPS, indirect=True)


@pytest.fixture(autouse=True)
def as_without_the_pyserial_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """`anyserial.pyserial`, which other tests import, has errors of its own raised here as well."""
    monkeypatch.setattr("anyserial._asyncio.errors._translators", [])


@pytest.fixture(params=WATCHING)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


# Close


@everywhere
async def test_close_lets_the_output_leave_first(far: Far) -> None:
    transport, protocol = await connect(far.path)
    transport.write(MUCH)
    transport.close()
    transport.close()
    transport.write(b"ignored")
    far.write(b"ignored")
    assert await asyncio.to_thread(far.read, len(MUCH)) == MUCH
    assert await protocol.lost() is None
    assert protocol.data == b""
    assert protocol.events[:2] == ["made", "pause"]


@pytest.mark.parametrize("patience", [0.1, 0])
async def test_close_gives_up_output_that_stands_still(far: Far, patience: float) -> None:
    transport, protocol = await connect(far.path, close_timeout=patience)
    transport.write(MUCH)
    began = time.monotonic()
    transport.close()
    if patience:
        with pytest.warns(RuntimeWarning, match=r"\d{6} bytes of output not sent.*0\.1 s"):
            assert await protocol.lost() is None
    else:
        assert await protocol.lost() is None
    assert patience * 0.9 <= time.monotonic() - began < patience + 1  # uvloop counts milliseconds
    assert transport.get_write_buffer_size() == 0


async def test_output_that_moves_is_not_given_up(far: Far) -> None:
    transport, protocol = await connect(far.path, close_timeout=0.15)
    transport.write(MUCH[:40000])
    transport.close()
    data = bytearray()

    def read_slowly() -> None:
        while len(data) < 40000:
            time.sleep(0.02)
            data.extend(far.read(min(4096, 40000 - len(data))))

    await asyncio.to_thread(read_slowly)
    assert await protocol.lost() is None
    assert data == MUCH[:40000]


async def test_close_gives_up_what_the_driver_holds(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await connect(far.path, backend, close_timeout=0.05)
    backend.queued = 7
    transport.close()
    with pytest.warns(RuntimeWarning, match="7 bytes of output not sent"):
        assert await protocol.lost() is None
    assert "reset_output_buffer" in backend.names()


async def test_a_driver_that_hangs_in_its_close_holds_up_nobody(far: Far, backend: PtyBackend) -> None:
    go_on = threading.Event()
    backend.hooks["close"] = lambda: go_on.wait(5)
    transport, protocol = await connect(far.path, backend, close_timeout=0.05)
    began = time.monotonic()
    transport.close()
    assert await protocol.lost() is None
    assert time.monotonic() - began < 1
    assert backend.is_open
    go_on.set()
    await until(lambda: not backend.is_open)
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(protocol.losses) == 1


async def test_an_error_of_the_drivers_close_is_reported(far: Far, backend: PtyBackend) -> None:
    found = reports()
    error = OSError(5, "x")

    def fail() -> None:
        backend.hooks.clear()
        backend.close()
        raise error

    backend.hooks["close"] = fail
    backend._guard = threading.RLock()  # type: ignore[assignment]
    transport, protocol = await connect(far.path, backend)
    transport.close()
    assert await protocol.lost() is None
    assert [report["exception"] for report in found] == [error]


class Hasty(Notes):
    """Closes as soon as it gets something."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.close()


@everywhere
async def test_close_from_within_data_received(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await create_serial_connection(None, Hasty, far.path, backend=backend, read_chunk_size=64)
    far.write(bytes(1000))
    assert await protocol.lost() is None
    assert protocol.data == bytes(64)
    assert transport.is_closing()


# Abort


@everywhere
async def test_abort_waits_for_nothing(far: Far) -> None:
    transport, protocol = await connect(far.path, close_timeout=5)
    transport.write(MUCH)
    began = time.monotonic()
    transport.abort()
    transport.abort()
    transport.write(b"ignored")
    assert protocol.losses == []  # not from within the call
    assert await protocol.lost() is None
    assert time.monotonic() - began < 1


async def test_abort_hurries_a_close(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await connect(far.path, backend, close_timeout=5)
    backend.queued = 7
    transport.close()
    await until(lambda: "output_waiting" in backend.names())
    began = time.monotonic()
    transport.abort()
    assert await protocol.lost() is None
    assert time.monotonic() - began < 1


async def test_abort_ends_a_close_that_waits_for_held_output(far: Far) -> None:
    transport, protocol = await connect(far.path, close_timeout=5)
    transport.write(MUCH)
    transport.close()
    await asyncio.sleep(0)
    began = time.monotonic()
    transport.abort()
    assert await protocol.lost() is None
    assert time.monotonic() - began < 1


# Unplug


@everywhere
async def test_an_unplug_while_idle(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await connect(far.path, backend)
    far.hang_up()
    error = await protocol.lost()
    assert isinstance(error, SerialDisconnectedError)
    assert error.filename == far.path
    transport.write(b"ignored")
    transport.close()
    transport.abort()
    assert await protocol.lost() is error
    assert not backend.is_open


@everywhere
async def test_an_unplug_with_output_held(far: Far) -> None:
    found = reports()
    transport, protocol = await connect(far.path)
    transport.pause_reading()  # so that only the write notices
    transport.write(MUCH)
    await wait_all_tasks_blocked()
    far.hang_up()
    assert isinstance(await protocol.lost(), SerialDisconnectedError)
    assert transport.get_write_buffer_size() == 0
    assert found == []


async def test_an_unplug_that_a_write_notices(far: Far) -> None:
    transport, protocol = await connect(far.path)
    transport.pause_reading()
    far.hang_up()
    transport.write(b"x")
    assert protocol.losses == []
    assert isinstance(await protocol.lost(), SerialDisconnectedError)


async def test_an_unplug_during_a_close(far: Far) -> None:
    transport, protocol = await connect(far.path, close_timeout=5)
    transport.write(MUCH)
    transport.close()
    await wait_all_tasks_blocked()
    far.hang_up()
    assert isinstance(await protocol.lost(), SerialDisconnectedError)


async def test_what_had_arrived_comes_before_the_loss(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await connect(far.path, backend)
    transport.pause_reading()
    far.write(b"last words")
    transport.resume_reading()

    def gone() -> None:
        backend.hooks.clear()
        raise SerialDisconnectedError(19, "gone", far.path)

    backend.hooks["output_waiting"] = gone
    with pytest.raises(SerialDisconnectedError):
        _ = transport.serial.out_waiting
    assert isinstance(await protocol.lost(), SerialDisconnectedError)
    assert protocol.data == b"last words"


async def test_a_failed_transfer_is_no_unplug(far: Far, backend: PtyBackend) -> None:
    _, protocol = await connect(far.path, backend)

    def fail() -> None:
        raise SerialError(5, "failed", far.path)

    backend.hooks["read"] = fail
    far.write(b"x")
    error = await protocol.lost()
    assert isinstance(error, SerialError)
    assert not isinstance(error, SerialDisconnectedError)
    assert not backend.is_open


async def test_what_a_decoder_of_line_errors_leaves_is_delivered(far: Far, backend: PtyBackend) -> None:
    backend.decoder = lambda data: [data[:2], data[2:]]
    _, protocol = await connect(far.path, backend, line_errors="discard")
    far.write(b"abcd")
    await protocol.until(lambda: protocol.data == b"abcd")
    far.hang_up()
    await protocol.lost()


async def test_a_line_error_ends_the_connection(far: Far, backend: PtyBackend) -> None:
    found = reports()
    error = LineError("a break", kind="break", byte=0)
    backend.decoder = lambda data: [data, error]
    _, protocol = await connect(far.path, backend, line_errors="discard")
    far.write(b"abcd")
    assert await protocol.lost() is error
    assert protocol.data == b"abcd"
    assert [report["exception"] for report in found] == [error]


# Closed by something else


@everywhere
@pytest.mark.parametrize("where", ["here", "in a thread"])
async def test_closing_the_serial_object_closes_the_transport(far: Far, where: str) -> None:
    transport, protocol = await connect(far.path)
    if where == "here":
        transport.serial.close()
    else:
        await asyncio.to_thread(transport.serial.close)
    transport.write(b"ignored")
    assert await protocol.lost() is None
    assert transport.is_closing()
    assert not transport.serial.is_open
    transport.close()
    await protocol.lost()


async def test_a_forgotten_transport_is_closed_with_a_warning(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await connect(far.path, backend)
    transport.pause_reading()  # otherwise the event loop holds it
    protocol.transport = None
    del protocol
    with pytest.warns(ResourceWarning, match=f"unclosed transport.*{far.path}"):
        del transport
        gc.collect()
    await until(lambda: not backend.is_open)


async def test_a_transport_without_a_reference_lives_as_long_as_it_reads(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await connect(far.path, backend)
    protocol.transport = None
    del transport
    gc.collect()
    far.write(b"x")
    await protocol.until(lambda: protocol.data == b"x")
    far.hang_up()
    await protocol.lost()


@pytest.mark.parametrize("factory", [asyncio.SelectorEventLoop, uvloop.new_event_loop])
def test_an_event_loop_that_is_over(factory: Any) -> None:
    far, backend = Far(), PtyBackend()
    with asyncio.Runner(loop_factory=factory) as runner:
        transport, protocol = runner.run(connect(far.path, backend))
    serial = transport.serial
    assert os.fstat(serial.fileno())  # which has nothing to register again
    serial.close()  # there is no event loop to wait for
    began = time.monotonic()
    while backend.is_open:
        assert time.monotonic() - began < 5
        time.sleep(0.001)
    assert protocol.losses == []
    far.hang_up()


def test_a_transport_that_its_event_loop_leaves_behind() -> None:
    far, backend = Far(), PtyBackend()
    with asyncio.Runner() as runner:
        transport, protocol = runner.run(connect(far.path, backend))
    del protocol
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        del transport
        gc.collect()
    began = time.monotonic()
    while backend.is_open:
        assert time.monotonic() - began < 5
        time.sleep(0.001)
    far.hang_up()


# Fork


async def test_a_forked_child_leaves_the_port_and_the_event_loop_alone(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await connect(far.path, backend)
    transport.write(MUCH)
    held = transport.get_write_buffer_size()

    def child() -> None:
        calls = len(backend.calls)
        transport.write(b"the child's")
        transport.pause_reading()
        transport.resume_reading()
        transport.close()
        transport.abort()
        transport.serial.close()
        assert transport.is_closing()
        assert not transport.serial.is_open
        assert protocol.losses == []
        assert backend.calls[calls:] == []

    run_in_child(child)
    assert transport.get_write_buffer_size() == held
    assert await asyncio.to_thread(far.read, len(MUCH)) == MUCH
    far.write(b"x")
    await protocol.until(lambda: protocol.data == b"x")
    transport.close()
    assert await protocol.lost() is None


# Backends that wait by themselves


async def test_a_backend_that_waits_by_itself(far: Far) -> None:
    backend = OwnBackend()
    backend.takes = 1000
    transport, protocol = await connect("own", backend)
    transport.write(MUCH)
    assert protocol.events == ["made", "pause"]
    await protocol.until(lambda: len(protocol.data) == len(MUCH))
    assert protocol.data == MUCH
    assert protocol.events == ["made", "pause", "resume"]
    transport.pause_reading()
    transport.write(b"echo")
    await wait_all_tasks_blocked()
    assert len(protocol.data) == len(MUCH)
    transport.resume_reading()
    await protocol.until(lambda: protocol.data.endswith(b"echo"))
    transport.write(b"bye")
    transport.close()
    assert await protocol.lost() is None
    assert backend.calls[-2:] == ["send", "aclose"]
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("anyserial")] == []


@pytest.mark.parametrize("direction", ["receive", "send"])
async def test_a_backend_that_waits_by_itself_and_fails(direction: str) -> None:
    backend = OwnBackend()
    transport, protocol = await connect("own", backend)
    if direction == "receive":
        await wait_all_tasks_blocked()
        backend.unplug()
    else:

        async def fail() -> None:
            raise SerialDisconnectedError(19, "gone", "own")

        backend.hooks["send"] = fail
        transport.write(b"x")
    assert isinstance(await protocol.lost(), SerialDisconnectedError)
    assert not backend.is_open
    await wait_all_tasks_blocked()
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("anyserial")] == []


async def test_a_backend_that_waits_by_itself_and_never_closes() -> None:
    backend = OwnBackend()

    async def never() -> None:
        await asyncio.Event().wait()

    backend.hooks["aclose"] = never
    transport, protocol = await connect("own", backend, close_timeout=0.05)
    began = time.monotonic()
    transport.close()
    assert await protocol.lost() is None
    assert time.monotonic() - began < 1


async def test_a_stuck_backend_that_waits_by_itself_is_given_up() -> None:
    backend = OwnBackend()

    async def never() -> None:
        await asyncio.Event().wait()

    backend.hooks["send"] = never
    transport, protocol = await connect("own", backend, close_timeout=0.05)
    transport.write(b"stuck")
    transport.close()
    with pytest.warns(RuntimeWarning, match="5 bytes of output not sent"):
        assert await protocol.lost() is None


@pytest.mark.parametrize("where", ["here", "in a thread"])
async def test_the_serial_object_of_a_backend_that_waits_by_itself(where: str) -> None:
    backend = OwnBackend()
    transport, protocol = await connect("own", backend)
    if where == "here":
        transport.serial.close()
    else:
        await asyncio.to_thread(transport.serial.close)
    assert await protocol.lost() is None
    assert not backend.is_open
    with pytest.raises(SerialError):
        await connection_for_serial(None, Notes, transport.serial)
    assert isinstance(transport.serial, TransportSerial)


@pytest.mark.parametrize("factory", [asyncio.SelectorEventLoop, uvloop.new_event_loop, NoReaderLoop])
@pytest.mark.parametrize("kind", [OwnBackend, PtyBackend])
def test_an_event_loop_that_anyio_has_not_started(factory: Any, kind: Any) -> None:
    far, backend = Far(), kind()

    async def main() -> None:
        transport, protocol = await create_serial_connection(None, Notes, far.path, backend=backend)
        transport.write(MUCH[:5000])  # before the protocol is connected
        if kind is PtyBackend:
            await asyncio.to_thread(lambda: os.write(far.master, far.read(5000)))
        await protocol.until(lambda: protocol.data == MUCH[:5000])
        transport.close()
        assert await protocol.lost() is None

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    far.hang_up()
