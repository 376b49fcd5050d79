"""Meshtastic's library connects to a radio, sends a text and closes."""

import sys

import serial
from meshtastic.serial_interface import SerialInterface

radio = SerialInterface(sys.argv[1], timeout=20)
number = radio.myInfo.my_node_num
radio.sendText("hello")
radio.close()
print(serial.__name__, number)
