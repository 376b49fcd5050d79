"""What a framing is: the interface between a framing and `FramedStream`."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anyio

    from anyserial._framing.errors import FramingError
    from anyserial.config import SerialConfig

__all__ = ("Framing",)


class Framing(ABC):
    """How frames are found in a stream of bytes. Subclass it for a framing of your own.

    A framing does no I/O: it gets the bytes that were received, and returns frames. It has the state of one stream, so
    every `FramedStream` needs a framing object of its own. A subclass has to write `encode`, `feed` and `reset`.
    """

    @abstractmethod
    def encode(self, frame: bytes) -> bytes:
        """Return *frame* as it goes over the line.

        Raises:
            ValueError: *frame* cannot be sent in this framing; the message says why.
        """

    @abstractmethod
    def feed(self, data: bytes) -> "list[bytes | FramingError]":
        """Take received bytes.

        Args:
            data: What was received; ``b""`` says that nothing came for `silence` seconds.

        Returns:
            The frames that are complete now, and an error for each frame that was given up, in the order of
            the line. An error is returned, not raised.
        """

    @abstractmethod
    def reset(self) -> bytes:
        """Forget the frame that is under way. The next byte begins a new frame.

        Returns:
            What was received of it, as it came over the line; ``b""`` if no frame was under way.
        """

    @property
    def silence(self) -> float | None:
        """Seconds without a byte that mean something now; None if silence means nothing.

        It is read after each `feed`. If nothing comes for that long, `feed` gets ``b""``.
        """
        return None

    def resync(self) -> bytes:
        """Give up the frame that is under way, because the line damaged a byte of it.

        A framing that can tell where the next frame begins skips what comes before it. Unless overridden,
        this is `reset`.

        Returns:
            What was received of the damaged frame, as `reset` returns it.
        """
        return self.reset()

    def attach(self, stream: "anyio.TypedAttributeProvider") -> "SerialConfig | None":  # noqa: ARG002  # for overriding
        """Learn which stream the frames come from. `FramedStream` calls it once, before anything else.

        Args:
            stream: The byte stream; ``stream.extra`` knows the settings of a serial port.

        Returns:
            Settings that the framing wants the port to have; None if any will do. The first receive applies them.
        """
        return None
