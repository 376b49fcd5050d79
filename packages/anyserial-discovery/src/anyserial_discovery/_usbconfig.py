"""What FreeBSD's usbconfig(8) prints of the strings of USB devices.

``usbconfig dump_all_desc`` prints each device's descriptors, every string behind the
index that refers to it (usr.sbin/usbconfig/dump.c). Which port is which device's is not
known here: that is `_freebsd`.
"""

import re
from dataclasses import dataclass, field

__all__ = ("Strings", "parse_strings")

# A device begins with "ugen0.4: <FTDI Dual RS232-HS> at usbus0, cfg=0 md=HOST ...".
_DEVICE = re.compile(r"(ugen\d+\.\d+): <.*")
# A field is as "  iProduct = 0x0002  <Dual RS232-HS>"; a string may itself have the sign that ends it.
_FIELD = re.compile(r"( *)(\w+) = 0x([0-9a-f]+) *(?:<(.*)>)? *")
# What usbconfig prints for a string that the device does not have.
_NONE = frozenset({"", "no string", "retrieving string failed"})
_OF_THE_DEVICE = "  "


@dataclass(slots=True)
class Strings:
    """What one device calls itself.

    Attributes:
        manufacturer: None when it has none, or it could not be read.
        product: The same.
        interfaces: The name of each interface that has one, by its number.
    """

    manufacturer: str | None = None
    product: str | None = None
    interfaces: dict[int, str] = field(default_factory=dict[int, str])


def parse_strings(text: str) -> dict[str, Strings]:
    """Return what each device calls itself, by its name (``ugen0.4``)."""
    devices: dict[str, Strings] = {}
    device = Strings()
    number = setting = 0
    for line in text.split("\n"):
        if (named := _DEVICE.fullmatch(line)) is not None:
            device = devices[named[1]] = Strings()
            continue
        found = _FIELD.fullmatch(line)
        if found is None:
            continue
        level, key, value, string = found.groups()
        name = None if string is None or string.strip() in _NONE else string.strip()
        match key:
            case "iManufacturer" if level == _OF_THE_DEVICE:
                device.manufacturer = name
            case "iProduct" if level == _OF_THE_DEVICE:
                device.product = name
            case "bInterfaceNumber":
                number = int(value, 16)
            case "bAlternateSetting":
                setting = int(value, 16)
            case "iInterface" if name is not None and setting == 0:
                # The first configuration's, which is the one that drivers use.
                device.interfaces.setdefault(number, name)
            case _:
                pass
    return devices
