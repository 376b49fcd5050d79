"""What a protocol does with the bytes of a connection, and the protocol that does nothing.

How the bytes come and go belongs to `channel`.
"""

from typing import Protocol

from anyserial._network.inbox import Inbox

__all__ = ("Plain", "Wire")


class Wire(Protocol):
    """What a protocol does with the bytes of a connection.

    Attributes:
        inbox: What has been received.
        output: What the protocol itself has to send.
    """

    inbox: Inbox
    output: bytearray

    @property
    def is_suspended(self) -> bool:
        """Whether the peer has asked to be sent no data."""
        ...

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        ...

    def encode(self, data: bytes | memoryview) -> bytes | memoryview:
        """Return *data* as it is sent."""
        ...

    def taken(self, data: bytes | memoryview, encoded: bytes | memoryview, count: int) -> int:
        """Return how much of *data* has been sent when *count* bytes of *encoded* have."""
        ...


class Plain:
    """No protocol: the bytes of the connection are those of the port."""

    is_suspended = False

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.output = bytearray()
        self.feed = self.inbox.put

    def encode(self, data: bytes | memoryview) -> bytes | memoryview:
        """See `Wire`."""
        return data

    def taken(self, data: bytes | memoryview, encoded: bytes | memoryview, count: int) -> int:  # noqa: ARG002
        """See `Wire`."""
        return count
