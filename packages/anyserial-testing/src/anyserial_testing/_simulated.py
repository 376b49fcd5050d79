"""A simulated device in memory: the backend that connects it to a port, and the open port itself.

The backend waits by itself, in the port's event loop and by that loop's clock, so delays and pacing agree
with the timeouts of the code under test, also on a virtual clock. What the device answers is not known here.
"""

import errno
import os
from collections import deque
from dataclasses import replace
from typing import Final, Literal

from anyserial._spi import (
    closed_error,
    disconnected_error,
    native_token,
    refusal,
    translate,
)
from anyserial.capabilities import ControlLines, LineCounters, ModemLines, SerialCapabilities
from anyserial.config import LineErrors, SerialConfig
from anyserial.exceptions import LineError, SerialError, UnsupportedAsyncBackendError

from anyserial_testing._capabilities import CAPABILITIES
from anyserial_testing._change import Changed
from anyserial_testing._device import SimulatedDevice
from anyserial_testing._fault import KINDS, Direction
from anyserial_testing._faults import FaultPlan
from anyserial_testing._line import OUTPUT_LIMIT
from anyserial_testing._marks import DecodeMarks, marked, unmarked
from anyserial_testing._schedule import clock_in_use
from anyserial_testing._uart import Character

__all__ = ("SimulatedBackend",)

_ROOM: Final = 256  # bytes that must have left before a send that waits goes on, as a tty has it
_CAPABILITIES: Final = replace(CAPABILITIES, backend="simulated")
# Seconds. A timer may end this much before the time that it was set for, because times are floats: without
# this, a virtual clock would stand still an instant before something is due.
_ROUNDING: Final = 1e-8
_ERRNO: Final = {"eio": errno.EIO, "enodev": errno.ENODEV, "hangup": errno.ENODEV, "replug": errno.ENODEV}


