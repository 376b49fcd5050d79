"""A USB device with two serial ports: what tells them apart is the number of their interface."""

from collections.abc import Generator
from contextlib import contextmanager

from usb_gadget import Gadget, Identity, load

__all__ = ("IDENTITY", "dual_acm")

IDENTITY = Identity(0x1D6B, 0x0105, 0x0100, "Anyserial", "Dual modem, 2 ports", "ANYSERIAL DUAL ")


@contextmanager
def dual_acm() -> Generator[tuple[Gadget, str, str]]:
    """Plug one in for the length of a block: the gadget, and the nodes of its ports."""
    load("usb_f_acm", "cdc_acm")
    gadget = Gadget(IDENTITY, "acm")
    root = gadget.function.parent.parent
    second = gadget.function.with_name("acm.second")
    used = root / "configs/c.1" / second.name
    second.mkdir()
    used.symlink_to(second)
    try:
        yield gadget, gadget.plug("tty/ttyACM*"), gadget.wait_node("tty/ttyACM*", interface=2)
    finally:
        gadget.unplug()
        used.unlink()
        second.rmdir()
        gadget.close()
