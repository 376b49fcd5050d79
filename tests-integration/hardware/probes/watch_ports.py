"""Watches the ports as a user who may not open all of them, and tells what it hears of one of them.

    watch_ports.py DEVICE GROUP

It prints whether the device is among those that are there, then "added" or "removed" for each of
its events; after "added" comes "opened", or why it could not be.
"""

import os
import sys
from contextlib import suppress

from anyserial import SerialError
from anyserial.sync import SerialPort, watch_serial_ports

NOBODY = 65534

device, group = sys.argv[1], int(sys.argv[2])
# As root, whose files the interpreter's own may be: everything is loaded that will be needed.
with watch_serial_ports():
    pass
SerialPort.open(device).close()
os.setgroups([])
os.setresgid(group, group, group)
os.setresuid(NOBODY, NOBODY, NOBODY)

with watch_serial_ports(timeout=0) as events:
    there: set[str] = set()
    with suppress(TimeoutError):  # that was all for now
        for event in events:
            there.add(event.port.device)
with watch_serial_ports() as events:
    print(f"there: {device in there}", flush=True)
    for event in events:
        if event.port.device != device:
            continue
        print(event.kind, flush=True)
        if event.kind == "added":
            try:
                SerialPort.open(event.port).close()
            except SerialError as exc:
                print(repr(exc), flush=True)
            else:
                print("opened", flush=True)
