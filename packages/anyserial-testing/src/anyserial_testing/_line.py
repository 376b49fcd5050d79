"""A line between a host and a simulated device: what is under way on it, and when it arrives. No I/O, no clock.

Time is a number that only `advance` moves. It carries out, in the order of their times, what was due until
then: characters arrive, replies are sent, a silence ends. So the same code serves an event loop, a thread
and a virtual clock.
"""

import heapq
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

from anyserial.capabilities import ControlLines, ModemLines
from anyserial.config import SerialConfig

from anyserial_testing._uart import Character, character_time, heard

__all__ = ("OUTPUT_LIMIT", "Line")

OUTPUT_LIMIT: Final = 4096  # bytes that the host's driver queues, as a tty's


class _Lane:
    """One direction: the characters that wait for their turn, and when the first of them has arrived."""

    def __init__(self) -> None:
        self.queue: deque[tuple[Character, ...]] = deque()
        self.seconds = 0.0  # for one character
        self.arrives = 0.0
        self.is_held = False

    def push(self, entries: Sequence[tuple[Character, ...]], now: float) -> None:
        if not self.queue:
            self.arrives = max(self.arrives, now) + self.seconds
        self.queue.extend(entries)

    def pop(self) -> tuple[Character, ...]:
        entry = self.queue.popleft()
        self.arrives += self.seconds if self.queue else 0.0
        return entry

    def hold(self, on: bool, now: float) -> None:
        if self.is_held and not on and self.queue:
            self.arrives = max(self.arrives, now + self.seconds)
        self.is_held = on

    @property
    def next(self) -> float | None:
        return self.arrives if self.queue and not self.is_held else None


