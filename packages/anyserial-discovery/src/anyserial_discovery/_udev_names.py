r"""The names that udev gives to USB serial ports, computed from the same attributes.

For hosts where no udev runs (containers), and for the moment before it has run. The
rules are those of systemd's ``60-serial.rules`` and of its builtins ``usb_id`` and
``path_id``. Pure functions only; nothing here reads anything.

``usb_id`` works on bytes: it reads at most 63 bytes of a manufacturer and of a product,
strips and joins blanks (``udev_replace_whitespace``), and replaces what a name may not
have (``udev_replace_chars``), each byte of it by an underscore. A character that the 63
bytes cut in two is not valid UTF-8 any more and goes the same way.
"""

import re
from collections.abc import Iterable

__all__ = ("has_serial_links", "id_name", "path_name", "serial_name")

# 60-serial.rules names no other port.
_LINKED = re.compile(r"tty(?:USB|ACM)[0-9].*")

# char vendor_str[64] and model_str[64], char serial_str[UDEV_NAME_SIZE] in udev-builtin-usb_id.c.
_NAME_BYTES = 63
_SERIAL_BYTES = 511

# isspace(3) in the C locale. What leads is stripped by strspn(WHITESPACE), which knows four of them.
_BLANKS = re.compile(rb"[ \t\n\v\f\r]+")
_LEADING = b" \t\n\r"

# What udev keeps besides letters and digits: a few signs, an escape as in "\x20", and valid UTF-8. A
# byte that could not be decoded is a surrogate here; of a code point that is not a character
# (unichar_is_valid in utf8.c) every byte is replaced.
_REPLACED = re.compile(
    r"(\\x)|[^0-9A-Za-z#+\-.:=@_\u0080-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]"
    r"|[" + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 0x11)) + "]"
)


def has_serial_links(name: str) -> bool:
    """Tell whether udev's rules name a port below ``/dev/serial``.

    Args:
        name: The kernel's name of the tty.
    """
    return _LINKED.fullmatch(name) is not None


def _clean(raw: bytes, limit: int) -> str:
    joined = _BLANKS.sub(b"_", _BLANKS.sub(b" ", raw[:limit].lstrip(_LEADING)).removesuffix(b" "))
    return _REPLACED.sub(_replacement, joined.decode("utf-8", "surrogateescape"))


def _replacement(found: re.Match[str]) -> str:
    return found[1] or "_" * len(found[0].encode("utf-8", "surrogateescape"))


def serial_name(serial_number: bytes | None) -> str:
    """Return the part that a serial number has in a name; empty for one that usb_id does not use."""
    # That is one that is not printable ASCII or has a comma.
    if serial_number is None or not all(0x20 <= byte <= 0x7F and byte != 0x2C for byte in serial_number):  # noqa: PLR2004
        return ""
    return _clean(serial_number, _SERIAL_BYTES)


def id_name(
    *,
    vendor: bytes,
    product: bytes,
    serial_number: bytes | None,
    interface_number: int,
    port_number: str | None,
) -> str:
    """Return the name below ``/dev/serial/by-id``.

    Args:
        vendor: The manufacturer's name as the device gives it; the vendor id (``0403``) without one.
        product: The product's name; the product id without one.
        serial_number: None for a device that has none.
        interface_number: The USB interface.
        port_number: The port on that interface, where the driver counts them.
    """
    name = f"usb-{_clean(vendor, _NAME_BYTES)}_{_clean(product, _NAME_BYTES)}"
    if serial := serial_name(serial_number):
        name += f"_{serial}"
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
