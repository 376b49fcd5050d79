"""Line ends, translated both ways.

Received text goes to a terminal that needs CR LF; typed text comes with the CR of the Enter key. What
the device means by a line end is the user's choice, by name.
"""

__all__ = ("RECEIVED", "SENT", "ReceivedNewlines", "map_sent")

# What ends a line in what the device sends, and what the choice does.
RECEIVED = {
    "auto": "LF or CR LF ends a line; CR alone returns to its start",
    "cr": "CR, LF or CR LF ends a line",
    "lf": "LF ends a line; every CR is dropped",
    "none": "nothing is changed",
}
# What is sent for the Enter key.
SENT = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n"}


class ReceivedNewlines:
    """Turns the device's line ends into CR LF; a CR LF may come in two pieces."""

    def __init__(self, choice: str) -> None:
        """Translate as *choice*, a key of `RECEIVED`."""
        self.choice = choice
        self._after_cr = False

    def feed(self, text: str) -> str:
        """Return *text* with its line ends translated."""
        if not text or self.choice == "none":
            return text
        if self.choice == "lf":
            return text.replace("\r", "").replace("\n", "\r\n")
        after_cr, self._after_cr = self._after_cr, text[-1] == "\r"
        if self.choice == "auto":
            # The CR before the LF was passed on already.
            if after_cr and text[0] == "\n":
                return "\n" + self._auto(text[1:])
            return self._auto(text)
        if after_cr and text[0] == "\n":
            text = text[1:]
        return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")

    @staticmethod
    def _auto(text: str) -> str:
        return text.replace("\r\n", "\n").replace("\n", "\r\n")


def map_sent(data: bytes, newline: bytes) -> bytes:
    r"""Return *data* with each line end (CR LF, LF or CR) as *newline*."""
    return data.replace(b"\r\n", b"\r").replace(b"\n", b"\r").replace(b"\r", newline)
