"""Two ports that somebody joined and named: what there is of a link between them, found out before any test.

It is found out with pySerial alone. What is missing, a line that no wire carries or flow control
that an adapter ignores, is the reason to skip the tests that need it, and no test's failure.
"""

import os
import termios
import time
from collections.abc import Callable, Iterable

import serial
from serial_links import TtyLink

__all__ = ("PairError", "PairLink")

WAIT = 0.25  # seconds in which what is to come has come: adapters tell a change within 16 ms, as a rule
FLOOD = 1 << 16  # bytes that a port without flow control takes although nobody reads them
XON, XOFF = b"\x11", b"\x13"
LACKS = {
    "cts": "RTS of {far} does not arrive as CTS of {near}",
    "rts": "RTS of {near} does not arrive as CTS of {far}",
    "dtr": "DTR of {near} does not arrive as DSR of {far}",
    "rts_cts": "{near} does not stop for CTS",
    "drops_rts": "{near} does not drop RTS when nobody reads",
    "xon_xoff": "{near} does not stop for XOFF",
    "sends_xoff": "{near} does not send XOFF when nobody reads",
    "break_out": "no break from {near} arrives at {far}",
    "break_in": "no break from {far} is told at {near}",
}
"""What a test can need, and what to say where it is not there."""


class PairError(Exception):
    """The two ports are not joined."""


class PairLink(TtyLink):
    """A named port, and another one at its far end.

    Args:
        path: The port under test.
        far_path: The port at the far end.

    Raises:
        PairError: No bytes cross.
        serial.SerialException: A port cannot be opened.
    """

    def __init__(self, path: str, far_path: str) -> None:
        super().__init__("pair", path, far_path)
        self._names = {"near": path, "far": far_path}
        self._has: set[str] = set()
        self.inputs = ()
        try:
            with serial.Serial(path, 115200, timeout=WAIT) as near:
                self._far.baudrate, self._far.timeout = 115200, WAIT
                self._check_bytes(near)
                self._find_lines(near)
                self._find_flow_control(near)
                self._find_breaks(near)
            self._far.timeout = 0
        except BaseException:
            self.close()
            raise

    def lacks(self, names: Iterable[str]) -> str | None:
        """What is missing of *names*, of those in `LACKS`, in words."""
        missing = [LACKS[name].format(**self._names) for name in names if name not in self._has]
        return ", ".join(missing) or None

    # The link, as the tests use it

    def reset(self) -> None:
        super().reset()
        read_until_quiet(self._far)  # what an adapter still had

    def set_inputs(
        self, *, cts: bool | None = None, dsr: bool | None = None, ri: bool | None = None, cd: bool | None = None
    ) -> None:
        del ri
        if cts is not None and "cts" in self._has:
            self._far.rts = cts
        if (dtr := cd if dsr is None else dsr) is not None and len(self.inputs) > ("cts" in self._has):
            self._far.dtr = dtr

    # What there is

    def _check_bytes(self, near: serial.Serial) -> None:
        for sender, receiver in ((near, self._far), (self._far, near)):
            read_until_quiet(receiver)
            sender.write(b"joined?")
            if (came := receiver.read(7)) != b"joined?":
                raise PairError(
                    f"of what {sender.port} sends, {came!r} arrives at {receiver.port} instead of b'joined?'; join "
                    f"TxD of each with RxD of the other, and let no other program use them"
                )

    def _find_lines(self, near: serial.Serial) -> None:
        far = self._far
        if follows(far, "rts", near, "cts"):
            self._has.add("cts")
            self.inputs += (("cts",),)
        if together := tuple(name for name in ("dsr", "cd") if follows(far, "dtr", near, name)):
            self.inputs += (together,)
        for line, arrives_as in (("rts", "cts"), ("dtr", "dsr")):
            if follows(near, line, far, arrives_as):
                self._has.add(line)
        self.set_inputs(cts=False, dsr=False)
        time.sleep(WAIT)
        self.always_on = frozenset(name for name in ("cts", "dsr", "ri", "cd") if is_on(near, name))
        self.set_inputs(cts=True, dsr=True)

    def _find_flow_control(self, near: serial.Serial) -> None:
        far = self._far
        if self._has >= {"cts", "rts"}:
            near.rtscts = True
            if self._stops(near, lambda: self.set_inputs(cts=False), lambda: self.set_inputs(cts=True)):
                self._has.add("rts_cts")
                self.stuck = self._find_stuck(near)
            far.rtscts = True
            if flood(far, lambda: not is_on(far, "cts"), near):
                self._has.add("drops_rts")
            near.rtscts = far.rtscts = False
        near.xonxoff = True
        if self._stops(near, lambda: far.write(XOFF), lambda: far.write(XON)):
            self._has.add("xon_xoff")
        far.timeout = 0
        if flood(far, lambda: far.read(1) == XOFF, near):
            self._has.add("sends_xoff")
        far.timeout = WAIT
        near.xonxoff = False
        read_until_quiet(far)

    def _stops(self, near: serial.Serial, stop: Callable[[], object], go_on: Callable[[], object]) -> bool:
        """Whether output waits from *stop* to *go_on*."""
        stop()
        self._far.write(b"x")
        near.read(1)  # by now it knows
        near.write(b"held")
        came = self._far.read(4)
        go_on()
        return not came and self._far.read(4) == b"held"

    def _find_stuck(self, near: serial.Serial) -> int:
        """How many bytes are more than an adapter takes to itself, and fill half of the driver's queue."""
        self.set_inputs(cts=False)
        taken, _ = send_until(near, lambda: False)
        left = near.out_waiting
        near.reset_output_buffer()
        self.set_inputs(cts=True)
        read_until_quiet(self._far)
        return taken - left // 2

    def _find_breaks(self, near: serial.Serial) -> None:
        if breaks(near) and self._far.read(1) == b"\0":
            self._has.add("break_out")
        attributes = termios.tcgetattr(near.fileno())
        attributes[0] = attributes[0] & ~(termios.IGNBRK | termios.BRKINT | termios.IGNPAR) | termios.PARMRK
        termios.tcsetattr(near.fileno(), termios.TCSANOW, attributes)
        if breaks(self._far) and near.read(3) == b"\xff\0\0":
            self._has.add("break_in")


