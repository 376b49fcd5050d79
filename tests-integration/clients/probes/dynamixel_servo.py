"""Robotis' library asks a servo for its model number and its position."""

import sys

import serial
from dynamixel_sdk import PacketHandler, PortHandler

port = PortHandler(sys.argv[1])
assert port.openPort()
assert port.setBaudRate(57600)
packets = PacketHandler(1.0)
model, _, _ = packets.ping(port, 1)
position, _, _ = packets.read2ByteTxRx(port, 1, 36)
port.clearPort()
port.closePort()
print(serial.__name__, model, position)
