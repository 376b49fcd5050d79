"""Tells when the kernel hangs up a tty: started by `hang_ups`, which writes paths and reads moments.

The highest priority of the machine, so that nothing runs between the hang-up and the look at
the clock. The descriptor is closed at once, so that the device finds its name free.
"""

import os
import select
import sys
import time

os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_max(os.SCHED_FIFO)))
poll = select.poll()
poll.register(0, select.POLLIN)
tty = -1
while True:
    ready = dict(poll.poll())
    now = time.monotonic()
    if tty in ready:
        poll.unregister(tty)
        os.close(tty)
        tty = -1
        print(f"{now!r}", flush=True)
    if 0 in ready:
        path = os.read(0, 4096)
        if not path:
            sys.exit()
        if tty >= 0:  # of a test that failed
            poll.unregister(tty)
            os.close(tty)
        tty = os.open(path.rstrip(b"\n"), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        poll.register(tty, 0)
        print("watching", flush=True)
