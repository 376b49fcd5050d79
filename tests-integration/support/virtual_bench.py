"""Virtual serial ports for tests: ptys with an instrument behind each, served by one thread.

The instrument answers whole lines (see `reply_to`) and echoes everything else, so that a
program under test has somebody to talk to on any runtime, and without one.
"""

import os
import select
import threading
import tty
from contextlib import suppress
from typing import Self

__all__ = ("Bench", "Instrument", "reply_to")

REPLIES = {
    b"*IDN?": b"ANYSERIAL,VIRTUAL INSTRUMENT,0001,1.0",
    b"READ?": b"+1.2345E+00",
    b"MEAS?": b"+1.2345E+00",
}
LONGEST_LINE = 4096


def reply_to(line: bytes) -> bytes:
    """Return what the instrument sends for a line (without its end): the answer to a query, or the line again."""
    return REPLIES.get(line.strip(), line) + b"\n"


class Instrument:
    """One pty: `path` is the port to open, this side is the device."""

    def __init__(self) -> None:
        # The slave stays open here too: without it the master would report a hang-up until
        # somebody opens the port, and again after each close.
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self._slave)
        self.device_number = os.fstat(self._slave).st_rdev
        self.outgoing = bytearray()
        self._line = bytearray()

    def take(self, data: bytes) -> None:
        """Take what the port sent, and put the answer in `outgoing`."""
        self._line += data
        while (end := self._line.find(b"\n")) >= 0:
            self.outgoing += reply_to(bytes(self._line[:end]))
            del self._line[: end + 1]
        # What cannot be the beginning of a line is binary, and comes back as it is.
        is_text = self._line.isascii() and self._line.decode().isprintable()
        if not is_text or len(self._line) > LONGEST_LINE:
            self.outgoing += self._line
            self._line.clear()

    def close(self) -> None:
        """Unplug it: the port is hung up."""
        os.close(self.master)
        os.close(self._slave)


class Bench:
    """Instruments, and the thread that plays them; a context manager."""

    def __init__(self) -> None:
        self._instruments: dict[int, Instrument] = {}
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="virtual bench", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._wake()
        self._thread.join()
        for instrument in self._instruments.values():
            instrument.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def plug_in(self) -> Instrument:
        """Return a new instrument; open its `path`."""
        instrument = Instrument()
        with self._lock:
            self._instruments[instrument.master] = instrument
        self._wake()
        return instrument

    def unplug(self, instrument: Instrument) -> None:
        """Hang the instrument's port up."""
        with self._lock:
            if self._instruments.pop(instrument.master, None) is not instrument:
                raise ValueError(f"no instrument of this bench is behind {instrument.path}")
            instrument.close()
        self._wake()

    def _wake(self) -> None:
        os.write(self._wake_write, b"\0")

    def _serve(self) -> None:
        while not self._stopping:
            poll = select.poll()
            poll.register(self._wake_read, select.POLLIN)
            with self._lock:
                for master, instrument in self._instruments.items():
                    poll.register(master, select.POLLIN | (select.POLLOUT if instrument.outgoing else 0))
            for fd, _ in poll.poll():
                if fd == self._wake_read:
                    os.read(fd, 4096)
                    continue
                with self._lock:
                    # Unplugged meanwhile; the number may be another instrument's by now, which does no harm.
                    if (ready := self._instruments.get(fd)) is not None:
                        _exchange(ready)


def _exchange(instrument: Instrument) -> None:
    with suppress(BlockingIOError):
        instrument.take(os.read(instrument.master, 65536))
    if instrument.outgoing:
        try:
            sent = os.write(instrument.master, instrument.outgoing)
        except BlockingIOError:
            return
        del instrument.outgoing[:sent]
