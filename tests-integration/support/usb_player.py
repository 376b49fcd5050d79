"""The process that plays one chip: moves bytes between FunctionFS, the chip and the test.

`usb_links` starts it with a driver's name and where FunctionFS is mounted. What the test asks
comes in on stdin and is answered on stdout, one thing at a time, marshalled (that needs no import,
and carries bytes as they are). A question may wait a moment for what it asks for. Whatever fails
here is told in the answer, with its traceback. What a chip says is in `usb_chips`; nothing of that
here.
"""

import errno
import marshal
import os
import select
import struct
import sys
import threading
import time
from _queue import SimpleQueue  # queue would import more

from usb_chips import CHIPS, NOTICE, Chip, Request

TYPE_CHECKING = False  # typing costs an import
if TYPE_CHECKING:
    from typing import Any

__all__ = ("main",)

STDIN = 0
UNBIND, DISABLE, SETUP = 1, 3, 4  # enum usb_functionfs_event_type
GONE = {errno.ESHUTDOWN, errno.ENODEV, errno.EAGAIN, errno.EIO}  # the host unplugged it meanwhile
# Stalled, as wanted; the host does not want it any more; unplugged before, or in the middle of it.
GIVEN_UP = {errno.EL2HLT, errno.EIDRM, errno.ESHUTDOWN, errno.ECONNRESET}
TO_HOST = 0x80
LISTED = 1000  # control requests kept, and changes of the lines


def descriptors(chip: Chip) -> bytes:
    """What FunctionFS takes (usb_functionfs_descs_head_v2): one full-speed interface that gets all requests."""
    ends = [(0x81, 2, chip.packet, 0), (0x02, 2, chip.packet, 0)]
    if chip.notice:
        ends.append((0x83, 3, chip.notice, 1))
    ends.append((0x84, 3, chip.packet, 255))  # what it is for stands in `Player._fill_fifo`
    body = struct.pack("<9B", 9, 4, 0, 0, len(ends), 0xFF, 0, 0, 0)
    body += b"".join(struct.pack("<4BHB", 7, 5, *end) for end in ends)
    has_full_speed, all_requests = 1, 64 | 128
    return struct.pack("<4I", 3, 16 + len(body), has_full_speed | all_requests, 1 + len(ends)) + body


