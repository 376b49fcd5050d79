"""A Modbus RTU server of pymodbus, at the path of the first argument; it says when it is ready."""

import asyncio
import sys

import serial
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice


async def main(path: str) -> None:
    """Serve until the process is ended."""
    registers = SimData(0, values=list(range(100, 200)), datatype=DataType.REGISTERS)
    server = ModbusSerialServer(SimDevice(1, simdata=registers), port=path, baudrate=19200)
    serving = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    print(serial.__name__, flush=True)
    await serving


asyncio.run(main(sys.argv[1]))
