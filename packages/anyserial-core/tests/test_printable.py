"""What others choose is shown in one harmless line."""

import pytest
from anyserial._printable import printable

TEXTS = [
    ("FT232R USB UART", "FT232R USB UART"),
    ("", ""),
    ("Würth 電源", "Würth 電源"),
    ("it's \\x1b", "it's \\x1b"),
    ("A\x1b[2J\x07", "A\\x1b[2J\\x07"),
    ("a\r\nforged line", "a\\r\\nforged line"),
    ("\u202egnp.exe", "\\u202egnp.exe"),
    ("\x9b31m\u2028", "\\x9b31m\\u2028"),
    ("name\udcff", "name\\udcff"),
]


@pytest.mark.parametrize(("text", "shown"), TEXTS)
def test_what_drives_a_terminal_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(text).isprintable()
    printable(text).encode()
