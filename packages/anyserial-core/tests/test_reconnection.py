"""Coming back to a device, in an event loop, over parts that the test plays."""

import errno
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from anyserial import (
    ConfigurationError,
    PortBusyError,
    PortInfo,
    PortPermissionError,
    Reconnection,
    SerialClosedError,
    SerialConfig,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    UnsupportedConfigurationError,
    reconnect,
    wait_for_port,
)
from anyserial._reconnecting import plan as plan_module
from anyserial._reconnecting import presence as presence_module
from backends import Far, until
from plugs import Socket, plugged_socket

pytestmark = pytest.mark.anyio

A, B = {"serial_number": "A"}, {"serial_number": "B"}
DEVICES: list[Any] = [
    pytest.param(A, id="filters"),
    pytest.param(PortInfo(device="/dev/ttyUSB0", vid=0x0403, serial_number="A"), id="a PortInfo"),
    pytest.param("/dev/serial/by-id/usb-A", id="a by-id path"),
    pytest.param(Path("/dev/serial/by-id/usb-A"), id="a Path"),
]


@pytest.fixture
def socket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Socket]:
    yield from plugged_socket(monkeypatch)


@pytest.fixture
def bare_socket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Socket]:
    yield from plugged_socket(monkeypatch, discovery=False)


def failed() -> SerialError:
    """A new one each time: an exception that was raised keeps what it went through alive."""
    return SerialError(errno.EIO, "a failed transfer")


async def expect_gone(port: SerialPort) -> None:
    with pytest.raises(SerialDisconnectedError):
        await port.receive()


@pytest.mark.parametrize("device", DEVICES)
async def test_a_device_is_opened_each_time_it_comes(socket: Socket, device: Any) -> None:
    other = socket.plug("/dev/ttyUSB0", "B")
    async with reconnect(device, baudrate=9600) as ports, anyio.create_task_group() as group:
        # The nodes change hands, and the right device is found each time.
        for mine, others in [("/dev/ttyUSB1", "/dev/ttyUSB0"), ("/dev/ttyUSB0", "/dev/ttyUSB1")] * 3:
            if others not in socket.adapters:
                other.hang_up()
                socket.unplug(mine)
                other = socket.plug(others, "B")
            got: list[SerialPort] = []

            async def take(got: list[SerialPort] = got) -> None:
                got.append(await anext(ports))

            group.start_soon(take)
            await wait_all_tasks_blocked()
            assert not got
            adapter = socket.plug(mine, "A")
            await until(got.copy)
            port = got[0]
            assert port.path == mine
            assert port.config.baudrate == 9600
            assert port.port_info is not None
            assert port.port_info.serial_number == "A"
            adapter.write(b"hello")
            assert await port.receive() == b"hello"
            socket.unplug(mine)
            await expect_gone(port)
    assert len(socket.backends) == 6
    assert set(socket.attempts) <= {"/dev/ttyUSB0", "/dev/ttyUSB1"}
    assert socket.is_quiet


async def test_the_loop_as_it_is_written(socket: Socket, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "anyserial")
    adapter = socket.plug("/dev/ttyUSB0", "A")
    rounds = 0
    async for port in reconnect(A):
        try:
            rounds += 1
            adapter.write(b"x")
            await port.receive()
            socket.unplug("/dev/ttyUSB0")
            if rounds < 3:
                adapter = socket.plug("/dev/ttyUSB0", "A")
            await port.receive()
        except SerialDisconnectedError:
            if rounds < 3:
                continue
            break
    assert rounds == 3
    await until(lambda: socket.is_quiet)
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "{serial_number='A'}: open"
    assert said[1].startswith("{serial_number='A'}: disconnected after ")


async def test_a_port_that_works_is_closed_and_opened_again(socket: Socket) -> None:
    socket.plug("/dev/ttyUSB0", "A")
    before: list[SerialPort] = []
    async for port in reconnect(A):
        assert all(not old.is_open for old in before)
        assert port not in before
        before.append(port)
        if len(before) == 3:
            break
    with pytest.raises(SerialClosedError):
        await before[0].receive()
    await until(lambda: socket.is_quiet)


