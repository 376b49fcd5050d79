"""A simulated device behind a pseudo-terminal: a real path, which any program can open.

A thread serves the master side: it reads what the program sends, moves the device's line on in real time,
and writes what the device sends. The thread holds the slave side open too, because the kernel otherwise
resets the settings and hangs the master up whenever a program closes the path.

What the device answers is not known here.
"""

import os
import select
import tempfile
import termios
import threading
import time
import tty
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from anyserial._spi import refusal
from anyserial.config import ByteSize, Parity, SerialConfig, StopBits
from anyserial.exceptions import ConfigurationError

from anyserial_testing._device import SimulatedDevice
from anyserial_testing._fault import Direction
from anyserial_testing._faults import FaultPlan
from anyserial_testing._marks import unmarked

__all__ = ("VirtualPort", "virtual_serial_port")

_FAULTS: Final = frozenset({"short_read", "short_write", "stall", "parity", "framing", "overrun", "hangup", "replug"})
_UNUSABLE: Final = ("eagain_reads", "eagain_writes", "eintr_reads", "eintr_writes", "raise_eio_on_read")
_READ_SIZE: Final = 256  # small, so that the kernel holds the rest back as a line does
_LIVENESS: Final = 0.05  # seconds: how often the program's settings and the plan are looked at
_STANDARD_RATES: Final = {
    getattr(termios, name): int(name[1:])
    for name in dir(termios)
    if name[0] == "B" and name[1:].isdigit() and name != "B0"
}
_SIZES: Final = {termios.CS5: "5", termios.CS6: "6", termios.CS7: "7", termios.CS8: "8"}


def virtual_serial_port(
    device: SimulatedDevice | None = None,
    *,
    link: str | os.PathLike[str] | None = None,
    faults: FaultPlan | None = None,
) -> "VirtualPort":
    """Return a serial port with a real path and *device* behind it, to be entered with ``with`` or ``async with``.

    Any program can open the path, as often as it likes: this library (with anyserial-posix installed),
    pySerial, a C program. The device is served by a thread, in real time; a `VirtualClock` does not change that.

        with virtual_serial_port(device) as port:
            subprocess.run(["my-program", port.path])

    A pty has no modem lines, no breaks and no marks of line errors: the program sees a damaged byte without
    hearing of it, and the device's events ``open``, ``close``, ``lines`` and ``break`` do not happen. What the
    device sends while no program has the path open waits in the kernel for the next one, up to its buffer.

    Args:
        device: What answers; an echo if None.
        link: Where to make the path, a symbolic link; it must not exist. If None, the link is in a new
            temporary directory. The path stays the same when the device is unplugged and plugged in again.
        faults: What goes wrong. A pty can make happen: short_write_max, disconnected, parity_errors, and
            scheduled short reads and writes, stalls, damage, overruns, hang-ups and replugs. *read* and
            *write* are the program's.

    Raises:
        ConfigurationError: The plan has a fault that a pty cannot make happen.
        TypeError: *device* is not a SimulatedDevice.
        OSError: Entering it: the system gives no pty, or *link* exists.
    """
    return VirtualPort(SimulatedDevice(echo=True) if device is None else device, link, faults or FaultPlan())


