import pytest
from anyserial_discovery._udev_names import id_name, path_name

# vendor, product, serial number, interface, port; name. The rules of systemd's usb_id.
ID_NAMES = [
    (("FTDI", "FT232R USB UART", "A50285BI", 0, "0"), "usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0"),
    (("FTDI", "Quad RS232-HS", None, 3, "0"), "usb-FTDI_Quad_RS232-HS-if03-port0"),
    (("Arduino (www.arduino.cc)", "0043", "7583", 0, None), "usb-Arduino__www.arduino.cc__0043_7583-if00"),
    (("1a86", "USB2.0-Serial", None, 0, "0"), "usb-1a86_USB2.0-Serial-if00-port0"),
    (("Prolific  Technology Inc.", "a/b", "x", 0, "0"), "usb-Prolific_Technology_Inc._a_b_x-if00-port0"),
    # A serial number that usb_id does not trust.
    (("V", "P", "1,2", 0, None), "usb-V_P-if00"),
    (("V", "P", "1\x012", 0, None), "usb-V_P-if00"),
    (("V", "P", "\u00fc", 0, None), "usb-V_P-if00"),
    (("V", "P", "a b", 0, None), "usb-V_P_a_b-if00"),
    # Letters beyond ASCII stay, what could not be decoded does not.
    (("W\u00fcrth", "P", None, 0, None), "usb-W\u00fcrth_P-if00"),
    (("V\udcff", "P", None, 0, None), "usb-V__P-if00"),
    (("V\ufffd", "P", None, 0, None), "usb-V\ufffd_P-if00"),
    # Every byte of what is not a character is replaced.
    (("V\udce2\udc82", "\ufffe\U0001ffff\ufdd0", None, 0, None), "usb-V_____________-if00"),
    # An escape is taken for one, whatever follows it.
    (("a\\x20b", "\\xzz\\y\\", "c\\x/", 0, None), "usb-a\\x20b_\\xzz_y__c\\x_-if00"),
    # usb_id reads 63 bytes, wherever they end: in a word, a blank or a character.
    (("v" * 64, "p" * 63 + " p", "s" * 126, 0, "0"), f"usb-{'v' * 63}_{'p' * 63}_{'s' * 126}-if00-port0"),
    (("v" * 62 + " v", "p" * 61 + "\u00fc", None, 0, None), f"usb-{'v' * 62}_{'p' * 61}\u00fc-if00"),
    (("v" * 62 + "\u00fc", "  " + "p" * 63, None, 0, None), f"usb-{'v' * 62}__{'p' * 61}-if00"),
    # The blanks are those of C, and a vertical tab that leads is joined with no other but not stripped.
    (("a\u00a0b\u3000", "\v\f a\t\v\r\nb\v", None, 0, None), "usb-a\u00a0b\u3000__a_b-if00"),
    # Nothing but blanks is a name, though an empty one.
    ((" ", "P", " ", 0, None), "usb-_P-if00"),
    # A control character is not a blank; the interface is hexadecimal.
    (("V\x1b[2J", "P", None, 0x1F, None), "usb-V__2J_P-if1f"),
]


@pytest.mark.parametrize(("arguments", "name"), ID_NAMES)
def test_id_name(arguments: tuple[str, str, str | None, int, str | None], name: str) -> None:
    vendor, product, serial_number, interface, port = arguments
    assert (
        id_name(
            vendor=vendor.encode(errors="surrogateescape"),
            product=product.encode(errors="surrogateescape"),
            serial_number=None if serial_number is None else serial_number.encode(),
            interface_number=interface,
            port_number=port,
        )
        == name
    )


USB = [("1-1.2", "usb"), ("1-1", "usb"), ("usb1", "usb")]

PATH_NAMES = [
    ("1-1.2:1.0", [*USB, ("0000:00:14.0", "pci")], "0", "pci-0000:00:14.0-usb-0:1.2:1.0-port0"),
    ("1-1.2:1.0", [*USB, ("0000:00:14.0", "pci")], None, "pci-0000:00:14.0-usb-0:1.2:1.0"),
    # Of two devices on one bus the nearer names the path.
    ("2-3:1.1", [*USB, ("0000:3c:00.0", "pci"), ("0000:00:1c.4", "pci")], None, "pci-0000:3c:00.0-usb-0:3:1.1"),
    (
        "1-1.2:1.0",
        [*USB, ("0000:01:00.0", "pci"), ("0000:00:00.0", "pci"), ("fd500000.pcie", "platform"), ("scb", "platform")],
        "0",
        "platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.2:1.0-port0",
    ),
    (
        "1-1:1.0",
        [*USB, ("xhci-hcd.0", "platform"), ("1f00200000.usb", "platform"), ("axi", "platform")],
        "0",
        "platform-xhci-hcd.0-usb-0:1:1.0-port0",
    ),
    ("1-1:1.0", [*USB, ("vhci", "strange")], "0", None),
    ("1-1:1.0", USB, "0", None),
]


@pytest.mark.parametrize(("interface", "parents", "port", "name"), PATH_NAMES)
def test_path_name(interface: str, parents: list[tuple[str, str]], port: str | None, name: str | None) -> None:
    assert path_name(interface, parents, port) == name
