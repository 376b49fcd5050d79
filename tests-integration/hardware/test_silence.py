"""Frames that end with silence, on real drivers: how many are told apart, with and without the driver's own time.

In the virtual machine bytes take no time on the line, so the far end plays the line and the buffer of the
hardware: it hands over what a UART's FIFO or an FTDI's latency timer would hand over, when they would. What the
kernel, the event loop and the thread add is real. `docs/framing.md` has the figures that this prints.
"""

import random
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import anyserial.sync
import pytest
from anyserial import SerialConfig
from anyserial.framing import Silence
from serial_links import Link

FRAMES = 40
MOST = 4096  # bytes: frames that come as one must not be refused, they are counted
BAUDRATE = 9600
CHARACTER = 10 / BAUDRATE
FIFO = 8  # bytes at which a 16550 interrupts
PACKET = 62  # bytes of data in a full packet of an FTDI


def pieces(frame: bytes, latency: float | None) -> Iterator[tuple[float, bytes]]:
    """What the hardware hands over of a frame, each with the seconds since its first bit."""
    if latency is None:
        for begin in range(0, len(frame), FIFO):
            piece = frame[begin : begin + FIFO]
            # A FIFO that is not full interrupts four characters after the last byte.
            wait = 0 if len(piece) == FIFO else 4
            yield (begin + len(piece) + wait) * CHARACTER, piece
        return
    size = max(min(int(latency / CHARACTER), PACKET), 1)
    for begin in range(0, len(frame), size):
        piece = frame[begin : begin + size]
        yield max((begin + len(piece)) * CHARACTER, begin * CHARACTER + latency), piece


@contextmanager
def playing(link: Link, frames: list[bytes], latency: float | None, gap: float) -> Generator[None]:
    """Send the frames from a thread, with *gap* seconds of silence on the line behind each."""

    def play() -> None:
        begin = time.monotonic() + 0.05
        for frame in frames:
            for after, piece in pieces(frame, latency):
                time.sleep(max(begin + after - time.monotonic(), 0))
                link.send(piece)
            begin = max(begin + len(frame) * CHARACTER + gap, time.monotonic())

    thread = threading.Thread(target=play)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        sys.setswitchinterval(interval)


def wrong(link: Link, silence: Silence, latency: float | None, gap: float, config: SerialConfig) -> int:
    """Return how many frames did not come out as they were sent."""
    chooser = random.Random(14)
    sent = [bytes([number]) * chooser.randint(4, 40) for number in range(1, FRAMES + 1)]
    got: list[bytes] = []
    with anyserial.sync.open_serial_port(link.path, config) as port:
        link.configure(config)
        framed = anyserial.sync.FramedStream(port, silence)
        with playing(link, sent, latency, gap):
            try:
                while sum(map(len, got)) < sum(map(len, sent)):
                    got.append(framed.receive(timeout=3))
            except TimeoutError:
                pass
    return len([frame for frame in sent if frame not in got])


def measured(link: Link, latency: float | None, config: SerialConfig, enough: float, most: int = 0) -> None:
    """Print how many frames are wrong at some gaps; with *enough* seconds between frames, *most* may be."""
    with anyserial.sync.open_serial_port(link.path, config) as port:
        silence = Silence(low_latency=False)
        anyserial.sync.FramedStream(port, silence)
        length, guess = silence.length * 1000, silence.guess
    assert guess is not None
    held = "FIFO" if latency is None else f"latency {latency * 1000:.0f} ms"
    for gap in (0.005, 0.01, 0.02, 0.04, 0.06):
        ours = wrong(link, Silence(low_latency=False, max_size=MOST), latency, gap, config)
        bare = wrong(link, Silence(seconds=3.5 * CHARACTER, max_size=MOST), latency, gap, config)
        line = f"SILENCE {link.driver}, {held}: {length:.1f} ms end a frame, gap {gap * 1000:.0f} ms:"
        print(f"{line} {ours} of {FRAMES} wrong, {bare} with 3.5 characters alone")  # noqa: T201  # what is published
        assert gap < enough or ours <= most


@pytest.mark.drivers("8250")
def test_frames_of_a_uart_are_told_apart(link: Link) -> None:
    measured(link, None, SerialConfig(baudrate=BAUDRATE), 0.04)


@pytest.mark.drivers("ftdi_sio")
@pytest.mark.parametrize(("latency", "low_latency"), [(0.016, False), (0.001, True)])
def test_frames_of_an_ftdi_are_told_apart(link: Link, latency: float, low_latency: bool) -> None:
    # Byte by byte, the far end of this machine is not even: it pauses within frames, too.
    most = FRAMES // 4 if low_latency else 0
    measured(link, latency, SerialConfig(baudrate=BAUDRATE, low_latency=low_latency), 0.06, most)
