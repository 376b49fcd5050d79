"""digi-xbee's port, a subclass of pySerial's: sends, reads, times out, changes its rate and closes."""

import sys

import serial
from digi.xbee.exception import TimeoutException
from digi.xbee.serial import XBeeSerialPort

port = XBeeSerialPort(9600, sys.argv[1], timeout=10)
port.open()
port.write(b"hello")
data = bytes(port.read_bytes(5))
port.set_read_timeout(0.01)
try:
    port.read_byte()
except TimeoutException:
    data += b", nothing"
port.set_baudrate(19200)
port.purge_port()
port.close()
print(serial.__name__, data, port.baudrate)
