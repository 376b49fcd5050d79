"""Receiving a known number of bytes: a driver hands over what was sent at once in as many pieces as it likes."""

from anyserial import SerialPort
from anyserial.sync import SerialPort as BlockingPort

__all__ = ("receive_exactly", "receive_exactly_blocking")


async def receive_exactly(port: SerialPort, size: int) -> bytes:
    """Return the next *size* bytes that come in at the port, and take no more."""
    data = b""
    while len(data) < size:
        data += await port.receive(size - len(data))
    return data


def receive_exactly_blocking(port: BlockingPort, size: int, timeout: float = 20.0) -> bytes:
    """As `receive_exactly`; each piece may take *timeout* seconds."""
    data = b""
    while len(data) < size:
        data += port.receive(size - len(data), timeout=timeout)
    return data