class Player:
    """A thread for each direction of the data, and a loop over what the host and the test ask."""

    def __init__(self, chip: Chip, mount: str) -> None:
        self._chip = chip
        self._changed = threading.Condition()
        self._version = 0  # of the state
        self._requests: list[tuple[int, int, int, int, bytes]] = []
        self._levels: list[tuple[bool, bool]] = []  # of DTR and RTS, as they were told to be
        self._fifo = b""  # taken from the host, and not let go on
        self._output = bytearray()  # let go on, and not taken by the test
        self._outgoing: SimpleQueue[tuple[int, bytes]] = SimpleQueue()
        self._pending = 0  # packets that the host has not taken
        self._held = self._stalling = self._silent = False
        self._failure = ""
        self._wake = os.eventfd(0)
        self._control = os.open(f"{mount}/ep0", os.O_RDWR)
        os.write(self._control, descriptors(chip))
        os.write(self._control, struct.pack("<4I", 2, 16, 0, 0))  # no strings
        # Not waiting while unplugged: what comes in from the line then is lost.
        self._inward = {0: os.open(f"{mount}/ep1", os.O_RDWR | os.O_NONBLOCK)}
        if chip.notice:
            self._inward[NOTICE] = os.open(f"{mount}/ep3", os.O_RDWR | os.O_NONBLOCK)
        self._outward = os.open(f"{mount}/ep2", os.O_RDWR)
        self._unused = os.open(f"{mount}/ep{len(self._inward) + 2}", os.O_RDWR)
        for name in ("fill_fifo", "take_output", "give_input"):
            threading.Thread(target=self._guarded, args=(name,), daemon=True).start()

    # The data

    def _guarded(self, name: str) -> None:
        try:
            getattr(self, f"_{name}")()
        except BaseException:  # noqa: BLE001  # told to the test
            self._failure = report()
            os.eventfd_write(self._wake, 1)

    def _fill_fifo(self) -> None:
        """Keep the controller's own buffer full, with something that no driver reads.

        dummy_hcd takes one small packet, for any pipe, before the host asks for it. Packets of two
        pipes may then change places, and nobody knows when the host has one.
        """
        while True:
            try:
                os.write(self._unused, b"\0")  # the first is taken, the second waits until it is unplugged
            except OSError as error:
                if error.errno not in GONE:
                    raise

    def _take_output(self) -> None:
        while True:
            try:
                data = os.read(self._outward, self._chip.packet)
            except OSError as error:
                if error.errno not in GONE:
                    raise
                continue
            with self._changed:
                self._fifo += data
                self._let_go()
                self._changed.wait_for(lambda: not self._fifo)

    def _give_input(self) -> None:
        while True:
            pipe, data = self._outgoing.get()
            try:
                os.write(self._inward[pipe], data)
            except OSError as error:
                if error.errno not in GONE:
                    raise
            with self._changed:
                self._pending -= 1
                self._note()

    def _give(self, packets: list[tuple[int, bytes]]) -> None:
        self._pending += len(packets)
        for packet in packets:
            self._outgoing.put(packet)

    def _let_go(self) -> None:
        """Let what was taken from the host leave the chip, if it may."""
        if not self._held and self._chip.may_transmit():
            self._output += self._fifo
            self._fifo = b""
        self._chip.unsent = len(self._fifo)
        self._note()

    def _note(self) -> None:
        self._version += 1
        self._changed.notify_all()
        os.eventfd_write(self._wake, 1)

    # The host

    def _serve_host(self) -> None:
        try:
            event = os.read(self._control, 12)
            if event[8] == SETUP:
                self._serve_request(Request(event))
            elif event[8] in {DISABLE, UNBIND}:
                with self._changed:
                    self._fifo = b""
                    self._chip.power_on()
                    self._let_go()
        except OSError as error:
            if error.errno not in GIVEN_UP:
                raise

    def _serve_request(self, request: Request) -> None:
        # Going in the wrong direction makes FunctionFS stall, and raise EL2HLT.
        if request.kind & TO_HOST:
            with self._changed:
                answer = None if self._stalling else self._chip.answer(request)
                self._list(request)
            if answer is None:
                os.read(self._control, 0)
            else:
                os.write(self._control, answer[: request.length])
            return
        if self._stalling:
            with self._changed:
                self._list(request)
            os.write(self._control, b"")
        if request.length:
            request.data = os.read(self._control, request.length)
        with self._changed:
            self._chip.take(request)
            self._list(request)
            self._let_go()
        if not request.length:  # acknowledged once it is done
            os.read(self._control, 0)

    def _list(self, request: Request) -> None:
        self._requests = [*self._requests[1 - LISTED :], request.listed()]
        levels = self._chip.dtr, self._chip.rts
        if self._levels[-1:] != [levels]:
            self._levels = [*self._levels[1 - LISTED :], levels]
        self._note()

    # The test

    def serve(self) -> None:
        """Serve the host and the test until the test closes its end."""
        poll = select.poll()
        for fd in (STDIN, self._control, self._wake):
            poll.register(fd, select.POLLIN)
        self._reply("ok", None)
        asked, deadline = None, 0.0
        while True:
            patience = None if asked is None else max(0.0, deadline - time.monotonic()) * 1000
            ready = [fd for fd, _ in poll.poll(patience)]
            if self._wake in ready:
                os.eventfd_read(self._wake)
                if self._failure:
                    raise RuntimeError(self._failure)
            if self._control in ready and not self._silent:
                self._serve_host()
            if STDIN in ready:
                try:
                    name, arguments, wait = marshal.load(sys.stdin.buffer)  # noqa: S302  # of the process that started it
                except EOFError:
                    os._exit(0)
                asked, deadline = (getattr(self, f"do_{name}"), arguments), time.monotonic() + wait
            if asked is not None:
                with self._changed:
                    answer = asked[0](*asked[1])
                if answer is not None or time.monotonic() >= deadline:
                    asked = None
                    self._reply("ok", answer)
                poll.modify(self._control, 0 if self._silent else select.POLLIN)

    def _reply(self, kind: str, value: "Any") -> None:
        marshal.dump((kind, value), sys.stdout.buffer)
        sys.stdout.buffer.flush()

    def do_send(self, data: bytes, damage: str | None) -> None:
        self._give(self._chip.receive(data, damage))
        self._let_go()

    def do_inputs(self, inputs: dict[str, bool]) -> None:
        before = dict(self._chip.inputs)
        self._chip.inputs.update(inputs)
        if self._chip.inputs != before:
            self._give(self._chip.lines())
            self._let_go()

    def do_hold(self, on: bool) -> None:
        self._held = on
        self._let_go()

    def do_stall(self, on: bool) -> None:
        self._stalling = on

    def do_silence(self, on: bool) -> None:
        self._silent = on

    def do_state(self, seen: int) -> dict[str, object] | None:
        """Tell the state, once it is another than *seen*."""
        if self._version == seen:
            return None
        return {**self._chip.state(), "version": self._version, "pending": self._pending,
                "received": len(self._output), "requests": len(self._requests)}  # fmt: skip

    def do_output(self, size: int) -> bytes | None:
        """Tell the next *size* bytes that the host sent, once they are there."""
        if len(self._output) < size:
            return None
        data = bytes(self._output[:size])
        del self._output[:size]
        self._version += 1
        return data

    def do_requests(self) -> list[tuple[int, int, int, int, bytes]]:
        return self._requests

    def do_levels(self) -> list[tuple[bool, bool]]:
        return self._levels

    def do_reset(self) -> None:
        """Forget what was asked of it and sent to it, and let everything go on."""
        self._held = self._stalling = self._silent = False
        self._chip.stopped_by_xoff = False
        while not self._outgoing.empty():
            self._outgoing.get()
            self._pending -= 1
        self.do_inputs(dict.fromkeys(self._chip.inputs, False))
        self._chip.flow = ""
        self._let_go()
        self._output.clear()
        self._requests, self._levels = [], []
        self._note()


def report() -> str:
    """The traceback of the exception being handled."""
    import traceback  # noqa: PLC0415  # a slow import, for when something failed

    return traceback.format_exc()


def main() -> None:
    """Play the chip of a driver, at a mounted FunctionFS."""
    driver, mount = sys.argv[1:]
    try:
        Player(CHIPS[driver](), mount).serve()
    except BaseException:  # noqa: BLE001  # told to the test
        marshal.dump(("error", report()), sys.stdout.buffer)
        sys.stdout.buffer.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
