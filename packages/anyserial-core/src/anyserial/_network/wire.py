"""What a protocol does with the bytes of a connection, and the protocol that does nothing.

How the bytes come and go belongs to `channel`.
"""

from typing import TYPE_CHECKING, Final, Protocol

from anyserial._network.inbox import Inbox

if TYPE_CHECKING:
    from anyserial._port.contract import Items

__all__ = ("MOST", "QUIET", "Plain", "Wire")

MOST: Final = 65536  # bytes of one send
QUIET: Final = 4096  # bytes sent without looking whether the peer has asked for a pause


class Wire(Protocol):
    """What a protocol does with the bytes of a connection.

    Attributes:
        inbox: What has been received.
        output: What the protocol itself has to send.
        can_suspend: Whether the protocol has a way to ask for a pause.
    """

    inbox: Inbox
    output: bytearray
    can_suspend: bool

    @property
    def is_suspended(self) -> bool:
        """Whether the peer has asked to be sent no data."""
        ...

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        ...

    def pass_on(self, unfiled: list[bytes], items: "Items") -> bool:
        """Move the first of *unfiled*, which arrived next, to *items*, instead of feeding it.

        It is moved in one step of C, so that an interruption finds it in one of the two.

        Returns:
            False if it must be fed, because it is more than data, or empty.
        """
        ...

    def encode(self, data: bytes | memoryview) -> bytes | memoryview:
        """Return *data* as it is sent."""
        ...

    def taken(self, data: bytes | memoryview, encoded: bytes | memoryview, count: int) -> tuple[int, bytes]:
        """Return how much of *data* has been sent when *count* bytes of *encoded* have, and what must follow first."""
        ...


class Plain:
    """No protocol: the bytes of the connection are those of the port."""

    is_suspended = False
    can_suspend = False

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.output = bytearray()
        self.feed = self.inbox.put

    def pass_on(self, unfiled: list[bytes], items: "Items") -> bool:
        """See `Wire`."""
        if not unfiled[0]:
            return False
        items.extend(map(unfiled.pop, (0,)))
        return True

    def encode(self, data: bytes | memoryview) -> bytes | memoryview:
        """See `Wire`."""
        return data

    def taken(self, data: bytes | memoryview, encoded: bytes | memoryview, count: int) -> tuple[int, bytes]:  # noqa: ARG002
        """See `Wire`."""
        return count, b""
