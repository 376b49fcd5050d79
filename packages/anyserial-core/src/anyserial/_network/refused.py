"""Why a server closed the connection while the port was being opened: what it said before."""

import errno
import re
from typing import TYPE_CHECKING

from anyserial._printable import printable
from anyserial.exceptions import LineError, PortBusyError, SerialError

if TYPE_CHECKING:
    from anyserial._network.address import Address
    from anyserial._network.inbox import Inbox

__all__ = ("refusal_of",)

_LONGEST_SHOWN = 200  # characters


def refusal_of(inbox: "Inbox", address: "Address") -> SerialError:
    """Return the error of the open, with the text that the server has sent.

    ser2net says "Port already in use", anyserial's server "another client has the port".
    """
    text = b""
    while inbox and len(text) < _LONGEST_SHOWN:
        try:
            text += inbox.take(_LONGEST_SHOWN)
        except LineError:
            continue
    said = printable(" ".join(text.decode("utf-8", "replace").split()))[:_LONGEST_SHOWN]
    if re.search(r"\b(in use|busy|another client)\b", said, re.IGNORECASE):
        return PortBusyError(errno.EBUSY, f"{address} says {said!r}", address.url)
    what = f" and said {said!r}" if said else ", without a word; another program may be using the port"
    return SerialError(
        errno.ECONNRESET, f"{address} closed the connection while the port was opened{what}", address.url
    )
