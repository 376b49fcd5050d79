"""What runs where: on the event loop's thread only what cannot block, and the loop never stands still."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyserial import SerialConfig, SerialPort, open_serial_port
from backends import BLOCKING, Far, PtyBackend

pytestmark = pytest.mark.anyio

ON_THE_LOOP = {"read", "read_into", "write", "input_waiting", "output_waiting", "hung_up"}


async def _everything(far: Far, backend: PtyBackend, config: SerialConfig) -> None:
    """Every method of a port, from its opening to its close."""
    port = await open_serial_port(far.path, config, backend=backend)
    far.write(b"some bytes")
    await port.receive(4)
    await port.receive_into(bytearray(16))
    with anyio.move_on_after(0.01):
        await port.receive()
    await port.send(b"some bytes")
    await port.send_eof()
    await port.configure(port.config.with_changes(baudrate=9600))
    await port.reset_input_buffer()
    await port.reset_output_buffer()
    await port.drain()
    await port.drain_exact()
    await port.send_break(0.01)
    await port.set_break(False)
    await port.modem_lines()
    await port.control_lines()
    await port.set_control_lines(rts=True)
    await port.line_counters()
    port.input_waiting()
    port.output_waiting()
    with anyio.move_on_after(0.01):
        await port.wait_modem_change(interval=0.001)
    await port.aclose()


async def test_what_may_block_is_called_on_another_thread(far: Far, backend: PtyBackend) -> None:
    loop_thread = threading.get_ident()
    backend.transmitter.extend([False, None])
    await _everything(far, backend, SerialConfig())
    called = set(backend.names())
    assert called - {"hung_up"} == (BLOCKING | ON_THE_LOOP) - {"hung_up"}, "not everything was tried"
    on_the_loop = {name for name, thread in backend.calls if thread == loop_thread}
    assert on_the_loop <= ON_THE_LOOP
    assert {name for name, thread in backend.calls if thread != loop_thread} <= BLOCKING | {"output_waiting"}


async def test_a_slow_driver_never_holds_up_the_loop(far: Far, backend: PtyBackend) -> None:
    """Every call that may block waits until the event loop has come round: on its thread, it never would."""
    turns = 0
    turned = threading.Condition()

    def wait_for_the_loop() -> None:
        with turned:
            before = turns
            assert turned.wait_for(lambda: turns >= before + 3, 10), "the event loop stands still"

    async def turn() -> None:
        nonlocal turns
        while True:
            with turned:
                turns += 1
                turned.notify_all()
            await anyio.sleep(0.001)

    for name in BLOCKING:
        backend.hooks[name] = wait_for_the_loop
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(turn)
            await _everything(far, backend, SerialConfig(close_timeout=20.0))
            group.cancel_scope.cancel()
    assert not backend.is_open


_DISCONNECTING: list[tuple[str, Callable[[SerialPort], Any]]] = [
    ("receive", lambda port: port.receive()),
    ("send", lambda port: port.send(b"x")),
]


@pytest.mark.parametrize(("name", "call"), _DISCONNECTING)
async def test_the_close_after_a_hang_up_runs_off_the_loop(
    far: Far, backend: PtyBackend, name: str, call: Callable[[SerialPort], Any]
) -> None:
    del name
    loop_thread = threading.get_ident()
    async with await open_serial_port(far.path, backend=backend) as port:
        far.hang_up()
        with pytest.raises(anyio.BrokenResourceError):
            await call(port)
    assert [thread != loop_thread for name, thread in backend.calls if name == "close"] == [True]


async def test_nothing_is_asked_of_the_driver_while_a_port_is_idle(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.move_on_after(0.01):
            await port.receive()
        before = len(backend.calls)
        await anyio.sleep(0.05)
        assert len(backend.calls) == before