def is_on(port: serial.Serial, line: str) -> bool:
    """Whether an input is on; a port without modem lines has none on."""
    try:
        return bool(getattr(port, line))
    except OSError:
        return False


def follows(out: serial.Serial, line: str, into: serial.Serial, arrives_as: str) -> bool:
    """Whether an input does what the output of the other port does, which is left on."""
    for on in (True, False, True):
        try:
            setattr(out, line, on)
        except OSError:
            return False
        deadline = time.monotonic() + WAIT
        while is_on(into, arrives_as) is not on:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
    return True


def breaks(port: serial.Serial) -> bool:
    """Send a break; False if the driver refuses."""
    try:
        port.send_break(WAIT)
    except (OSError, termios.error):
        return False
    return True


def send_until(port: serial.Serial, condition: Callable[[], bool]) -> tuple[int, bool]:
    """Send until *condition* holds, nothing more is taken, or it is `FLOOD`; tell how much it was, and the first."""
    taken, quiet = 0, time.monotonic() + WAIT
    while not (met := condition()) and taken < FLOOD and time.monotonic() < quiet:
        try:
            taken += os.write(port.fileno(), bytes(256))
            quiet = time.monotonic() + WAIT
        except BlockingIOError:
            time.sleep(0.005)
    return taken, met


def flood(out: serial.Serial, condition: Callable[[], bool], into: serial.Serial) -> bool:
    """Send to a port that nobody reads until then; tell whether *condition* came of it."""
    _, met = send_until(out, condition)
    read_until_quiet(into)
    return met


def read_until_quiet(port: serial.Serial) -> None:
    """Read until nothing has come for a while."""
    before, port.timeout = port.timeout, WAIT
    while port.read(4096):
        pass
    port.timeout = before
