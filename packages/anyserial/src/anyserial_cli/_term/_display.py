"""What is printed, from a thread of its own, so that a slow terminal never holds up the port.

A terminal that is slower than the device makes the queue grow. Beyond `CAPACITY` the oldest text is
dropped, and a note says how much. The log is written elsewhere and drops nothing.
"""

import os
import threading
from collections import deque

__all__ = ("CAPACITY", "Display")

CAPACITY = 256 * 1024  # bytes
PIECE = 4096  # bytes written at once: a stopped terminal holds one of them


class Display:
    """Writes to one descriptor in order. The status line is a slot: only its latest text is written."""

    def __init__(self, fd: int, *, lossless: bool) -> None:
        """Print to *fd*; *lossless* (a pipe or a file) makes `put` wait instead of dropping."""
        self._fd = fd
        self._lossless = lossless
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._status = b""
        self._writing = False
        self._closing = False
        self.failed: OSError | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="anyserial term: display", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Queue *data*; whole sequences only, because it may be dropped as a whole."""
        if not data:
            return
        with self._changed:
            self._queue.append(data)
            self._size += len(data)
            while not self._lossless and self._size > CAPACITY and len(self._queue) > 1:
                dropped = len(self._queue.popleft())
                self._size -= dropped
                self._dropped += dropped
            self._changed.notify_all()

    @property
    def is_full(self) -> bool:
        """Whether a lossless display should be waited for."""
        return self._lossless and self._size > CAPACITY and self.failed is None

    def status(self, data: bytes) -> None:
        """Write *data* when everything queued has been written, unless a newer status comes first."""
        with self._changed:
            self._status = data
            self._changed.notify_all()

    @property
    def is_idle(self) -> bool:
        """Whether everything queued has been written; the status line does not count."""
        return not (self._queue or self._writing)

    def flush(self, timeout: float) -> bool:
        """Wait until everything is written, for at most *timeout* seconds; return whether it was."""
        with self._changed:
            return self._changed.wait_for(
                lambda: (self.is_idle and not self._status) or self.failed is not None, timeout
            )

    def close(self, timeout: float) -> None:
        """End after what is queued, waiting for at most *timeout* seconds."""
        self.flush(timeout)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(0.1)

    def _run(self) -> None:
        while (data := self._next()) is not None:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(self._fd, rest[:PIECE]) :]
            except OSError as exc:
                with self._changed:
                    self.failed = exc
                    self._queue.clear()
                    self._writing = False
                    self._changed.notify_all()
                return

    def _next(self) -> bytes | None:
        with self._changed:
            self._writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._queue or self._status or self._closing)
            if self._closing:
                return None
            self._writing = True
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                return f"\r\n[... {dropped} bytes not shown ...]\r\n".encode()
            if self._queue:
                data = self._queue.popleft()
                self._size -= len(data)
                return data
            data, self._status = self._status, b""
            return data
