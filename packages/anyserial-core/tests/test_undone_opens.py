# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# A lambda has nowhere to say what it takes.
"""An open that is given up is over when its caller knows: the device can be opened exclusively at once."""

import asyncio
import fcntl
import gc
import os
import threading
import time
from typing import Any

import anyio
import pytest
from anyserial import SerialConfig, SerialPort, open_serial_port
from backends import Far, PtyBackend, until

pytestmark = pytest.mark.anyio
ROUNDS = 200 if os.environ.get("ANYSERIAL_STRESS") == "full" else 40


class HeldBackend(PtyBackend):
    """Takes a lock, as the driver does for an exclusive port."""

    def open(self, path: str, config: SerialConfig) -> None:
        super().open(path, config)
        try:
            fcntl.flock(self.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            super().close()
            raise


@pytest.mark.parametrize("how", ["scope", "task", "deadline"])
async def test_a_cancelled_open_is_over(far: Far, anyio_backend: Any, how: str) -> None:
    if how == "task" and anyio_backend[0] == "trio":
        pytest.skip("asyncio's own cancellation")
    for round_ in range(ROUNDS):
        pause = (round_ % 20) * 0.00005
        backend = HeldBackend()
        ports: list[SerialPort] = []

        async def connect(backend: HeldBackend = backend, ports: list[SerialPort] = ports) -> None:
            ports.append(await open_serial_port(far.path, backend=backend))

        if how == "task":
            task = asyncio.create_task(connect())
            await anyio.sleep(pause)
            task.cancel()
            await asyncio.wait([task])
        elif how == "deadline":
            with anyio.move_on_after(pause):
                await connect()
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(connect)
                await anyio.sleep(pause)
                group.cancel_scope.cancel()
        for port in ports:
            await port.aclose()
        async with await open_serial_port(far.path, backend=HeldBackend()):
            assert not backend.is_open
        assert backend.names().count("close") == backend.names().count("open")


async def test_a_driver_stuck_in_open_holds_its_caller_no_longer_than_a_close(far: Far, backend: PtyBackend) -> None:
    go, is_stuck = threading.Event(), threading.Event()

    def stick() -> None:
        is_stuck.set()
        go.wait(5)

    backend.hooks["open"] = stick
    cancelled = 0.0
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: open_serial_port(far.path, SerialConfig(close_timeout=0.1), backend=backend))
            await until(is_stuck.is_set)
            cancelled = time.monotonic()
            scope.cancel()
    assert scope.cancelled_caught
    assert 0.1 <= time.monotonic() - cancelled < 1
    go.set()
    await until(lambda: "close" in backend.names() and not backend.is_open)


class RefusesBefore(SerialPort):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        raise LookupError("before")


class RefusesAfter(SerialPort):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        raise LookupError("after")


@pytest.mark.parametrize("cls", [RefusesBefore, RefusesAfter])
async def test_a_constructor_that_raises_leaves_nothing_open(
    far: Far, monkeypatch: pytest.MonkeyPatch, cls: type[SerialPort]
) -> None:
    backend = HeldBackend()
    monkeypatch.setattr("anyserial._drivers.backend_for", lambda _path: backend)
    with pytest.raises(LookupError):
        await cls.open(far.path)
    gc.collect()  # nor a warning
    assert not backend.is_open
    assert backend.names().count("close") == 1
    async with await open_serial_port(far.path, backend=HeldBackend()):
        pass
