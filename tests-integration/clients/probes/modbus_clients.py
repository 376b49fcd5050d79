"""pymodbus's blocking and asynchronous client and minimalmodbus, one after the other, ask the same server."""

import asyncio
import sys

import minimalmodbus
import serial
from pymodbus.client import AsyncModbusSerialClient, ModbusSerialClient


def blocking(path: str) -> list[int]:
    """Read and write with the blocking client."""
    client = ModbusSerialClient(path, baudrate=19200, timeout=5)
    assert client.connect()
    client.write_register(2, 7, device_id=1)
    registers = client.read_holding_registers(0, count=3, device_id=1).registers
    client.close()
    return registers


async def asynchronous(path: str) -> list[int]:
    """Read and write with the asynchronous client."""
    client = AsyncModbusSerialClient(path, baudrate=19200, timeout=5)
    assert await client.connect()
    await client.write_registers(3, [8, 9], device_id=1)
    registers = (await client.read_holding_registers(2, count=3, device_id=1)).registers
    client.close()
    return registers


def minimal(path: str) -> list[int]:
    """Read and write with minimalmodbus."""
    instrument = minimalmodbus.Instrument(path, 1)
    assert instrument.serial is not None
    instrument.serial.timeout = 5
    instrument.write_register(5, 10, functioncode=6)
    registers = instrument.read_registers(4, 2)
    instrument.serial.close()
    return registers


path = sys.argv[1]
print(serial.__name__, blocking(path), asyncio.run(asynchronous(path)), minimal(path))