async def test_short_rounds_are_bounded_and_an_arrival_ends_the_pause(
    socket: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "FIRST_PAUSE", 60)
    monkeypatch.setattr(plan_module, "LONGEST_PAUSE", 60)
    socket.plug("/dev/ttyUSB0", "A")
    async with reconnect(A) as ports, anyio.create_task_group() as group:
        for _ in range(2):  # the first reopening is at once
            await anext(ports)
        group.start_soon(anext, ports)
        await wait_all_tasks_blocked()
        socket.report(None)
        await until(lambda: not socket.watchers[0].events)
        assert len(socket.attempts) == 2
        socket.plug("/dev/ttyUSB5", "C")
        await until(lambda: len(socket.attempts) == 3)


@pytest.mark.parametrize("error", [PortBusyError, PortPermissionError])
async def test_a_device_may_take_a_moment_to_settle(socket: Socket, error: type[SerialError]) -> None:
    socket.plug("/dev/ttyUSB0", "A")
    socket.refusals.extend(error(errno.EBUSY, "wait", "/dev/ttyUSB0") for _ in range(3))
    async for port in reconnect(A):
        assert port.is_open
        break
    await until(lambda: socket.is_quiet)
    assert len(socket.attempts) == 4


@pytest.mark.parametrize("settle", [0, 0.05])
async def test_a_device_that_does_not_settle_is_an_error(socket: Socket, settle: float) -> None:
    socket.plug("/dev/ttyUSB0", "A")
    socket.refusals.extend(PortBusyError(errno.EBUSY, "held by pid 1", "/dev/ttyUSB0") for _ in range(1000))
    with pytest.raises(PortBusyError, match="held by pid 1"):
        await anext(reconnect(A, settle=settle))
    assert len(socket.attempts) == 1 if settle == 0 else 1 < len(socket.attempts) < 10
    await until(lambda: socket.is_quiet)


async def test_a_device_that_fails_to_open_is_tried_again(socket: Socket) -> None:
    socket.plug("/dev/ttyUSB0", "A")
    socket.refusals.append(failed())
    async for _ in reconnect(A):
        break
    await until(lambda: socket.is_quiet)
    assert len(socket.attempts) == 2


async def test_a_refused_setting_is_raised_at_once(socket: Socket) -> None:
    socket.plug("/dev/ttyUSB0", "A")
    socket.refusals.append(UnsupportedConfigurationError(errno.EINVAL, "no such rate", "/dev/ttyUSB0"))
    with pytest.raises(UnsupportedConfigurationError):
        await anext(reconnect(A))
    assert len(socket.attempts) == 1
    await until(lambda: socket.is_quiet)


@pytest.mark.parametrize("device", DEVICES[:2])
async def test_a_device_that_changes_places_while_it_is_opened_is_not_mistaken(socket: Socket, device: Any) -> None:
    socket.plug("/dev/ttyUSB0", "A")

    def swap() -> None:
        socket.unplug("/dev/ttyUSB0")
        socket.plug("/dev/ttyUSB0", "B")
        socket.plug("/dev/ttyUSB1", "A")

    socket.on_open.append(swap)
    async for port in reconnect(device):
        assert port.path == "/dev/ttyUSB1"
        break
    await until(lambda: socket.is_quiet)
    assert socket.attempts == ["/dev/ttyUSB0", "/dev/ttyUSB1"]
    assert not socket.backends[0].is_open