class Line:
    """Both directions, the modem lines, and the actions that the device has planned.

    Args:
        device_config: The device's own settings; None if it follows the host's.
        paced: Whether a character takes the time that it takes on a real line.
        fifo: How many received characters the host's side holds; what comes when it is full is lost.
        arrived: Called with each byte that the device receives.
        acts_on: Whether the device may do more than keep a byte when it arrives.
    """

    def __init__(
        self,
        device_config: SerialConfig | None,
        *,
        paced: bool,
        fifo: int,
        arrived: Callable[[int], None],
        acts_on: Callable[[int], bool],
    ) -> None:
        self.lock: threading.RLock = threading.RLock()
        self.now: float = 0.0
        self.config: SerialConfig = SerialConfig()
        self.received: deque[Character] = deque()
        self.overruns: int = 0
        self.is_gone: bool = False
        self.departures: int = 0  # how often the plug was pulled, for a port that was not looking
        self.listeners: set[Callable[[], None]] = set()
        self.control: ControlLines = ControlLines(rts=False, dtr=False)
        self.modem: ModemLines = ModemLines(cts=False, dsr=False, ri=False, cd=False)
        self.changes: dict[str, int] = dict.fromkeys(("cts", "dsr", "ri", "cd"), 0)
        self._device_config = device_config
        self._paced = paced
        self._fifo = fifo
        self._arrived, self._acts_on = arrived, acts_on
        self._to_device, self._to_host = _Lane(), _Lane()
        self._plans: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._is_advancing = False

    # Time

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Plan *action* for *when*; at once if that is past."""
        with self.lock:
            heapq.heappush(self._plans, (max(when, self.now), next(self._order), action))
        self.wake()

    @property
    def next(self) -> float | None:
        """When the next thing happens; None if nothing is planned."""
        with self.lock:
            times = [lane.next for lane in (self._to_device, self._to_host)]
            times.append(self._plans[0][0] if self._plans else None)
            return min((time for time in times if time is not None), default=None)

    @property
    def next_for_host(self) -> float | None:
        """When the next thing happens that the host may notice; None if nothing is planned.

        The host does not notice a byte that the device only keeps. `advance` carries it out later, at its own time.
        """
        with self.lock:
            lane = self._to_device
            times = [self._to_host.next, self._plans[0][0] if self._plans else None]
            if lane.next is not None:
                for place, entry in enumerate(lane.queue):
                    if any(self._acts_on(character.byte) for character in entry):
                        times.append(lane.next + place * lane.seconds)
                        break
            return min((time for time in times if time is not None), default=None)

    def advance(self, now: float) -> None:
        """Move time on to *now*, and carry out what was due until then, in its order."""
        with self.lock:
            if self._is_advancing:
                return  # an action of the device asks for the time
            self._is_advancing, is_news = True, False
            try:
                while (due := self.next) is not None and due <= now:
                    self.now = max(self.now, due)
                    self._step(due)
                    is_news = True
                self.now = max(self.now, now)
            finally:
                self._is_advancing = False
                if is_news:
                    self.wake()

    def _step(self, due: float) -> None:
        if self._to_device.next == due:
            for character in self._to_device.pop():
                self._arrived(character.byte)
        elif self._to_host.next == due:
            for character in self._to_host.pop():
                self._deliver(character)
        else:
            heapq.heappop(self._plans)[2]()

    def wake(self) -> None:
        """Tell every caller that waits to look again."""
        for listener in tuple(self.listeners):
            listener()

    # The host's side

    def configure(self, config: SerialConfig) -> None:
        """Set the host's settings; characters under way keep their time."""
        with self.lock:
            self.config = config
            self._to_device.seconds = character_time(config) if self._paced else 0.0
            self._to_host.seconds = character_time(self._device_config or config) if self._paced else 0.0
            self._flow()
        self.wake()

    @property
    def output_waiting(self) -> int:
        """How many of the host's bytes have not left yet."""
        return len(self._to_device.queue)

    def leaves(self, count: int) -> float | None:
        """Return when *count* of the bytes that wait have left (at least one waits); None while they are held."""
        with self.lock:
            lane = self._to_device
            return None if lane.next is None else lane.next + (min(count, len(lane.queue)) - 1) * lane.seconds

    def host_sends(self, data: bytes) -> None:
        """Queue *data* on the way to the device."""
        with self.lock:
            self._to_device.push(heard(data, self.config, self._device_config or self.config), self.now)
        self.wake()

    def take(self) -> Character | None:
        """Return the next received character; None if there is none."""
        with self.lock:
            if not self.received:
                return None
            character = self.received.popleft()
            self._flow()
            return character

    def discard_output(self) -> None:
        """Forget what has not left yet."""
        with self.lock:
            self._to_device.queue.clear()

    def discard_input(self) -> None:
        """Forget what was received and not taken."""
        with self.lock:
            self.received.clear()
            self._flow()
        self.wake()

    # The device's side

    def device_sends(self, data: bytes) -> None:
        """Queue *data* on the way to the host."""
        with self.lock:
            self._to_host.push(heard(data, self._device_config or self.config, self.config), self.now)

    def device_breaks(self) -> None:
        """Queue a break on the way to the host."""
        with self.lock:
            self._to_host.push([(Character(0, "break"),)], self.now)

    def set_modem(self, lines: ModemLines) -> None:
        """Set the lines that the host sees, and count what has changed."""
        with self.lock:
            for name in self.changes:
                self.changes[name] += getattr(lines, name) != getattr(self.modem, name)
            self.modem = lines
            self._flow()
        self.wake()

    def end(self) -> None:
        """Forget everything that is under way and planned: the host has closed, or the device is gone."""
        with self.lock:
            self._to_device.queue.clear()
            self._to_host.queue.clear()
            self.received.clear()

    def _deliver(self, character: Character) -> None:
        if len(self.received) < self._fifo:
            self.received.append(character)
        else:
            self.overruns += 1
            last = self.received[-1]
            if last.error != "overrun":
                self.received[-1] = Character(last.byte, "overrun")
        self._flow()

    def _flow(self) -> None:
        """Hold the directions that hardware flow control holds."""
        by_lines = self.config.flow_control.rts_cts
        self._to_device.hold(by_lines and not self.modem.cts, self.now)
        self._to_host.hold(by_lines and len(self.received) >= self._fifo, self.now)
