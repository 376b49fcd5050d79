"""Tells when the kernel hangs up a tty, and how late the machine was: started by `hang_ups`.

It reads commands: a path (or nothing, for no tty) begins a watch, and is answered "watching"; "?"
is answered with the most seconds that a wake-up was late since. A hang-up is told at once, by its
moment.

It has the highest priority of the machine, so that nothing runs between the hang-up and the look
at the clock, and so that nothing else makes it late but the machine itself. The tty is closed at
once, so that the device finds its name free.
"""

import os
import select
import sys
import time

TICK = 0.002  # seconds

os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_max(os.SCHED_FIFO)))
poll = select.poll()
poll.register(0, select.POLLIN)
tty, ticking, latest = -1, False, 0.0
while True:
    begun = time.monotonic()
    ready = dict(poll.poll(TICK * 1000 if ticking else None))
    now = time.monotonic()
    if ticking:
        latest = max(latest, now - begun - TICK)
    if tty in ready:
        poll.unregister(tty)
        os.close(tty)
        tty = -1
        print(f"{now!r}", flush=True)
    if 0 not in ready:
        continue
    if not (line := os.read(0, 4096)):
        sys.exit()
    command = line.decode().removesuffix("\n")
    if command == "?":
        ticking = False
        print(f"late {latest!r}", flush=True)
        continue
    if tty >= 0:  # of a test that failed
        poll.unregister(tty)
        os.close(tty)
        tty = -1
    if command:
        tty = os.open(command, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        poll.register(tty, 0)
    ticking, latest = True, 0.0
    print("watching", flush=True)
