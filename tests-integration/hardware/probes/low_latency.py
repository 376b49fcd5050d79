"""Opens a port with low latency, as the user of the number given, and waits to be killed."""

import os
import signal
import sys

from anyserial import SerialConfig
from anyserial.sync import open_serial_port

path, user = sys.argv[1:]
# As root, whose files the interpreter's own may be: everything is loaded that will be needed.
open_serial_port(path, SerialConfig(low_latency=True)).close()
os.seteuid(int(user))
with open_serial_port(path, SerialConfig(low_latency=True)) as port:
    print(port.capabilities.low_latency.value, flush=True)
    signal.pause()
