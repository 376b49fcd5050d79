"""The pyudev backend over a context that reads the recorded trees: the ports are those of sysfs."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import anyserial_discovery
import pytest
from anyserial_discovery._linux import Sysfs
from anyserial_discovery._pyudev import list_ports
from anyserial_discovery._tty_drivers import parse_drivers

type MakeTree = Callable[..., Any]


class Device:
    """What of a ``pyudev.Device`` is used; the names are pyudev's."""

    def __init__(self, tree: Any, path: str) -> None:
        self.tree = tree
        self.path = path
        self.sys_name = path.rpartition("/")[2]
        subsystem = tree.link(f"{path}/subsystem")
        self.subsystem = None if subsystem is None else subsystem.rpartition("/")[2]
        driver = tree.link(f"{path}/driver")
        self.driver = None if driver is None else driver.rpartition("/")[2]
        self.device_type = None
        if self.subsystem == "usb":
            self.device_type = "usb_interface" if ":" in self.sys_name else "usb_device"
        node = f"/dev/{self.sys_name}"
        self.device_node = node if node in tree.numbers else None
        self.device_number = os.makedev(*tree.numbers.get(node, (0, 0)))
        self.attributes = SimpleNamespace(get=self._attribute)

    def _attribute(self, name: str) -> bytes | None:
        text: str | None = self.tree.text(f"{self.path}/{name}")
        return None if text is None else text.encode() + b"\n"

    @property
    def device_links(self) -> Iterator[str]:
        for directory in ("/dev/serial/by-id", "/dev/serial/by-path"):
            for name in self.tree.names(directory):
                if (self.tree.link(f"{directory}/{name}") or "").rpartition("/")[2] == self.sys_name:
                    yield f"{directory}/{name}"

    @property
    def parent(self) -> "Device | None":
        path = self.path.rpartition("/")[0]
        # libudev sees only what has a subsystem or an uevent file.
        while path.startswith("/sys/devices/") and self.tree.link(f"{path}/subsystem") is None:
            path = path.rpartition("/")[0]
        return Device(self.tree, path) if path.startswith("/sys/devices/") else None

    def find_parent(self, subsystem: str, device_type: str) -> "Device | None":
        device = self.parent
        while device is not None and (device.subsystem, device.device_type) != (subsystem, device_type):
            device = device.parent
        return device


class Context:
    def __init__(self, tree: Any) -> None:
        self.tree = tree

    def list_devices(self, *, subsystem: str) -> Iterator[Device]:
        for name in self.tree.names(f"/sys/class/{subsystem}"):
            yield Device(self.tree, "/sys" + self.tree.link(f"/sys/class/{subsystem}/{name}").removeprefix("../.."))


@pytest.mark.parametrize("name", ["linux-6.1", "linux-6.12", "board", "uarts", "usb", "virtual", "drivers"])
def test_the_ports_are_those_of_sysfs(make_tree: MakeTree, name: str) -> None:
    tree = make_tree(name)
    expected = [
        # No udev ran for the hand-built trees without links, and udev has no list of live consoles.
        port if (tree.root / "dev/serial").exists() else replace(port, by_id=None, by_path=None)
        for port in Sysfs(tree).list_ports()
        if port.present and not port.device.startswith("/dev/hvc")
    ]
    assert list_ports(Context(tree), parse_drivers(tree.text("/proc/tty/drivers") or "")) == expected


def test_a_name_that_two_devices_share_is_no_name(make_tree: MakeTree) -> None:
    tree = make_tree("usb")
    for name, number in (("1a86_USB_Serial-if00-port0", 4), ("FTDI_Dual_RS232-HS_FT4X8ZAB-if00-port0", 0)):
        tree.put(f"/dev/serial/by-id/usb-{name} -> ../../ttyUSB{number}")
    found = {port.name: port.by_id for port in list_ports(Context(tree), [])}
    assert (found["ttyUSB3"], found["ttyUSB4"]) == (None, None)
    assert found["ttyUSB0"] == "/dev/serial/by-id/usb-FTDI_Dual_RS232-HS_FT4X8ZAB-if00-port0"


def test_a_device_that_goes_meanwhile_is_left_out(make_tree: MakeTree) -> None:
    tree = make_tree("board")
    next((tree.root / "sys/devices/platform").rglob("1-1.2/idProduct")).unlink()
    assert [port.name for port in list_ports(Context(tree))] == ["ttyAMA0", "ttyS0"]


@pytest.mark.skipif(sys.platform != "linux", reason="libudev is Linux's")
def test_the_real_library_answers() -> None:
    pytest.importorskip("pyudev")
    try:
        ports = anyserial_discovery.list_ports("pyudev")
    except ImportError as exc:
        pytest.skip(f"no libudev here: {exc}")
    known = {port.name for port in anyserial_discovery.list_ports()}
    assert {port.name for port in ports} <= known


@pytest.mark.skipif(sys.platform != "linux", reason="libudev is Linux's")
def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyudev"]:
        monkeypatch.delitem(sys.modules, name)

    def missing(name: str, *_: object) -> None:
        if name == "pyudev":
            raise ModuleNotFoundError(f"No module named {name!r}", name="pyudev")

    monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=missing), *sys.meta_path])
    with pytest.raises(ImportError, match=r"pip install 'anyserial-discovery\[pyudev\]'"):
        anyserial_discovery.list_ports("pyudev")