async def test_a_link_that_leads_to_another_device_by_now_is_not_believed(
    socket: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = "/dev/serial/by-id/usb-A"
    socket.plug("/dev/ttyUSB0", "A")
    async with reconnect(link) as ports:
        await anext(ports)
        socket.unplug("/dev/ttyUSB0")
        socket.plug("/dev/ttyUSB0", "B")  # and udev has not removed the link yet
        monkeypatch.setattr(presence_module, "os", SimpleNamespace(stat=bool, path=os.path))
        with anyio.move_on_after(0.01):
            pytest.fail(f"opened {await anext(ports)}")
        socket.plug("/dev/ttyUSB1", "A")
        with anyio.fail_after(5):
            assert (await anext(ports)).path == "/dev/ttyUSB1"


# Paths that nothing tells about


async def test_a_path_works_without_discovery(bare_socket: Socket, tmp_path: Path) -> None:
    link = tmp_path / "port"
    async with reconnect(link) as ports, anyio.create_task_group() as group:
        for _ in range(3):
            far = Far()
            got: list[SerialPort] = []

            async def take(got: list[SerialPort] = got) -> None:
                got.append(await anext(ports))

            group.start_soon(take)
            await wait_all_tasks_blocked()
            link.symlink_to(far.path)
            await until(got.copy)
            assert got[0].path == str(link)
            link.unlink()
            far.hang_up()
            await expect_gone(got[0])
    assert len(bare_socket.backends) == 3
    assert bare_socket.is_quiet


async def test_a_path_outside_dev_is_looked_at_with_discovery_too(socket: Socket, far: Far, tmp_path: Path) -> None:
    link = tmp_path / "port"
    ports = reconnect(str(link))
    async with anyio.create_task_group() as group:
        group.start_soon(anext, ports)
        await wait_all_tasks_blocked()
        link.symlink_to(far.path)
        await until(lambda: socket.backends)
    assert not socket.watchers
    await ports.aclose()


async def test_another_device_behind_a_path_ends_a_pause(
    bare_socket: Socket, far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "FIRST_PAUSE", 60)
    link = tmp_path / "port"
    link.symlink_to(far.path)
    bare_socket.refusals.append(failed())
    async with reconnect(link) as ports, anyio.create_task_group() as group:
        group.start_soon(anext, ports)
        await until(lambda: bare_socket.attempts)
        await wait_all_tasks_blocked()
        second = Far()
        link.unlink()
        link.symlink_to(second.path)
        await until(lambda: bare_socket.backends)
        second.hang_up()


@pytest.mark.parametrize("device", DEVICES[:2])
async def test_an_identity_needs_discovery(bare_socket: Socket, device: Any) -> None:
    with pytest.raises(ImportError, match="pip install anyserial-discovery"):
        await anext(reconnect(device))
    assert not bare_socket.attempts


# The end


@pytest.mark.parametrize("how", ["break", "exception", "return"])
async def test_leaving_the_loop_closes_everything(socket: Socket, how: str) -> None:
    socket.plug("/dev/ttyUSB0", "A")
    kept: list[SerialPort] = []

    async def use() -> None:
        async for port in reconnect(A):
            kept.append(port)
            if how == "exception":
                raise LookupError
            if how == "return":
                return
            break

    if how == "exception":
        with pytest.raises(LookupError):
            await use()
    else:
        await use()
    await until(lambda: socket.is_quiet)
    assert not kept[0].is_open


async def test_cancelling_a_wait_leaves_nothing_open(socket: Socket) -> None:
    async with anyio.create_task_group() as group:

        async def use() -> None:
            async for _ in reconnect(A):
                pass

        group.start_soon(use)
        await until(lambda: socket.watchers)
        await wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    await until(lambda: socket.is_quiet)


async def test_cancelling_an_opening_leaves_nothing_open(socket: Socket) -> None:
    socket.plug("/dev/ttyUSB0", "A")
    entered, go_on = threading.Event(), threading.Event()
    socket.on_open.extend((entered.set, lambda: go_on.wait(10)))
    ports = reconnect(A)
    async with anyio.create_task_group() as group:
        group.start_soon(anext, ports)
        await until(entered.is_set)
        group.cancel_scope.cancel()
        go_on.set()
    assert not any(backend.is_open for backend in socket.backends)
    # And it goes on where it was.
    assert (await anext(ports)).is_open
    await ports.aclose()
    assert socket.is_quiet


async def test_a_block_closes_before_it_ends(socket: Socket) -> None:
    socket.plug("/dev/ttyUSB0", "A")
    async with reconnect(A) as ports:
        async for _ in ports:
            break
    assert socket.is_quiet
    await ports.aclose()
    with pytest.raises(anyio.ClosedResourceError):
        await anext(ports)


async def test_a_disconnect_that_leaves_the_block_says_what_to_do(socket: Socket) -> None:
    socket.plug("/dev/ttyUSB0", "A")

    async def use() -> None:
        async with reconnect(A) as ports:
            async for port in ports:
                socket.unplug("/dev/ttyUSB0")
                await port.receive()

    with pytest.raises(SerialDisconnectedError) as caught:
        await use()
    assert "inside the loop over reconnect()" in caught.value.__notes__[0]


async def test_another_task_can_close_it(socket: Socket) -> None:
    ports = reconnect(A)
    ended: list[BaseException] = []

    async def take() -> None:
        with pytest.raises(anyio.ClosedResourceError) as caught:
            await anext(ports)
        ended.append(caught.value)

    async with anyio.create_task_group() as group:
        group.start_soon(take)
        await until(lambda: socket.watchers)
        with pytest.raises(anyio.BusyResourceError):
            await anext(ports)
        await ports.aclose()
    assert ended
    assert socket.is_quiet


async def test_closing_while_it_opens_closes_what_was_opened(socket: Socket) -> None:
    socket.plug("/dev/ttyUSB0", "A")
    entered, go_on = threading.Event(), threading.Event()
    socket.on_open.extend((entered.set, lambda: go_on.wait(10)))
    ports = reconnect(A)
    async with anyio.create_task_group() as group:

        async def take() -> None:
            with pytest.raises(anyio.ClosedResourceError):
                await anext(ports)

        group.start_soon(take)
        await until(entered.is_set)
        await ports.aclose()
        go_on.set()
    assert socket.is_quiet


async def test_closing_while_the_watch_begins_closes_the_watch(socket: Socket) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        assert go_on.wait(10)

    socket.on_watch = hold
    ports = reconnect(A)
    async with anyio.create_task_group() as group:

        async def take() -> None:
            with pytest.raises(anyio.ClosedResourceError):
                await anext(ports)

        group.start_soon(take)
        await until(entered.is_set)
        await ports.aclose()
        go_on.set()
    assert len(socket.watchers) == 1
    assert socket.is_quiet


async def test_a_close_that_fails_does_not_end_the_loop(socket: Socket, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "anyserial")
    socket.plug("/dev/ttyUSB0", "A")

    def fail() -> None:
        raise failed()

    async with reconnect(A) as ports:
        await anext(ports)
        socket.backends[0].hooks["close"] = fail
        assert (await anext(ports)).is_open
        del socket.backends[0].hooks["close"]
        socket.backends[0].close()
    assert any("closing failed" in record.getMessage() for record in caplog.records)


async def test_a_system_without_descriptors_is_waited_out(socket: Socket, monkeypatch: pytest.MonkeyPatch) -> None:
    socket.looks.append(SerialError(errno.EMFILE, "too many open files"))
    async with reconnect(A) as ports, anyio.create_task_group() as group:
        got: list[SerialPort] = []

        async def take() -> None:
            got.append(await anext(ports))

        group.start_soon(take)
        await wait_all_tasks_blocked()
        socket.plug("/dev/ttyUSB0", "A")
        await until(lambda: got)


# Arguments


@pytest.mark.parametrize(
    ("device", "arguments", "error"),
    [
        (5, {}, TypeError),
        (b"/dev/ttyUSB0", {}, TypeError),
        ("", {}, ValueError),
        ("/dev/x\0", {}, ValueError),
        ({}, {}, ValueError),
        ({"vid": None}, {}, ValueError),
        (A, {"settle": -1}, ValueError),
        (A, {"settle": "5"}, TypeError),
        (A, {"config": 9600}, TypeError),
        (A, {"baudrate": -1}, ConfigurationError),
    ],
)
async def test_wrong_arguments_are_refused_by_the_call(device: Any, arguments: Mapping[str, Any], error: type) -> None:
    with pytest.raises(error):
        reconnect(device, **arguments)
    await checkpoint()


async def test_a_wrong_filter_is_refused(socket: Socket) -> None:
    with pytest.raises(TypeError, match="colour"):
        await anext(reconnect({"colour": "red"}))
    await until(lambda: socket.is_quiet)


async def test_fields_override_the_config(socket: Socket) -> None:
    socket.plug("/dev/ttyUSB0", "A")
    ports = reconnect(A, SerialConfig(baudrate=9600, exclusive=True), baudrate=4800)
    assert isinstance(ports, Reconnection)
    async with ports:
        config = (await anext(ports)).config
        assert (config.baudrate, config.exclusive) == (4800, True)


def test_what_a_device_calls_itself_is_printable() -> None:
    evil = presence_module.Presence(PortInfo(device="/dev/x", description="\x1b[2J", serial_number="\n"))
    assert evil.name.isprintable()
    assert presence_module.Presence({"serial_number": "\x1b"}).name.isprintable()


def test_a_path_is_looked_at_where_a_watch_would_only_list_ports(socket: Socket) -> None:
    socket.has_descriptor = False
    watcher = presence_module.Presence("/dev/ttyUSB0").open_watcher()
    assert isinstance(watcher, presence_module.PathWatcher)
    assert socket.is_quiet


def test_a_port_info_of_a_path_alone_is_that_path(bare_socket: Socket) -> None:
    del bare_socket
    presence = presence_module.Presence(PortInfo(device="/dev/null"))
    assert isinstance(presence.open_watcher(), presence_module.PathWatcher)
    assert presence.find() == "/dev/null"


def test_a_path_that_cannot_be_looked_at_is_left_to_the_open(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert presence_module.Presence(loop).find() == str(loop)


def test_a_url_is_tried_again_and_again() -> None:
    presence = presence_module.Presence("tcp://localhost:1")
    watcher = presence.open_watcher()
    assert (watcher.fileno(), presence.find()) == (None, "tcp://localhost:1")
    assert watcher.timeout()
    watcher.process()
    assert not watcher.events
    presence.confirm("tcp://localhost:1", None)


# wait_for_port


async def test_wait_for_port_returns_what_is_there(socket: Socket) -> None:
    socket.plug("/dev/ttyUSB0", "B")
    socket.plug("/dev/ttyUSB1", "A")
    assert (await wait_for_port(serial_number="A")).device == "/dev/ttyUSB1"
    assert (await wait_for_port()).device == "/dev/ttyUSB0"
    assert socket.is_quiet
    assert not socket.attempts


async def test_wait_for_port_waits(socket: Socket) -> None:
    got: list[PortInfo] = []

    async def wait() -> None:
        got.append(await wait_for_port(vid=0x0403, serial_number="A"))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await wait_all_tasks_blocked()
        socket.plug("/dev/ttyUSB0", "B")
        await wait_all_tasks_blocked()
        assert not got
        socket.plug("/dev/ttyUSB1", "A")
    assert got == [socket.info("/dev/ttyUSB1")]
    assert socket.is_quiet


async def test_wait_for_port_can_be_cancelled(socket: Socket) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(wait_for_port)
        await until(lambda: socket.watchers)
        group.cancel_scope.cancel()
    await until(lambda: socket.is_quiet)


async def test_wait_for_port_needs_discovery(bare_socket: Socket) -> None:
    del bare_socket
    with pytest.raises(ImportError, match="pip install anyserial-discovery"):
        await wait_for_port(vid=1)
