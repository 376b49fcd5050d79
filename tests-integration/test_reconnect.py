"""Coming back to a pty behind a link, with the platform's own driver and discovery."""

import os
import threading
import tty
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import anyserial.sync
import pytest
from anyserial import PortBusyError, SerialDisconnectedError, SerialError, open_serial_port, reconnect
from anyserial.exceptions import ConfigurationError
from hardware_runtimes import every_runtime

pytestmark = pytest.mark.anyio

ROUNDS = 5


class Plug:
    """A pty that comes and goes behind a link."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self.master = self._slave = -1

    def plug(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self._link.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        self._link.unlink()
        os.close(self._slave)
        os.close(self.master)


@every_runtime
async def test_a_pty_is_opened_each_time_it_comes(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "port")
    rounds = 0
    with anyio.fail_after(30):
        async with reconnect(tmp_path / "port", exclusive=True) as ports, anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, plug.plug)
            async for port in ports:
                os.write(plug.master, b"round %d" % rounds)
                assert await port.receive() == b"round %d" % rounds
                rounds += 1
                plug.unplug()
                if rounds == ROUNDS:
                    break
                group.start_soon(anyio.to_thread.run_sync, plug.plug)
                with pytest.raises(SerialDisconnectedError):
                    await port.receive()
    assert rounds == ROUNDS


def test_a_thread_opens_a_pty_each_time_it_comes(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "port")
    rounds = 0
    with ThreadPoolExecutor(1) as pool, anyserial.sync.reconnect(tmp_path / "port", timeout=20) as ports:
        pool.submit(plug.plug)
        for port in ports:
            os.write(plug.master, b"round %d" % rounds)
            assert port.receive(timeout=20) == b"round %d" % rounds
            rounds += 1
            plug.unplug()
            if rounds == ROUNDS:
                break
            pool.submit(plug.plug)
            with pytest.raises(SerialDisconnectedError):
                port.receive(timeout=20)
    assert rounds == ROUNDS


@every_runtime
async def test_a_port_that_another_program_probes_is_waited_for(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "port")
    plug.plug()
    with anyio.fail_after(30):
        prober = await open_serial_port(tmp_path / "port", anyserial.SerialConfig(exclusive=True))
        with pytest.raises(PortBusyError):
            await anext(reconnect(tmp_path / "port", exclusive=True, settle=0.05))
        async with reconnect(tmp_path / "port", exclusive=True) as ports, anyio.create_task_group() as group:
            group.start_soon(anext, ports)
            await anyio.wait_all_tasks_blocked()
            await prober.aclose()
    plug.unplug()


@every_runtime
async def test_what_is_no_serial_port_is_an_error_at_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with anyio.fail_after(10), pytest.raises(SerialError):
        await anext(reconnect(file))
    with pytest.raises(ConfigurationError, match="URL"):
        await anext(reconnect("gopher://x"))


def test_a_thread_that_waits_can_be_stopped(tmp_path: Path) -> None:
    ports = anyserial.sync.reconnect(tmp_path / "port")
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            next(ports)
        except anyio.ClosedResourceError as error:
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    ports.close()
    thread.join(20)
    assert ended
