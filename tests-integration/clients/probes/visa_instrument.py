"""pyvisa, with its backend pyvisa-py, asks an instrument at a port who it is."""

import sys

import pyvisa
import serial
from pyvisa import constants

manager = pyvisa.ResourceManager("@py")
instrument = manager.open_resource(f"ASRL{sys.argv[1]}::INSTR")
instrument.timeout = 10000
instrument.baud_rate = 115200
instrument.read_termination = instrument.write_termination = "\n"
assert instrument.parity is constants.Parity.none
print(serial.__name__, instrument.query("*IDN?"), instrument.query("MEAS?"))
instrument.close()
manager.close()
