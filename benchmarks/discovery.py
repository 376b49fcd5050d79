"""What listing 200 serial ports costs beside a bare loop that reads the same files.

    uv run python benchmarks/discovery.py [--ports 200] [--rounds 40]

The ports are USB adapters in a tree laid out as Linux lays out sysfs, in a temporary
directory: 25 hubs of 8 adapters, with udev's links. The files that a listing reads are
written down first; then listings and bare loops over those files (open, read, close)
alternate, and the medians are compared. Links and names, which the bare loop need not
look at, count as the listing's own cost. Target: at most 5 times.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, override

from anyserial_discovery._host import Host
from anyserial_discovery._linux import Sysfs

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 4096
TARGET = 5.0


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ports", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        for number in range(arguments.ports):
            make_port(Path(root), number)
        measure(root, arguments.ports, arguments.rounds)


def make_port(root: Path, number: int) -> None:
    """Make what sysfs and udev have for one FTDI adapter."""
    hub, port = divmod(number, 8)
    controller = root / "sys/devices/pci0000:00/0000:00:14.0"
    adapter = controller / f"usb1/1-{hub + 1}/1-{hub + 1}.{port + 1}"
    interface = adapter / f"{adapter.name}:1.0"
    name = f"ttyUSB{number}"
    serial_port = interface / name
    tty = serial_port / "tty" / name
    tty.mkdir(parents=True)
    for attribute, text in (
        (adapter / "idVendor", "0403"),
        (adapter / "idProduct", "6001"),
        (adapter / "serial", f"A{number:07}"),
        (adapter / "manufacturer", "FTDI"),
        (adapter / "product", "FT232R USB UART"),
        (adapter / "bNumInterfaces", " 1"),
        (interface / "bInterfaceNumber", "00"),
        (interface / "interface", "FT232R USB UART"),
        (serial_port / "port_number", "0"),
    ):
        attribute.write_text(text + "\n")
    for link, target in (
        (root / "sys/class/tty" / name, tty),
        (root / f"sys/dev/char/188:{number}", tty),
        (serial_port / "driver", root / "sys/bus/usb-serial/drivers/ftdi_sio"),
        (root / f"dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A{number:07}-if00-port0", root / "dev" / name),
        (
            root / f"dev/serial/by-path/pci-0000:00:14.0-usb-0:{hub + 1}.{port + 1}:1.0-port0",
            root / "dev" / name,
        ),
    ):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(target, link.parent))
    (root / "dev" / name).touch()


class Tree(Host):
    """A host whose nodes are plain files, since only root may make others."""

    @override
    def device_number(self, path: str) -> tuple[int, int] | None:
        super().device_number(path)
        return 188, int(path.removeprefix("/dev/ttyUSB"))


class Recorder(Tree):
    """A host that notes which files are read."""

    def __init__(self, root: str) -> None:
        """Start with none."""
        super().__init__(root)
        self.read: list[str] = []

    @override
    def content(self, path: str) -> bytes | None:
        self.read.append(path)
        return super().content(path)


def measure(root: str, ports: int, rounds: int) -> None:
    """Compare the two and print what came out."""
    recorder = Recorder(root)
    found = Sysfs(recorder).list_ports()
    if len(found) != ports or any(None in {port.by_id, port.serial_number} or not port.present for port in found):
        raise RuntimeError("the listing is not what the tree holds")
    files = [root + path for path in recorder.read]

    def bare() -> None:
        for path in files:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            os.read(fd, PAGE)
            os.close(fd)

    def listing() -> None:
        Sysfs(Tree(root)).list_ports()

    times: dict[str, list[float]] = {"bare loop": [], "listing": []}
    calls: list[tuple[str, Callable[[], None]]] = [("bare loop", bare), ("listing", listing)]
    for turn in range(rounds):
        # The order changes, so that neither always has the warm caches.
        for name, call in calls if turn % 2 else calls[::-1]:
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio = medians["listing"] / medians["bare loop"]
    print(f"{ports} ports, {len(files)} files, median of {rounds}")
    for name, seconds in medians.items():
        print(f"  {name:<10} {seconds * 1e3:8.2f} ms  {seconds / ports * 1e6:6.1f} us a port")
    print(f"  ratio      {ratio:8.2f}     (target: at most {TARGET})")


if __name__ == "__main__":
    main()
