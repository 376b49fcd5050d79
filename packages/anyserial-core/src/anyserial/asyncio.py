"""A serial port as an asyncio transport or as a pair of asyncio streams: the names of pyserial-asyncio.

For programs that are written with protocols or with asyncio's streams. Only names belong here, no code.
"""

from anyserial._asyncio.connecting import connection_for_serial, create_serial_connection, open_serial_connection
from anyserial._asyncio.serial_object import TransportSerial
from anyserial._asyncio.transport import SerialTransport

__all__ = (
    "SerialTransport",
    "TransportSerial",
    "connection_for_serial",
    "create_serial_connection",
    "open_serial_connection",
)
