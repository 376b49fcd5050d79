"""Two ports of aioserial at two crossed ports: a line, a buffer, and a read that is cancelled."""

import asyncio
import sys

import aioserial
import serial


async def main(one: str, other: str) -> None:
    sender, receiver = aioserial.AioSerial(one, 115200, timeout=10), aioserial.AioSerial(other, 115200, timeout=10)
    await sender.write_async(b"hello\n")
    line = await receiver.readline_async()
    loop, begun, read = asyncio.get_running_loop(), asyncio.Event(), receiver.read

    def read_and_say_so(size: int = 1) -> bytes:
        loop.call_soon_threadsafe(begun.set)
        data: bytes = read(size)
        return data

    receiver.read = read_and_say_so
    waiting = asyncio.create_task(receiver.read_async(10))
    await begun.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    buffer = bytearray(3)
    await sender.write_async(b"abc\nx")
    await receiver.readinto_async(buffer)
    print(serial.__name__, line, bytes(buffer), await receiver.read_until_async(b"x"))
    sender.close()
    receiver.close()


asyncio.run(main(*sys.argv[1:]))
