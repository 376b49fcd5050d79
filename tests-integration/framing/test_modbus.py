"""Modbus RTU over a pty, with pymodbus at the far end: Silence and exchange against somebody else's code."""

import asyncio
import os
import select
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress

import anyio
import anyserial.sync
import pytest
from anyserial import SerialConfig, open_serial_port
from anyserial.framing import FramedStream, Silence
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

pytestmark = pytest.mark.anyio
UNITS = range(1, 33)
CONFIG = SerialConfig(baudrate=38400)


def checked(message: bytes) -> bytes:
    crc = 0xFFFF
    for byte in message:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return message + crc.to_bytes(2, "little")


def request(unit: int) -> bytes:
    """Read registers 0 to 9."""
    return checked(bytes([unit, 3, 0, 0, 0, 10]))


def accepts(unit: int) -> Callable[[bytes], bool]:
    def accept(answer: bytes) -> bool:
        return answer[:2] == bytes([unit, 3]) and checked(answer[:-2]) == answer

    return accept


def registers(answer: bytes) -> list[int]:
    return [int.from_bytes(answer[at : at + 2]) for at in range(3, 3 + answer[2], 2)]


def expected(unit: int) -> list[int]:
    return [unit * 100 + register for register in range(10)]


@pytest.fixture(scope="module")
def slave() -> Iterator[str]:
    """The path of a port with pymodbus's server behind it, which has 32 units."""
    masters = [os.openpty(), os.openpty()]
    for _, end in masters:
        tty.setraw(end)
    paths = [os.ttyname(end) for _, end in masters]
    stop = threading.Event()
    threads = [threading.Thread(target=_cable, args=(masters[a][0], masters[1 - a][0], stop)) for a in (0, 1)]
    for thread in threads:
        thread.start()
    server = Server(paths[1])
    yield paths[0]
    server.stop()
    stop.set()
    for thread in threads:
        thread.join(10)
    for pair in masters:
        for end in pair:
            os.close(end)


def _cable(source: int, target: int, stop: threading.Event) -> None:
    while not stop.is_set():
        if select.select([source], [], [], 0.1)[0]:
            with suppress(OSError):
                os.write(target, os.read(source, 4096))


class Server:
    """pymodbus's server of 32 units, in a thread with an event loop."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._started.wait(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        units = [
            SimDevice(id=unit, simdata=[SimData(0, values=expected(unit), datatype=DataType.REGISTERS)])
            for unit in UNITS
        ]
        server = ModbusSerialServer(units, framer=FramerType.RTU, port=self._path, baudrate=CONFIG.baudrate)
        task = asyncio.create_task(server.serve_forever())
        self._loop.call_soon(self._started.set)
        await self._stop.wait()
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus has no types there
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


async def test_thirty_two_units_are_polled_by_as_many_tasks(slave: str) -> None:
    found: dict[int, list[int]] = {}
    port = await open_serial_port(slave, CONFIG)
    async with FramedStream(port, Silence(minimum=0.00175)) as bus:

        async def poll(unit: int) -> None:
            answer = await bus.exchange(request(unit), timeout=2, attempts=3, accept=accepts(unit))
            found[unit] = registers(answer)

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                for unit in UNITS:
                    group.start_soon(poll, unit)
    assert found == {unit: expected(unit) for unit in UNITS}


def test_thirty_two_units_are_polled_blocking(slave: str) -> None:
    with anyserial.sync.FramedStream(anyserial.sync.open_serial_port(slave, CONFIG), Silence(minimum=0.00175)) as bus:
        for unit in UNITS:
            answer = bus.exchange(request(unit), timeout=2, attempts=3, accept=accepts(unit))
            assert registers(answer) == expected(unit)
