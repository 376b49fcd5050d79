"""The far ends of ptys, in a process of their own: `far_end.py MODE PORTS DELAY`.

Prints the paths to open, one JSON list, and then serves them until its stdin closes.
``echo`` sends back what arrives, DELAY seconds later; ``source`` answers every byte
with BULK bytes in bursts of 4 KiB; ``silent`` says nothing.
"""

import json
import os
import resource
import select
import sys
import time
import tty

BURST = bytes(4096)
BULK = 32 * 1024 * 1024


def main() -> None:
    """Serve."""
    mode, ports, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    masters: list[int] = []
    paths: list[str] = []
    for _ in range(ports):
        master, slave = os.openpty()  # the slave stays open, so that the line survives from one client to the next
        tty.setraw(slave)
        masters.append(master)
        paths.append(os.ttyname(slave))
    print(json.dumps(paths), flush=True)
    poll = select.epoll()
    poll.register(0, select.EPOLLIN | select.EPOLLHUP)
    for master in masters:
        poll.register(master, select.EPOLLIN)
    while True:
        ready = poll.poll()
        if delay:
            time.sleep(delay)
        for fd, _ in ready:
            if fd == 0:
                return
            data = os.read(fd, 65536)
            if mode == "echo":
                os.write(fd, data)
            elif mode == "source":
                for _ in range(BULK // len(BURST)):
                    os.write(fd, BURST)


if __name__ == "__main__":
    main()
