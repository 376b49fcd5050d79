"""What the operations of a port do, as steps: generators that yield a pause in seconds, or a call.

Each operation is written once, for both faces and for both kinds of backends. A wrong argument is refused
at once, before there is a step to carry out. This module owns nothing: `engine` carries steps out and
undoes them, `lifecycle` says when a call may use the port, and each face adds how it waits.
"""

from functools import partial
from typing import TYPE_CHECKING

from anyserial._checks import check_flag, check_seconds
from anyserial._port.engine import Call
from anyserial._port.transport import LIVENESS_INTERVAL
from anyserial.exceptions import UnsupportedFeatureError

if TYPE_CHECKING:
    from anyserial._port.contract import LinesSeen
    from anyserial._port.engine import Steps
    from anyserial._port.open_port import OpenPort
    from anyserial.capabilities import ControlLines, LineCounters, ModemLines
    from anyserial.config import SerialConfig

__all__ = (
    "configure",
    "control_lines",
    "drain",
    "drain_exact",
    "line_counters",
    "look_at_lines",
    "modem_change",
    "modem_lines",
    "reset_input",
    "reset_output",
    "send_break",
    "set_break",
    "set_control_lines",
)

_NEGLIGIBLE = 1e-6  # seconds: what the rounding of a float leaves of a pause is not paused for


def configure(port: "OpenPort", config: "SerialConfig") -> "Steps[None]":
    """Apply *config*; the port adopts it once the driver has."""
    yield port.transport.configure(config, partial(port.adopt, config))


def reset_input(port: "OpenPort") -> "Steps[None]":
    """Discard input that was not read yet."""
    yield Call(port.transport.backend.reset_input_buffer, changes=True)
    port.pushback.clear()


def reset_output(port: "OpenPort") -> "Steps[None]":
    """Discard output that has not left yet."""
    yield Call(port.transport.backend.reset_output_buffer, changes=True)


def drain(port: "OpenPort") -> "Steps[None]":
    """Wait until the kernel's queue is empty."""
    yield from port.transport.drain(port.config.baudrate)


def drain_exact(port: "OpenPort") -> "Steps[None]":
    """Wait until the last bit has left."""
    yield from port.transport.drain_exact(port.config.baudrate)


def send_break(port: "OpenPort", duration: float) -> "Steps[None]":
    """Hold the break for *duration* seconds and release it, whatever happens meanwhile."""
    check_seconds("duration", duration)
    return _send_break(port, duration)


def _send_break(port: "OpenPort", duration: float) -> "Steps[None]":
    # Linux waits for queued output before it begins a break (tty_ioctl, TIOCSBRK), and that wait cannot be
    # interrupted.
    yield from _let_output_leave(port)
    release = partial(port.transport.backend.set_break, False)  # a backend's break is on or off
    yield Call(partial(port.transport.backend.set_break, True), undo=release)
    yield from _pause(port, duration)
    yield Call(release, disarms=True)


def set_break(port: "OpenPort", on: bool) -> "Steps[None]":
    """Hold the break, or release it."""
    check_flag("on", on)
    return _set_break(port, on)


def _set_break(port: "OpenPort", on: bool) -> "Steps[None]":
    # The driver waits for output here, if it does: a caller who only asserts the break has nothing to undo.
    yield Call(partial(port.transport.backend.set_break, on), changes=True)


def modem_lines(port: "OpenPort") -> "Steps[ModemLines]":
    """Read the modem lines."""
    lines: ModemLines = yield Call(port.transport.backend.modem_lines)
    return lines


def control_lines(port: "OpenPort") -> "Steps[ControlLines]":
    """Read back the control lines."""
    lines: ControlLines = yield Call(port.transport.backend.control_lines)
    return lines


def set_control_lines(port: "OpenPort", rts: bool | None, dtr: bool | None) -> "Steps[None]":
    """Set the control lines that are not None."""
    for name, level in (("rts", rts), ("dtr", dtr)):
        if level is not None:
            check_flag(name, level)
    return _set_control_lines(port, rts, dtr)


def _set_control_lines(port: "OpenPort", rts: bool | None, dtr: bool | None) -> "Steps[None]":
    yield Call(partial(port.transport.backend.set_control_lines, rts=rts, dtr=dtr), changes=True)


def line_counters(port: "OpenPort") -> "Steps[LineCounters]":
    """Read the driver's counters."""
    counters: LineCounters = yield Call(port.transport.backend.line_counters)
    return counters


def look_at_lines(port: "OpenPort", *, counting: bool = True) -> "Steps[LinesSeen]":
    """Read the modem lines and, where the driver counts their changes, the counts."""
    seen: LinesSeen = yield port.transport.look_at_lines(counting=counting)
    return seen


def modem_change(port: "OpenPort", interval: float, since: "LinesSeen | None") -> "Steps[LinesSeen]":
    """Wait until the lines or their counts differ from *since*; return the new look.

    The lines are looked at every *interval* seconds, unless the backend reports changes.
    """
    check_seconds("interval", interval, zero=False)
    return _modem_change(port, interval, since)


def _modem_change(port: "OpenPort", interval: float, since: "LinesSeen | None") -> "Steps[LinesSeen]":
    if since is None:
        since = yield from look_at_lines(port)
    if (change := port.transport.modem_change(since)) is not None:
        told: LinesSeen = yield change
        return told
    while True:
        yield from _pause(port, interval)
        now = yield from look_at_lines(port, counting=since[1] is not None)
        if now == since:
            continue
        if now[0] == since[0]:
            # A line may have changed between the two questions of one look; the next look has it for certain.
            now = yield from look_at_lines(port)
        return now


class ModemChanges:
    """The changes of the modem lines, one after another. An error or a cancellation between them loses none."""

    __slots__ = ("_interval", "_port", "_seen")

    def __init__(self, port: "OpenPort", interval: float) -> None:
        """Take the seconds between two looks.

        Raises:
            TypeError: *interval* is not a number.
            ValueError: It is not above 0.
        """
        check_seconds("interval", interval, zero=False)
        self._port = port
        self._interval = interval
        self._seen: LinesSeen | None = None

    def following(self) -> "Steps[ModemLines]":
        """Wait for the next change; return the lines after it. The first call looks at the lines first."""
        if self._seen is None:
            self._seen = yield from look_at_lines(self._port)
        self._seen = yield from modem_change(self._port, self._interval, self._seen)
        return self._seen[0]


def _let_output_leave(port: "OpenPort") -> "Steps[None]":
    try:
        left = port.transport.output_waiting()
    except UnsupportedFeatureError:
        return
    if left:
        yield from port.transport.drain(port.config.baudrate)


def _pause(port: "OpenPort", seconds: float) -> "Steps[None]":
    """Pause, noticing an unplug meanwhile."""
    left = seconds
    while left > _NEGLIGIBLE:
        step = min(left, LIVENESS_INTERVAL)
        # The runner knows by which clock it pauses: an event loop's own may be a test's.
        took: float | None = yield step
        left -= step if took is None else took
        port.transport.check_alive(port.path)
