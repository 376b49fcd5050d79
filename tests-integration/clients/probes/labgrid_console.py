"""labgrid's serial driver sends a line, expects the answer, waits for nothing, and does so again after a restart."""

import sys

import pexpect
import serial
from labgrid import Target
from labgrid.driver import SerialDriver
from labgrid.resource import RawSerialPort

target = Target("main")
RawSerialPort(target, "port", port=sys.argv[1], speed=115200)
console = SerialDriver(target, "console")
found = []
for word in ("hello", "again"):
    target.activate(console)
    console.sendline(word)
    found.append(console.expect([word.upper()], timeout=10)[2].group())
    try:
        console.expect("more", timeout=0.1)
    except pexpect.TIMEOUT:
        found.append(b"")
    target.deactivate(console)
print(serial.__name__, found)
