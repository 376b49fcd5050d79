"""Two buses of python-can, of the interface in the first argument, at two crossed ports, send each other a message."""

import sys

import can
import serial

interface, one, other = sys.argv[1:]
with (
    can.Bus(interface=interface, channel=one, bitrate=500000) as sender,
    can.Bus(interface=interface, channel=other, bitrate=500000) as receiver,
):
    sender.send(can.Message(arbitration_id=0x123, data=[1, 2, 255], is_extended_id=False))
    there = receiver.recv(timeout=10)
    assert there is not None
    receiver.send(can.Message(arbitration_id=0x456, data=bytes(8), is_extended_id=False))
    back = sender.recv(timeout=10)
    assert back is not None
    print(serial.__name__, type(sender).__name__, hex(there.arbitration_id), there.data.hex(), hex(back.arbitration_id))