class VirtualPort:
    """A serial port with a real path, as `virtual_serial_port` returns it. Enter it with ``with`` or ``async with``."""

    def __init__(self, device: SimulatedDevice, link: str | os.PathLike[str] | None, faults: FaultPlan) -> None:
        if not isinstance(device, SimulatedDevice):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(refusal("device", "a SimulatedDevice", device))
        for name in _UNUSABLE:
            if getattr(faults, name):
                raise ConfigurationError(f"a pty cannot make {name} happen; use simulated_port or serial_port_pair")
        faults.follow("a pty", _FAULTS)
        faults.on_disconnect(self._unplugged)
        self._device = device
        self._faults = faults
        if faults.disconnected:
            device.unplug()
        self._link = None if link is None else Path(link)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._served: _Service | None = None

    def __repr__(self) -> str:
        """Return the path and the state."""
        state = "not entered" if self._served is None else "plugged in" if self.is_plugged_in else "unplugged"
        return f"<{type(self).__name__} {str(self._link)!r} {state}>"

    @property
    def path(self) -> str:
        """The path to open.

        Raises:
            RuntimeError: The port is not entered yet.
        """
        if self._served is None:
            raise RuntimeError("the virtual port has a path inside its with block only")
        return str(self._link)

    @property
    def device(self) -> SimulatedDevice:
        """What answers."""
        return self._device

    @property
    def faults(self) -> FaultPlan:
        """What goes wrong; change it at any time."""
        return self._faults

    @property
    def is_plugged_in(self) -> bool:
        """Whether the path exists and the device answers."""
        return self._served is not None and self._served.is_plugged_in

    def unplug(self) -> None:
        """Pull the plug: the path is gone, and programs that have it open are hung up. Returns when that is so."""
        self._device.unplug()
        self._settled(plugged_in=False)

    def replug(self) -> None:
        """Plug the device in again, at the same path. Returns when it can be opened.

        Raises:
            TimeoutError: The system gave no new pty within 5 seconds.
        """
        self._faults.disconnected = False
        self._device.replug()
        self._settled(plugged_in=True)

    def __enter__(self) -> Self:
        """Make the path, and begin to serve it."""
        if self._served is not None:
            raise RuntimeError("the virtual port is entered already")
        if self._link is None:
            self._folder = tempfile.TemporaryDirectory(prefix="anyserial-")
            self._link = Path(self._folder.name, "ttyVIRTUAL0")
        try:
            service = _Service(self._device, self._faults, self._link)
            service.start()
        except BaseException:
            self._forget_folder()
            raise
        self._served = service
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *exc_info: object) -> None:
        """Hang up every program that has the path open, and remove the path.

        Raises:
            AssertionError: The device is strict, and was sent what no rule matches.
            Exception: What a function of the device has raised; the port was unplugged then.
        """
        served, self._served = self._served, None
        if served is not None:
            served.stop()
        self._forget_folder()
        if exc_type is None:
            if served is not None and served.error is not None:
                raise served.error
            if self._device.strict:
                self._device.check()

    async def __aenter__(self) -> Self:
        """Do what ``with`` does; it does not wait."""
        return self.__enter__()

    async def __aexit__(self, exc_type: type[BaseException] | None, *exc_info: object) -> None:
        """Do what leaving ``with`` does; it waits for the thread, for some milliseconds."""
        self.__exit__(exc_type)

    def _unplugged(self) -> None:
        self._device.unplug()

    def _settled(self, *, plugged_in: bool) -> None:
        served = self._served
        if served is None:
            return
        with served.changed:
            served.wake()
            if not served.changed.wait_for(
                lambda: served.has_settled(plugged_in=plugged_in) or not served.is_alive(), 5.0
            ):
                raise TimeoutError(f"the virtual port at {self._link} did not {'come back' if plugged_in else 'go'}")

    def _forget_folder(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()
            self._link = None


class _Service(threading.Thread):
    """The thread that plays the driver and the cable."""

    def __init__(self, device: SimulatedDevice, faults: FaultPlan, link: Path) -> None:
        super().__init__(name="anyserial-virtual-port", daemon=True)
        self.changed = threading.Condition()
        self.is_plugged_in = False
        self._device, self._line, self._faults, self._link = device, device.line, faults, link
        self._begun = time.monotonic() - self._line.now
        self._stopping = False
        self._master = self._slave = -1
        self._settings: list[object] = []
        self._stalled: dict[Direction, float] = {"read": 0.0, "write": 0.0}
        self._unsent = bytearray()  # what the program has written and the line has not taken yet
        self._gone_by_plan = False
        self._departures = 0
        self.error: Exception | None = None
        self._wake_out, self._wake_in = os.pipe()
        os.set_blocking(self._wake_in, False)
        os.set_blocking(self._wake_out, False)
        try:
            self._plug_in()
        except BaseException:
            os.close(self._wake_in)
            os.close(self._wake_out)
            raise
        self._line.listeners.add(self.wake)
        device.attach(self._pace)

    def wake(self) -> None:
        """Have the thread look again."""
        if threading.get_ident() != self.ident:
            with suppress(OSError):
                os.write(self._wake_in, b"\0")

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping = True
        self.wake()
        self.join()
        self._line.listeners.discard(self.wake)
        self._device.detach()
        os.close(self._wake_in)
        os.close(self._wake_out)

    def run(self) -> None:
        """Serve the pty until `stop`."""
        try:
            self._serve()
        except Exception as exc:  # noqa: BLE001  # of a function of the device; leaving the block raises it
            self.error = exc
        finally:
            self._pull()

    def _serve(self) -> None:
        while not self._stopping:
            self._look_at_the_plug()
            self._pace()
            if self.is_plugged_in:
                self._take_up_settings()
                self._deliver()
            self._wait()

    def _pace(self) -> None:
        self._line.advance(time.monotonic() - self._begun)

    def _plug_in(self) -> None:
        self._departures = self._line.departures
        self._master, self._slave = os.openpty()
        try:
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self._link.symlink_to(os.ttyname(self._slave))
        except BaseException:
            os.close(self._master)
            os.close(self._slave)
            raise
        self._settings = []
        self._take_up_settings()
        with self.changed:
            self.is_plugged_in = True
            self.changed.notify_all()

    def _pull(self) -> None:
        if not self.is_plugged_in:
            return
        self._link.unlink(missing_ok=True)
        os.close(self._slave)
        os.close(self._master)
        self._unsent.clear()
        with self.changed:
            self.is_plugged_in = False
            self.changed.notify_all()

    @property
    def _must_pull(self) -> bool:
        return self.is_plugged_in and (self._line.is_gone or self._departures != self._line.departures)

    def has_settled(self, *, plugged_in: bool) -> bool:
        """Return whether the path is there, or is not, and nothing is about to change that."""
        return self.is_plugged_in == plugged_in and not self._must_pull

    def _look_at_the_plug(self) -> None:
        gone = self._line.is_gone
        if self._must_pull:  # also if it is back already: programs that had it open were disconnected
            self._pull()
        self._gone_by_plan = gone and (self._gone_by_plan or self._faults.disconnected)
        if self._gone_by_plan and self._faults.comes_back():
            self._device.replug()
            gone = self._gone_by_plan = False
        if not gone and not self.is_plugged_in:
            with suppress(OSError):  # tried again: no pty is left, or the old path is still there
                self._plug_in()

    def _take_up_settings(self) -> None:
        settings: list[object] = list(termios.tcgetattr(self._slave)[:6])
        if settings != self._settings:
            self._settings = settings
            self._line.configure(_as_config(settings))
            self._device.tell("configure")

    def _deliver(self) -> None:
        """Write to the program what has arrived for it, and put on the line what it has written."""
        now = time.monotonic()
        if now >= self._stalled["read"]:
            self._deliver_input(now)
        room = _READ_SIZE - self._line.output_waiting
        if self._unsent and room > 0 and now >= self._stalled["write"]:
            count = self._meet("write", min(room, len(self._unsent)))
            self._line.host_sends(bytes(self._unsent[:count]))
            del self._unsent[:count]
            self._pace()

    def _deliver_input(self, now: float) -> None:
        out = bytearray()
        count = len(self._line.received)
        if count and now >= self._stalled["read"]:
            for _ in range(self._meet("read", count)):
                character = self._line.take()
                if character is None:
                    break
                kind = self._faults.damage()
                out += (
                    unmarked(kind, character.byte, discard=False)
                    if character.error != "overrun"
                    else bytes((character.byte,))
                )
        while out:
            try:
                del out[: os.write(self._master, out)]
            except BlockingIOError:
                self._line.overruns += len(out)  # the program does not read
                break
            except OSError:
                break

    def _meet(self, on: Direction, count: int) -> int:
        """Return how many of *count* bytes may move in this round of the thread."""
        if on == "write" and self._faults.short_write_max is not None:
            count = min(count, self._faults.short_write_max)
        if not self._faults.is_scheduled:
            if on == "write":
                self._faults.passed(on, count)
            return count
        due = self._faults.before(on, count)
        if due.fault is not None:
            if due.fault.kind == "stall":
                self._stalled[on] = time.monotonic() + due.fault.seconds
            return 0
        if on == "write":
            self._faults.moved(on, due.limit)
        return due.limit

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._wake_out, select.POLLIN)
        now = time.monotonic()
        times = [now + _LIVENESS, *(stalled for stalled in self._stalled.values() if stalled > now)]
        if (due := self._line.next) is not None:
            times.append(due + self._begun)
        if self.is_plugged_in and not self._unsent:
            poll.register(self._master, select.POLLIN)
        elif self._unsent and self._line.output_waiting < _READ_SIZE and now >= self._stalled["write"]:
            times.append(now)
        if self._must_pull or (self._line.received and self.is_plugged_in and now >= self._stalled["read"]):
            times.append(now)
        ready = poll.poll(max(0.0, min(times) - now) * 1000)
        for number, _ in ready:
            with suppress(OSError):
                if number == self._wake_out:
                    os.read(number, 4096)
                else:
                    self._unsent += os.read(number, _READ_SIZE)


def _as_config(attributes: list[object]) -> SerialConfig:
    """Return the settings that termios attributes mean, as far as they matter here."""
    flags, speed = attributes[2], attributes[5]
    assert isinstance(flags, int)  # noqa: S101  # termios' own
    parity = Parity.NONE
    if flags & termios.PARENB:
        parity = Parity.ODD if flags & termios.PARODD else Parity.EVEN
    return SerialConfig(
        # A custom rate is not reported: then characters take no noticeable time.
        baudrate=_STANDARD_RATES.get(speed, 4_000_000) if isinstance(speed, int) else 4_000_000,
        byte_size=ByteSize(_SIZES[flags & termios.CSIZE]),
        parity=parity,
        stop_bits=StopBits.TWO if flags & termios.CSTOPB else StopBits.ONE,
    )