class SimulatedBackend:
    """The `AsyncSerialBackend` of a port with a simulated device behind it, in memory.

    Give it to ``open_serial_port(path, config, backend=...)`` of `anyserial` or `anyserial.sync`. It can be
    opened again once it is closed, also after an unplug.

    Args:
        device: What answers. It serves one port at a time.
        faults: What goes wrong; a plan without faults if None.

    Raises:
        TypeError: *device* is not a SimulatedDevice.
    """

    def __init__(self, device: SimulatedDevice, *, faults: FaultPlan | None = None) -> None:
        if not isinstance(device, SimulatedDevice):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(refusal("device", "a SimulatedDevice", device))
        self._device, self._line = device, device.line
        self._faults = FaultPlan() if faults is None else faults
        self._faults.follow("a simulated port", KINDS)
        self._faults.on_disconnect(self._line.wake)
        self._path = ""
        self._is_open = False
        self._config = SerialConfig()
        self._loop: object = None
        self._begun = 0.0
        self._stalled: dict[Direction, float] = {"read": 0.0, "write": 0.0}
        self._departures = 0
        self._found: deque[bytes | LineError] = deque()  # taken from the line, not handed out
        self._decode = DecodeMarks("")
        self._counts: dict[str, int] = dict.fromkeys(("rx", "tx", "parity", "framing", "overrun", "break"), 0)

    def __repr__(self) -> str:
        """Return the path and the state."""
        return f"<{type(self).__name__} {self._path!r} {'open' if self._is_open else 'closed'}>"

    @property
    def kind(self) -> Literal["self-waiting"]:
        """It is an `AsyncSerialBackend`."""
        return "self-waiting"

    @property
    def path(self) -> str:
        """The path that was opened; empty before."""
        return self._path

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""
        return self._is_open

    @property
    def capabilities(self) -> SerialCapabilities:
        """What can be done."""
        return _CAPABILITIES

    @property
    def actual_baudrate(self) -> int | None:
        """The rate of the settings in force; None before the first `open`."""
        return self._config.baudrate if self._path else None

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong; change it at any time."""
        return self._faults

    @property
    def device(self) -> SimulatedDevice:
        """What answers."""
        return self._device

    # Opening and closing

    async def open(self, path: str, config: SerialConfig) -> None:
        """Open the port and apply *config*; it does not wait.

        Raises:
            PortBusyError: The device serves another port.
            PortNotFoundError: The device is unplugged.
        """
        self.open_now(path, config)

    def open_now(self, path: str, config: SerialConfig) -> None:
        """Do what `open` does, also outside an event loop."""
        if self._is_open or self._device.is_attached:
            error = OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            raise translate(error, context="open", path=path, detail="a simulated device serves one port at a time")
        if self._line.is_gone or not self._faults.comes_back():
            raise translate(OSError(errno.ENODEV, os.strerror(errno.ENODEV)), context="open", path=path)
        self._path, self._is_open = path, True
        self._departures = self._line.departures
        self._found.clear()
        self._decode = DecodeMarks(path)
        self._counts = dict.fromkeys(self._counts, 0)
        self._stalled = {"read": 0.0, "write": 0.0}
        self._line.overruns = 0
        self._configure(config)
        self._drive(config.rts_on_open, config.dtr_on_open)
        self._pace()
        self._device.attach(self._pace)

    async def aclose(self) -> None:
        """Let queued output leave, then release the device.

        Cancellation: the output that is left is discarded, and the device is released.
        """
        try:
            while self._is_open and not self._is_gone and self._line.output_waiting:
                await self._wait_for_change()
        finally:
            if self._is_open:
                self._is_open = False
                if self._config.hangup_on_close is not False:
                    self._drive(rts=False, dtr=False)
                self._device.detach()
                self._line.wake()

    # Bytes

    async def receive(self, max_bytes: int) -> bytes:
        """Return 1..max_bytes bytes as soon as any have arrived.

        Raises:
            SerialDisconnectedError: The device is gone, and everything is read.
            LineError: The line damaged a byte; only with `LineErrors.RAISE`.
            SerialError: The plan has an EIO.

        Cancellation: no byte is lost.
        """
        with Changed(self._line) as changed:
            while True:
                self._look(changed)
                if (data := self._read(max_bytes)) is not None:
                    return data
                times = [time for time in (self._end_of_stall("read"), self._line.next_for_host) if time is not None]
                await changed.wait_until(min(times, default=None))

    async def send(self, data: bytes | memoryview) -> int:
        """Queue some of *data* and return how much, at least 1. Waits while 4096 bytes are queued.

        Raises:
            SerialDisconnectedError: The device is gone.
            SerialError: The plan has an EIO.

        Cancellation: nothing was queued.
        """
        with Changed(self._line) as changed:
            while True:
                self._look(changed)
                if (count := self._write(data)) is not None:
                    return count
                when = self._end_of_stall("write")
                if when is None and self._line.output_waiting:
                    when = self._line.leaves(_ROOM)
                await changed.wait_until(when)

    def input_waiting(self) -> int:
        """Return how many received bytes are held."""
        self._check()
        self._pace()
        held = sum(len(item) for item in self._found if isinstance(item, bytes))
        return held + len(self._line.received)

    def output_waiting(self) -> int:
        """Return how many bytes have not left yet."""
        self._check()
        self._pace()
        return self._line.output_waiting

    async def reset_input_buffer(self) -> None:
        """Discard input that was not read."""
        self._check()
        self._pace()
        self._found.clear()
        self._line.discard_input()

    async def reset_output_buffer(self) -> None:
        """Discard output that has not left."""
        self._check()
        self._pace()
        self._line.discard_output()
        self._line.wake()

    async def drain(self) -> None:
        """Wait until the last bit has left."""
        while self._check_and_pace() and self._line.output_waiting:
            await self._wait_for_change()

    drain_exact = drain

    # Settings and lines

    async def configure(self, config: SerialConfig) -> None:
        """Apply *config*; every setting is taken."""
        self._check()
        self._pace()
        self._configure(config)
        self._device.tell("configure")

    async def set_break(self, on: bool) -> None:
        """Hold the line in the break condition, or release it; the device sees when it begins."""
        self._check_and_pace()
        if on:
            self._device.tell("break")

    async def modem_lines(self) -> ModemLines:
        """Read the lines that the device drives."""
        self._check_and_pace()
        return self._line.modem

    async def control_lines(self) -> ControlLines:
        """Read back what this side drives."""
        self._check_and_pace()
        return self._line.control

    async def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        """Set the lines that are not None, both at once."""
        self._check_and_pace()
        self._drive(rts, dtr)

    async def line_counters(self) -> LineCounters:
        """Return what has happened since `open`."""
        self._check_and_pace()
        return LineCounters(
            **self._line.changes,
            rx=self._counts["rx"],
            tx=self._counts["tx"],
            frame=self._counts["framing"],
            overrun=self._counts["overrun"] + self._line.overruns,
            parity=self._counts["parity"],
            brk=self._counts["break"],
            buf_overrun=0,
        )

    # Time

    def _pace(self) -> None:
        """Move the line on to the present, by the clock of the running event loop; outside of one, not at all."""
        try:
            loop = native_token()
        except UnsupportedAsyncBackendError:
            return
        now = clock_in_use()
        if loop is not self._loop:
            # Another loop has another clock; the line goes on from where it is.
            self._loop, self._begun = loop, now - self._line.now
        self._line.advance(now - self._begun + _ROUNDING)

    def _look(self, changed: Changed) -> None:
        """Move the line on before a call looks at it, so that what this changes does not wake the call again."""
        if self._is_open:
            self._pace()
            changed.forget()

    @property
    def _is_gone(self) -> bool:
        return self._line.is_gone or self._line.departures != self._departures or self._faults.disconnected

    def _check_and_pace(self) -> Literal[True]:
        self._check()
        self._pace()
        return True

    def _check(self) -> None:
        if not self._is_open:
            raise closed_error(self._path)
        if self._is_gone:
            raise disconnected_error(self._path)

    def _end_of_stall(self, on: Direction) -> float | None:
        return self._stalled[on] if self._stalled[on] > self._line.now else None

    async def _wait_for_change(self) -> None:
        with Changed(self._line) as changed:
            self._look(changed)
            if self._line.output_waiting and not self._is_gone:
                await changed.wait_until(self._line.leaves(self._line.output_waiting))

    # Reading and writing, without waiting

    def _read(self, max_bytes: int) -> bytes | None:
        if not self._is_open:
            raise closed_error(self._path)
        faults = self._faults
        faults.begin()
        while faults.take("eintr_reads"):
            pass
        if not self._found and (self._line.received or faults.raise_eio_on_read):
            if self._is_held_back():
                return None
            if faults.raise_eio_on_read:
                raise self._error(errno.EIO)
            self._fetch(max_bytes)
        if not self._found:
            if self._is_gone:
                raise disconnected_error(self._path)
            return None
        item = self._found.popleft()
        if isinstance(item, LineError):
            raise item
        if len(item) > max_bytes:
            self._found.appendleft(item[max_bytes:])
        self._counts["rx"] += len(item[:max_bytes])
        return item[:max_bytes]

    def _is_held_back(self) -> bool:
        """Return whether a read finds nothing, though something has arrived."""
        if self._end_of_stall("read") is not None:
            return True
        if self._faults.take("eagain_reads"):
            self._line.wake()  # looked at again at once, as a descriptor that is still ready
            return True
        return False

    def _fetch(self, max_bytes: int) -> None:
        """Take up to *max_bytes* characters from the line, and note what is to be handed out for them."""
        count = self._meet("read", min(max_bytes, len(self._line.received)))
        raises = self._config.line_errors is LineErrors.RAISE
        out = bytearray()
        for _ in range(count):
            character = self._line.take()
            if character is None:
                break
            out += self._delivered(character, self._faults.damage(), raises=raises)
        if raises:
            self._found.extend(self._decode(bytes(out)))
        elif out:
            self._found.append(bytes(out))

    def _delivered(self, character: Character, damage: str | None, *, raises: bool) -> bytes:
        kind = damage or character.error
        discard = self._config.line_errors is LineErrors.DISCARD
        if kind is None:
            return marked(None, character.byte) if raises else bytes((character.byte,))
        self._counts[kind] += not (kind == "overrun" and damage is None)  # the line counts what it loses
        if damage is not None:
            return marked(damage, character.byte) if raises else unmarked(damage, character.byte, discard=discard)
        if kind == "overrun":  # this character arrived, those behind it did not
            return marked(None, character.byte) + marked("overrun", 0) if raises else bytes((character.byte,))
        if raises:
            return b"\xff\x00" + bytes((character.byte,))
        return b"" if discard else bytes((character.byte,))

    def _write(self, data: bytes | memoryview) -> int | None:
        self._check()
        faults = self._faults
        faults.begin()
        while faults.take("eintr_writes"):
            pass
        room = OUTPUT_LIMIT - self._line.output_waiting
        if room <= 0 or self._end_of_stall("write") is not None:
            return None
        if faults.take("eagain_writes"):
            self._line.wake()
            return None
        limit = min(room, len(data), faults.short_write_max or room)
        count = self._meet("write", limit)
        if not count:
            return None
        if faults.is_scheduled:
            faults.moved("write", count)
        else:
            faults.passed("write", count)
        self._counts["tx"] += count
        self._line.host_sends(bytes(data[:count]))
        self._pace()
        return count

    def _meet(self, on: Direction, count: int) -> int:
        """Return how many of *count* bytes may move, 0 for none yet; raise what the schedule has."""
        if not self._faults.is_scheduled:
            return count
        due = self._faults.before(on, count)
        while due.fault is not None and due.fault.kind == "eintr":
            due = self._faults.before(on, count)
        if due.fault is None:
            return due.limit
        if (number := _ERRNO.get(due.fault.kind)) is not None:
            raise self._error(number)
        if due.fault.kind == "stall":
            self._stalled[on] = self._line.now + due.fault.seconds
        else:
            self._line.wake()  # an EAGAIN: the call looks again at once
        return 0

    def _error(self, number: int) -> SerialError:
        return translate(OSError(number, os.strerror(number)), context="io", path=self._path, hung_up=self._is_gone)

    def _configure(self, config: SerialConfig) -> None:
        self._config = config
        self._line.configure(config)

    def _drive(self, rts: bool | None, dtr: bool | None) -> None:
        old = self._line.control
        new = ControlLines(rts=old.rts if rts is None else rts, dtr=old.dtr if dtr is None else dtr)
        if new != old:
            self._line.control = new
            self._device.tell("lines")
