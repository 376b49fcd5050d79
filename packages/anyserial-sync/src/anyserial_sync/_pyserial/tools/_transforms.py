"""What miniterm does to text on its way: line ends, control characters, colours.

A transformation gets the text of each direction, and of the local echo, and returns what goes on. Programs
add their own to `TRANSFORMATIONS`. The first line of a docstring is what the list of filters shows.
"""

import sys
from typing import ClassVar, override

__all__ = (
    "CR",
    "CRLF",
    "EOL_TRANSFORMATIONS",
    "LF",
    "TRANSFORMATIONS",
    "Colorize",
    "DebugIO",
    "NoControls",
    "NoTerminal",
    "Printable",
    "Transform",
)

KEPT = "\b\t\n\r"  # control characters that the filters leave alone
CONTROL_PICTURES = 0x2400  # where Unicode's signs for control characters begin
SUBSCRIPT_ZERO = 0x2080


class Transform:
    """forward everything as it is"""  # noqa: D415  # shown as an entry of a list

    def rx(self, text: str) -> str:
        """Return what is shown of received text."""
        return text

    def tx(self, text: str) -> str:
        """Return what is sent for typed text."""
        return text

    def echo(self, text: str) -> str:
        """Return what the local echo shows of typed text."""
        return text


class CRLF(Transform):
    """the Enter key sends CR and LF"""  # noqa: D415

    @override
    def tx(self, text: str) -> str:
        return text.replace("\n", "\r\n")


class CR(Transform):
    """the Enter key sends CR, and a received CR ends a line"""  # noqa: D415

    @override
    def rx(self, text: str) -> str:
        return text.replace("\r", "\n")

    @override
    def tx(self, text: str) -> str:
        return text.replace("\n", "\r")


class LF(Transform):
    """the Enter key sends LF"""  # noqa: D415


class NoTerminal(Transform):
    """show control characters as signs, except those of line ends, tabs and backspace"""  # noqa: D415

    REPLACEMENT_MAP: ClassVar[dict[int, int]] = {
        **{code: CONTROL_PICTURES + code for code in range(0x20) if chr(code) not in KEPT},
        0x7F: 0x2421,  # DEL
        0x9B: 0x2425,  # CSI, the escape sequences' beginning in one byte
    }

    @override
    def rx(self, text: str) -> str:
        return text.translate(self.REPLACEMENT_MAP)

    @override
    def echo(self, text: str) -> str:
        return self.rx(text)


class NoControls(NoTerminal):
    """show every control character as a sign, line ends and spaces too"""  # noqa: D415

    REPLACEMENT_MAP: ClassVar[dict[int, int]] = {
        **{code: CONTROL_PICTURES + code for code in range(0x20)},
        0x20: 0x2423,
        0x7F: 0x2421,
        0x9B: 0x2425,
    }


class Printable(Transform):
    """show what is not ASCII as its number, and control characters as signs"""  # noqa: D415

    @override
    def rx(self, text: str) -> str:
        return "".join(map(self._shown, text))

    @override
    def echo(self, text: str) -> str:
        return self.rx(text)

    @staticmethod
    def _shown(character: str) -> str:
        if " " <= character < "\x7f" or character in KEPT:
            return character
        if character < " ":
            return chr(CONTROL_PICTURES + ord(character))
        return "".join(chr(SUBSCRIPT_ZERO + int(digit)) for digit in str(ord(character))) + " "


class Colorize(Transform):
    """show what is received and what is echoed in different colours"""  # noqa: D415

    def __init__(self) -> None:
        self.input_color = "\x1b[37m"
        self.echo_color = "\x1b[31m"

    @override
    def rx(self, text: str) -> str:
        return self.input_color + text

    @override
    def echo(self, text: str) -> str:
        return self.echo_color + text


class DebugIO(Transform):
    """write what is received and sent to standard error, too"""  # noqa: D415

    @override
    def rx(self, text: str) -> str:
        return self._told("RX", text)

    @override
    def tx(self, text: str) -> str:
        return self._told("TX", text)

    @staticmethod
    def _told(direction: str, text: str) -> str:
        sys.stderr.write(f" [{direction}:{text!r}] ")
        sys.stderr.flush()
        return text


EOL_TRANSFORMATIONS: dict[str, type[Transform]] = {"crlf": CRLF, "cr": CR, "lf": LF}

TRANSFORMATIONS: dict[str, type[Transform]] = {
    "direct": Transform,
    "default": NoTerminal,
    "nocontrol": NoControls,
    "printable": Printable,
    "colorize": Colorize,
    "debug": DebugIO,
}
