"""The names that udev gives to USB serial ports, computed from the same attributes.

For hosts where no udev runs (containers), and for the moment before it has run. The
rules are those of systemd's ``60-serial.rules`` and of its builtins ``usb_id`` and
``path_id``. Pure functions only; nothing here reads anything.
"""

import re
from collections.abc import Iterable

__all__ = ("id_name", "path_name")

_BLANKS = re.compile(r"\s+")
# What udev keeps in a name besides valid UTF-8 beyond ASCII (its replacement
# character is one that could not be decoded).
_FORBIDDEN = re.compile(r"[^0-9A-Za-z#+\-.:=@_\u0080-\ufffc\U00010000-\U0010ffff]")


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("_", _BLANKS.sub("_", text.strip()))


def id_name(
    *,
    vendor: str,
    product: str,
    serial_number: str | None,
    interface_number: int,
    port_number: str | None,
) -> str:
    """Return the name below ``/dev/serial/by-id``.

    Args:
        vendor: The manufacturer's name; the vendor id (``0403``) without one.
        product: The product's name; the product id without one.
        serial_number: None for a device that has none.
        interface_number: The USB interface.
        port_number: The port on that interface, where the driver counts them.
    """
    name = f"usb-{_clean(vendor)}_{_clean(product)}"
    # usb_id does not use a serial number that is not printable ASCII or has a comma.
    if serial_number and "," not in serial_number and all(0x20 <= ord(char) <= 0x7F for char in serial_number):  # noqa: PLR2004
        name += f"_{_clean(serial_number)}"
    name += f"-if{interface_number:02x}"
    return name if port_number is None else f"{name}-port{port_number}"


def path_name(interface: str, parents: Iterable[tuple[str, str]], port_number: str | None) -> str | None:
    """Return the name below ``/dev/serial/by-path``.

    Args:
        interface: The USB interface's kernel name, ``1-1.2:1.0``.
        parents: Kernel name and subsystem of each device above the interface, nearest
            first.
        port_number: As for `id_name`.

    Returns:
        None when nothing above the USB devices is of a kind that udev makes paths of.
    """
    name = f"usb-0:{interface.partition('-')[2]}"
    last = "usb"
    found = False
    for parent, subsystem in parents:
        # Of neighbours on the same bus only the nearest counts.
        if subsystem == last:
            continue
        last = subsystem
        if subsystem in {"pci", "platform", "acpi"}:
            name = f"{subsystem}-{parent}-{name}"
            found = True
    if not found:
        return None
    return name if port_number is None else f"{name}-port{port_number}"
