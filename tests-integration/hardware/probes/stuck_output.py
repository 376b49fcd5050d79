"""Send what nobody takes, then close the port, leave it open, or wait to be killed: `stuck_output.py PATH HOW`."""

import os
import sys
import time

from anyserial import FlowControl
from anyserial.sync import SerialPort

path, how = sys.argv[1:]
port = SerialPort.open(path, flow_control=FlowControl(rts_cts=True), close_timeout=0.05)
port.send(bytes(range(200)))
if how == "closed":
    port.close()
print(how, flush=True)
if how == "left open":
    os._exit(0)  # no finalizer closes it
elif how == "killed":
    time.sleep(60)
