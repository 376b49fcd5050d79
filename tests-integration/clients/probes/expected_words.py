"""pexpect waits for a word on a port, and then for one that does not come."""

import sys

import pexpect
import serial
from pexpect_serial import SerialSpawn

with serial.Serial(sys.argv[1], 115200, timeout=0) as port:
    session = SerialSpawn(port)
    session.sendline("hello")
    session.expect("HEL(LO)", timeout=10)
    found = session.match.group(1)
    print(serial.__name__, found, session.expect(["never", pexpect.TIMEOUT], timeout=0.05))
