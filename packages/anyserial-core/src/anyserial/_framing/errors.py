"""What can be wrong with a frame. All are below `FramingError`, which is a `SerialError`."""

from typing import Any

from anyserial.exceptions import SerialError

__all__ = ("FrameCutOff", "FrameDamaged", "FrameTooLong", "FramingError")


class FramingError(SerialError):
    """A frame was not received whole. The stream stays usable, and the next receive goes on behind that frame.

    Attributes:
        partial: What was received of the frame, as far as it was decoded; maybe ``b""``.
    """

    partial: bytes

    def __init__(self, *args: Any, partial: bytes = b"") -> None:
        super().__init__(*args)
        self.partial = partial


class FrameTooLong(FramingError):  # noqa: N818  # a published name
    """A frame is longer than the framing's ``max_size``; `partial` has its first ``max_size`` bytes at most."""


class FrameDamaged(FramingError):  # noqa: N818
    """A frame breaks the rules of its framing, or the line damaged it: then the cause is the `LineError`."""


class FrameCutOff(FramingError):  # noqa: N818
    """The stream ended in the middle of a frame. The cause says how, and the next receive raises that cause."""
