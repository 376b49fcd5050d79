"""A USB adapter that refuses control requests: an error for the one call, and the port goes on."""

import errno
from collections.abc import Awaitable, Callable

import anyio
import anyserial.sync
import pytest
from anyserial import PortNotFoundError, SerialDisconnectedError, SerialError, SerialPort, open_serial_port
from exact import receive_exactly, receive_exactly_blocking
from hardware_runtimes import every_runtime
from usb_links import ChipLink

pytestmark = pytest.mark.anyio

PATIENCE = 30
CHIPS = pytest.mark.drivers("ftdi_sio", "cp210x", "pl2303", "ch341")
CALLS: dict[str, Callable[[SerialPort], Awaitable[object]]] = {
    "modem_lines": SerialPort.modem_lines,
    "set_control_lines": lambda port: port.set_control_lines(rts=False),
    "set_break": lambda port: port.set_break(True),
    "send_break": lambda port: port.send_break(0.01),
}
# PL2303 and CH341 tell their inputs by themselves, and are not asked.
NOT_ASKED = {"pl2303": {"modem_lines"}, "ch341": {"modem_lines"}}


async def goes_on(link: ChipLink, port: SerialPort) -> None:
    """Everything works, once the chip answers again."""
    link.stall_requests(False)
    assert port.is_open
    for call in CALLS.values():
        await call(port)
    await port.set_break(False)
    await port.configure(port.config.with_changes(baudrate=57600))
    link.wait(lambda state: abs(state.baudrate - 57600) < 600 and not state.sending_break and not state.rts)
    await port.send(b"out")
    assert link.receive(3) == b"out"
    link.send(b"in")
    assert await receive_exactly(port, 2) == b"in"


@CHIPS
async def test_a_refused_request_is_no_disconnect(link: ChipLink) -> None:
    told: set[str] = set()
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            link.stall_requests(True)
            for name, call in CALLS.items():
                try:
                    await call(port)
                except SerialError as exc:
                    told.add(name)
                    assert not isinstance(exc, SerialDisconnectedError)  # noqa: PT017  # of any driver
                    assert exc.errno in {errno.EIO, errno.EPIPE}  # noqa: PT017
                    assert exc.filename == link.path  # noqa: PT017
            await goes_on(link, port)
    assert told == CALLS.keys() - NOT_ASKED.get(link.driver, set())


@every_runtime
@pytest.mark.drivers("ftdi_sio")
async def test_a_parked_receive_is_not_disturbed_by_a_refused_request(link: ChipLink) -> None:
    received: list[bytes] = []

    async def receive(port: SerialPort) -> None:
        received.append(await port.receive())

    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port, anyio.create_task_group() as group:
            group.start_soon(receive, port)
            await anyio.wait_all_tasks_blocked()
            link.stall_requests(True)
            for call in CALLS.values():
                with pytest.raises(SerialError) as caught:
                    await call(port)
                assert not isinstance(caught.value, SerialDisconnectedError)
            link.stall_requests(False)
            link.send(b"still here")
        assert received == [b"still here"]


@pytest.mark.drivers("ftdi_sio")
def test_a_refused_request_is_no_disconnect_blocking(link: ChipLink) -> None:
    with anyserial.sync.open_serial_port(link.path) as port:
        link.stall_requests(True)
        with pytest.raises(SerialError) as caught:
            port.set_break(True)
        assert not isinstance(caught.value, SerialDisconnectedError)
        link.stall_requests(False)
        link.send(b"in")
        assert receive_exactly_blocking(port, 2) == b"in"


@CHIPS
async def test_opening_while_everything_is_refused_leaves_nothing_behind(link: ChipLink) -> None:
    link.stall_requests(True)
    with anyio.fail_after(PATIENCE):
        if link.driver in {"cp210x", "ch341"}:
            # These two need the chip in their open; the others hear of it at the first question.
            with pytest.raises(SerialError) as caught:
                await open_serial_port(link.path)
            assert not isinstance(caught.value, SerialDisconnectedError | PortNotFoundError)
            assert caught.value.filename == link.path
        else:
            await (await open_serial_port(link.path)).aclose()
        link.stall_requests(False)
        async with await open_serial_port(link.path) as port:
            await goes_on(link, port)
