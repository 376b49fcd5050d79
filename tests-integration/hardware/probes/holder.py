"""Open and close a port as told on standard input: `holder.py [UID]` is that user, once it has all it needs.

"exclusive PATH", "shared PATH", "refused PATH" (exclusive, with a setting that is refused), "crash PATH"
(a child of it opens the port exclusively and is killed), "close"; the answer is "done" or the error.
"""

import os
import signal
import sys

from anyserial import SerialError
from anyserial.sync import SerialPort

master, slave = os.openpty()
with SerialPort.open(os.ttyname(slave), exclusive=True) as port:
    pass  # another user might not be able to read the modules that the first port loads
if len(sys.argv) > 1:
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    command, *path = line.split()
    try:
        if command == "exclusive":
            port = SerialPort.open(path[0], exclusive=True)
        elif command == "shared":
            port = SerialPort.open(path[0])
        elif command == "refused":
            port = SerialPort.open(path[0], exclusive=True, byte_size=8, stop_bits=1.5)
        elif command == "crash":
            child = os.fork()
            if not child:
                port = SerialPort.open(path[0], exclusive=True)
                os.kill(os.getpid(), signal.SIGKILL)
            assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        else:
            port.close()
    except SerialError as error:
        print(type(error).__name__, error, flush=True)
    else:
        print("done", flush=True)
