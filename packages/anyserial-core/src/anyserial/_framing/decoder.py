"""One framing, and the frames and errors that wait to be taken: the state of a `FramedStream`, for both faces.

It does no I/O. Its caller reports what was received and when, that nothing arrived in time, and that the stream failed.
It says what comes next, and until when to wait for silence.
"""

from collections import deque
from typing import TYPE_CHECKING, Any

import anyio

from anyserial._framing.contract import Framing
from anyserial._framing.errors import FrameCutOff, FrameDamaged
from anyserial.exceptions import LineError

if TYPE_CHECKING:
    from anyserial._framing.errors import FramingError

__all__ = ("Decoder",)

_ENDS = (anyio.BrokenResourceError, anyio.EndOfStream, anyio.IncompleteRead)


class Decoder:
    """See the module's docstring.

    Args:
        framing: The framing, which now belongs to this stream.
        stream: What the bytes come from; asked for its settings.

    Attributes:
        framing: The framing.
        ready: What can be taken: frames, and errors to be raised.
        wanted: Settings that the framing wants the port to have; None if there are none.
        read_at: When the last bytes were read, by the caller's clock.
    """

    __slots__ = ("_unfed", "framing", "path", "read_at", "ready", "wanted")

    def __init__(self, framing: Framing, stream: Any, path: str | None) -> None:
        if not isinstance(framing, Framing):  # pyright: ignore[reportUnnecessaryIsInstance]  # a caller's mistake
            raise TypeError(f"framing must be a Framing, as Delimited(b'\\n') (got {framing!r})")
        self.framing = framing
        self.ready: deque[bytes | Exception] = deque()
        self.read_at = 0.0
        self.path = path
        self._unfed: bytes | None = None
        framing.reset()
        self.wanted = framing.attach(stream)

    def feed(self, data: bytes, read_at: float = 0.0) -> None:
        """Take what was received."""
        if self._unfed is not None:
            self._recover()
        self.read_at = read_at
        self._unfed = data
        self.ready.extend(self.framing.feed(data))
        self._unfed = None

    def quiet(self) -> None:
        """Note that nothing came for as long as the framing waits."""
        self.ready.extend(self.framing.feed(b""))

    def quiet_at(self) -> float | None:
        """Return when the silence that the framing waits for is over; None if it waits for none."""
        silence = self.framing.silence
        return None if silence is None else self.read_at + silence

    def failed(self, error: Exception) -> Exception:
        """Return what a receive raises if its stream raised *error*; that is *error* itself if no frame is under way.

        A line error gives up the frame that is under way. The end of the stream cuts it off.
        """
        if isinstance(error, LineError):
            # A break between two frames is not a byte of either.
            partial = self.framing.reset() if error.kind == "break" else self.framing.resync()
            if error.kind == "break" and not partial:
                return error
            if error.kind == "break":
                self.framing.resync()
            text = f"the line damaged a frame after {len(partial)} bytes ({error})"
            return self._chained(FrameDamaged(None, text, self.path, partial=partial), error)
        if isinstance(error, _ENDS) and (partial := self.framing.reset()):
            text = f"the stream ended after {len(partial)} bytes of a frame"
            return self._chained(FrameCutOff(None, text, self.path, partial=partial), error)
        return error

    def take_all(self) -> list[bytes]:
        """Return the complete frames, and forget errors and the incomplete frame."""
        if self.framing.silence is not None:
            self.quiet()
        frames = [item for item in self.ready if isinstance(item, bytes)]
        self.discard()
        return frames

    def discard(self) -> None:
        """Forget everything that was received."""
        self.ready.clear()
        self._unfed = None
        self.framing.reset()

    def _recover(self) -> None:
        """Go on after a signal handler raised in the middle of a `feed`: nobody knows what that frame's state is."""
        data, self._unfed = self._unfed, None
        partial = self.framing.resync()
        text = "a signal handler interrupted the decoding of a frame"
        self.ready.append(FrameDamaged(None, text, self.path, partial=partial))
        self.ready.extend(self.framing.feed(data or b""))

    @staticmethod
    def _chained(error: "FramingError", cause: Exception) -> "FramingError":
        error.__cause__ = cause
        return error
