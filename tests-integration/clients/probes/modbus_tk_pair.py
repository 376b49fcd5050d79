"""modbus-tk's RTU server and its client talk to each other at two crossed ports."""

import sys

import serial
from modbus_tk import defines, modbus_rtu

one, other = sys.argv[1:]
server = modbus_rtu.RtuServer(serial.Serial(one, 9600))
server.start()
server.add_slave(1).add_block("registers", defines.HOLDING_REGISTERS, 0, 10)
client = modbus_rtu.RtuMaster(serial.Serial(other, 9600))
client.set_timeout(10.0)
client.execute(1, defines.WRITE_SINGLE_REGISTER, 1, output_value=9)
print(serial.__name__, client.execute(1, defines.READ_HOLDING_REGISTERS, 0, 3))
client.close()
server.stop()
