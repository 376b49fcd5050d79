"""USB devices made in the virtual machine: gadgets of configfs, plugged into controllers of dummy_hcd.

Each gadget has a controller of its own, which is a USB host and a device side joined in the kernel.
What a gadget's function does, and how its tty is spoken to, is not here.
"""

import errno
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from serial_links import PATIENCE

__all__ = ("Gadget", "Identity", "load", "run")

CONTROLLERS = 6
CONFIGFS = Path("/sys/kernel/config")
GADGETS = CONFIGFS / "usb_gadget"
LANGUAGE = "strings/0x409"


class Identity(NamedTuple):
    """What a USB device says it is."""

    vid: int
    pid: int
    release: int
    manufacturer: str
    product: str
    serial_number: str


def load(*modules: str) -> None:
    """Load kernel modules, and what every gadget needs."""
    run("modprobe", "-a", "libcomposite", *modules)
    if not Path("/sys/module/dummy_hcd").exists():
        run("modprobe", "dummy_hcd", f"num={CONTROLLERS}")
    if not GADGETS.exists():
        run("mount", "-t", "configfs", "configfs", str(CONFIGFS))


def run(*command: str) -> None:
    """Run a system tool, which must succeed."""
    subprocess.run(command, check=True)


class Gadget:
    """A USB device with one function, unplugged at first.

    Args:
        identity: What it says it is; the controller's number is put behind the serial number.
        function: The kind of its function, as configfs calls it.
        speed: "full-speed" or "high-speed".
    """

    def __init__(self, identity: Identity, function: str, speed: str = "high-speed") -> None:
        self._cleanup = ExitStack()
        self._path, self._controller = self._claim()
        self.number = int(self._controller.rpartition(".")[2])
        self.identity = identity._replace(serial_number=f"{identity.serial_number}{self.number}")
        self.instance = f"anyserial{self.number}"
        attributes = {
            "idVendor": f"{identity.vid:#06x}",
            "idProduct": f"{identity.pid:#06x}",
            "bcdDevice": f"{identity.release:#06x}",
            "max_speed": speed,
            f"{LANGUAGE}/manufacturer": identity.manufacturer,
            f"{LANGUAGE}/product": identity.product,
            f"{LANGUAGE}/serialnumber": self.identity.serial_number,
        }
        self.function = self._path / "functions" / f"{function}.{self.instance}"
        with ExitStack() as on_error:
            on_error.callback(self.close)
            for part in (self._path / LANGUAGE, self._path / "configs/c.1", self.function):
                part.mkdir()
                self._cleanup.callback(part.rmdir)
            for name, value in attributes.items():
                (self._path / name).write_text(value)
            used = self._path / "configs/c.1" / self.function.name
            used.symlink_to(self.function)
            self._cleanup.callback(used.unlink)
            on_error.pop_all()

    def _claim(self) -> tuple[Path, str]:
        """Make an empty gadget, named after a controller that no other gadget has."""
        taken = {(gadget / "UDC").read_text().strip() for gadget in GADGETS.iterdir()}
        for controller in sorted(device.name for device in Path("/sys/class/udc").iterdir()):
            if controller.startswith("dummy_udc.") and controller not in taken:
                with suppress(FileExistsError):  # claimed, and unplugged just now
                    path = GADGETS / f"anyserial-{controller}"
                    path.mkdir()
                    self._cleanup.callback(path.rmdir)
                    return path, controller
        raise RuntimeError(f"no dummy_udc is free; taken: {sorted(taken)}")

    @property
    def plugged(self) -> bool:
        return bool((self._path / "UDC").read_text().strip())

    def plug(self, node: str) -> str:
        """Plug it in, and return the path of its tty once that is there.

        Args:
            node: Where the tty is, as a pattern below its USB interface.
        """
        (self._path / "UDC").write_text(self._controller)
        return self.wait_node(node)

    def wait_node(self, node: str, interface: int = 0) -> str:
        """Return the path of the tty of an interface, once it is there; the rest as `plug`."""
        host = Path(f"/sys/devices/platform/dummy_hcd.{self.number}")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for found in host.glob(f"usb*/*-1/*:1.{interface}/{node}"):
                if (path := Path("/dev", found.name)).exists():
                    return str(path)
            time.sleep(0.01)
        raise TimeoutError(f"no tty came for interface {interface} of {self.identity}")

    def unplug(self) -> None:
        """Pull it out, if it is in."""
        try:
            (self._path / "UDC").write_text("\n")
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def close(self) -> None:
        """Unplug it, and take it apart."""
        self.unplug()
        self._cleanup.close()
