"""udev for the length of a block: what names the ports below /dev/serial, and gives them to a group.

The machine runs without, as a container does. Only for the machine: where udev runs already this
is not needed, and would be in its way.
"""

import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = ("running_udev", "settle")

DAEMON = "/usr/lib/systemd/systemd-udevd"
CONTROL = Path("/run/udev/control")
LINKS = Path("/dev/serial")
PATIENCE = 20.0  # seconds


@contextmanager
def running_udev() -> Generator[None]:
    """Run udev, once it has named what is there; afterwards leave nothing of it."""
    if CONTROL.exists():
        raise RuntimeError("udev runs already")
    with subprocess.Popen([DAEMON], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            deadline = time.monotonic() + PATIENCE
            while not CONTROL.exists():
                if daemon.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{DAEMON} does not run: {daemon.poll()}")
                time.sleep(0.005)
            udevadm("control", "--ping")
            udevadm("trigger", "--action=add", "--subsystem-match=usb", "--subsystem-match=tty")
            settle()
            yield
        finally:
            daemon.terminate()  # as "udevadm control --exit", also where that has nobody to speak to
            daemon.wait(PATIENCE)
            for left in (LINKS, CONTROL.parent):
                shutil.rmtree(left, ignore_errors=True)


def settle() -> None:
    """Wait until udev has done what there is to do."""
    udevadm("settle", f"--timeout={PATIENCE:g}")


def udevadm(*arguments: str) -> None:
    subprocess.run(["/usr/bin/udevadm", *arguments], check=True, timeout=PATIENCE)
