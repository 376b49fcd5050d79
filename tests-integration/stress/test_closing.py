from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from anyserial import SerialClosedError, SerialDisconnectedError, SerialPort, open_serial_port

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

PENDING: "dict[str, Callable[[SerialPort], Awaitable[object]]]" = {
    "receive": lambda port: port.receive(),
    "receive_into": lambda port: port.receive_into(bytearray(9)),
    "receive_available": lambda port: port.receive_available(),
    "send": lambda port: port.send(bytes(1_000_000)),
    "send_buffer": lambda port: port.send_buffer(memoryview(bytes(1_000_000))),
    "drain": lambda port: port.drain(),
    "drain_exact": lambda port: port.drain_exact(),
    "send_eof": lambda port: port.send_eof(),
    "send_break": lambda port: port.send_break(60),
    "configure": lambda port: port.configure(port.config.with_changes(baudrate=19200)),
    "set_break": lambda port: port.set_break(True),
}
IN_A_THREAD = ("configure", "set_break")

LATER: "dict[str, Callable[[SerialPort], Awaitable[object]]]" = {
    "receive": lambda port: port.receive(),
    "receive_into": lambda port: port.receive_into(bytearray(9)),
    "send": lambda port: port.send(b"x"),
    "drain": lambda port: port.drain(),
    "drain_exact": lambda port: port.drain_exact(),
    "send_break": lambda port: port.send_break(0),
    "configure": lambda port: port.configure(port.config),
    "set_break": lambda port: port.set_break(False),
    "reset_input_buffer": lambda port: port.reset_input_buffer(),
    "reset_output_buffer": lambda port: port.reset_output_buffer(),
    "modem_lines": lambda port: port.modem_lines(),
    "control_lines": lambda port: port.control_lines(),
    "set_control_lines": lambda port: port.set_control_lines(rts=True),
    "line_counters": lambda port: port.line_counters(),
}


async def is_closed(port: SerialPort) -> None:
    """Try everything on a port that must be closed."""
    assert not port.is_open
    for name, call in LATER.items():
        with pytest.raises(SerialClosedError) as caught:
            await call(port)
        assert caught.value.filename == port.path, name
    for plain in (port.input_waiting, port.output_waiting):
        with pytest.raises(SerialClosedError):
            plain()
    await port.aclose()


@pytest.mark.parametrize("pending", PENDING)
async def test_closing_ends_what_another_task_waits_for(
    pending: str, far: Any, slow_backend: "Callable[[], Any]"
) -> None:
    backend = slow_backend()
    ended: list[BaseException] = []
    with anyio.fail_after(10):
        port = await open_serial_port(far.path, backend=backend)
        config = port.config.with_changes(close_timeout=0.05)
        await port.configure(config)
        backend.unsent = 1
        if pending in IN_A_THREAD:
            backend.gate.clear()

        async def wait() -> None:
            try:
                await PENDING[pending](port)
            except SerialClosedError as exc:
                ended.append(exc)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            if pending in IN_A_THREAD:
                while not backend.entered.is_set():
                    await anyio.sleep(0.001)
            await port.aclose()
        assert len(ended) == 1, "it ended without an error"
        if pending in IN_A_THREAD:
            assert backend.is_open, "closed under a call that uses the descriptor"
        await is_closed(port)


@pytest.mark.parametrize("pending", PENDING)
async def test_closing_at_any_moment_of_a_call(
    pending: str, new_far: "Callable[[], Any]", rng: "random.Random", count: "Callable[[int, int], int]"
) -> None:
    with anyio.fail_after(60):
        for _ in range(count(5, 100)):
            port = await open_serial_port(new_far().path)

            async def keep(port: SerialPort) -> None:
                with pytest.raises(SerialClosedError):
                    while True:
                        await PENDING[pending](port)
                        await anyio.lowlevel.checkpoint()

            async with anyio.create_task_group() as group:
                group.start_soon(keep, port)
                for _ in range(rng.randrange(6)):
                    await anyio.lowlevel.checkpoint()
                await port.aclose()
            assert not port.is_open


@pytest.mark.parametrize("state", ["new", "carrying", "unplugged, unnoticed", "unplugged, noticed", "closing"])
async def test_closing_in_every_state(state: str, far: Any, slow_backend: "Callable[[], Any]") -> None:
    backend = slow_backend()
    with anyio.fail_after(10):
        port = await open_serial_port(far.path, backend=backend)
        if state == "carrying":
            async with anyio.create_task_group() as group:
                group.start_soon(port.receive)
                await anyio.wait_all_tasks_blocked()
                far.write(b"carried")
                await anyio.lowlevel.checkpoint()
                await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        elif state.startswith("unplugged"):
            far.unplug()
        if state == "unplugged, noticed":
            with pytest.raises(SerialDisconnectedError):
                await port.receive()
            with pytest.raises(SerialDisconnectedError):
                await port.send(b"x")
        async with anyio.create_task_group() as group:
            if state == "closing":
                backend.gate.clear()
                group.start_soon(port.aclose)
                await anyio.wait_all_tasks_blocked()
                await is_closed_while_closing(port)
                backend.gate.set()
            group.start_soon(port.aclose)
        await is_closed(port)
    assert backend.calls.close == 1


async def is_closed_while_closing(port: SerialPort) -> None:
    assert not port.is_open
    for call in (port.receive, partial(port.send, b"x"), port.drain):
        with pytest.raises(SerialClosedError):
            await call()


async def test_closing_an_unplugged_port_tells_those_who_wait_of_the_unplug(
    new_far: "Callable[[], Any]", rng: "random.Random", count: "Callable[[int, int], int]"
) -> None:
    # The two race: either error is right, but it is one of them, and no third.
    with anyio.fail_after(60):
        for _ in range(count(10, 300)):
            far = new_far()
            port = await open_serial_port(far.path)

            async def wait(call: "Callable[[], Awaitable[object]]") -> None:
                with pytest.raises((SerialClosedError, SerialDisconnectedError)):
                    await call()

            async with anyio.create_task_group() as group:
                group.start_soon(wait, port.receive)
                group.start_soon(wait, partial(port.send, bytes(100_000)))
                for _ in range(rng.randrange(3)):
                    await anyio.lowlevel.checkpoint()
                far.unplug()
                for _ in range(rng.randrange(3)):
                    await anyio.lowlevel.checkpoint()
                await port.aclose()
            await is_closed(port)
