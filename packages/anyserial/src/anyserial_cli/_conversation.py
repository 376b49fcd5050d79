"""The steps of ``anyserial demo``: what is done with the port, and what is said about it.

`VirtualPort` talks to an `Instrument` and checks its answers: an unexpected answer
fails the step. `RealPort` accepts whatever the device does. How it looks on the terminal is
decided by `_screen`: titles, code and results are short enough that all of it fits a terminal of 80 by 24.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import fields
from types import TracebackType
from typing import NamedTuple, Self, override

import anyio
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteStream
from anyserial import Capability, SerialClosedError, SerialConfig, SerialPort, UnsupportedFeatureError, open_serial_port
from anyserial._spi import printable

from anyserial_cli._instrument import MODEL, Instrument

__all__ = ("Conversation", "DemoError", "RealPort", "VirtualPort", "warm_up")


class Step(NamedTuple):
    """One step.

    Attributes:
        title: What it is called, in at most 15 characters.
        code: What a program would write for it, in lines of at most 55 characters.
        take: Does it, and returns what came of it.
    """

    title: str
    code: str
    take: Callable[[], Awaitable[str]]


PORTS_AT_ONCE = 8
SILENCE = 0.25  # seconds that the timeout step waits
LISTENING = 0.5  # seconds for which a real port is listened to
GREETING = b"anyserial demo\r\n"
LONGEST_SHOWN = 6  # bytes of what a real device sends
LONGEST_RESULT = 49  # characters: one line
OTHER_RATES = (9600, 19200)


class DemoError(Exception):
    """What came back is not what should have."""


class Conversation:
    """One port from its opening to its close, as a list of steps."""

    def __init__(self, config: SerialConfig) -> None:
        """Open with *config*."""
        self._config = config
        self._stack = AsyncExitStack()
        self._opened: SerialPort | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._stack.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close what a step that failed left open."""
        await self._stack.aclose()

    def steps(self) -> list[Step]:
        """Return the steps, in order."""
        raise NotImplementedError

    @property
    def _port(self) -> SerialPort:
        if self._opened is None:
            raise DemoError("no port is open")
        return self._opened

    def _opening(self, path: str) -> Step:
        code = f"port = await open_serial_port(path, baudrate={self._config.baudrate})"
        return Step("Open a port", code, lambda: self._open(path))

    async def _open(self, path: str) -> str:
        self._opened = await self._stack.enter_async_context(await open_serial_port(path, self._config))
        info = self._port.port_info
        words = [f"{self._port.config.baudrate} baud, {_frame(self._port.config)}"]
        words += [info.description] if info is not None and info.description else []
        return _in_one_line(", ".join([path, *words]))

    def _asking_capabilities(self) -> Step:
        return Step("What it can do", "port.capabilities", self._show_capabilities)

    async def _show_capabilities(self) -> str:
        found = self._port.capabilities
        states = {
            field.name: getattr(found, field.name)
            for field in fields(found)
            if field.name not in ("platform", "backend")
        }
        has = [name for name, value in states.items() if value is Capability.SUPPORTED]
        return _in_one_line(f"{len(has)} of {len(states)} features: {', '.join(has)}")

    async def _set_rate(self, rate: int) -> str:
        await self._port.configure(self._port.config.with_changes(baudrate=rate))
        actual = self._port.actual_baudrate
        return "nothing" if actual is None else f"{actual} baud"

    def _closing(self) -> Step:
        return Step("Close", "await port.aclose()", self._close)

    async def _close(self) -> str:
        await self._port.aclose()
        counted = self._port.statistics
        try:
            await self._port.receive()
        except SerialClosedError as exc:
            return f"{counted.bytes_sent} sent, {counted.bytes_received} received; now {type(exc).__name__}"
        raise DemoError("the port is closed, yet it received something")


async def warm_up() -> None:
    """Load everything that opening needs, so that the first step tells how long opening takes."""
    with suppress(OSError), Instrument("") as instrument:
        async with await open_serial_port(instrument.path, SerialConfig()):
            pass


class VirtualPort(Conversation):
    """The whole conversation, with a virtual instrument."""

    async def __aenter__(self) -> Self:
        """Start the instrument."""
        await super().__aenter__()
        self._instrument = await self._start("SN0001", self._stack)
        return self

    async def _start(self, serial_number: str, stack: AsyncExitStack) -> Instrument:
        """Start an instrument in a task of its own, to be stopped and closed with *stack*."""
        instrument = stack.enter_context(Instrument(serial_number))
        group = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(group.cancel_scope.cancel)
        group.start_soon(instrument.serve)
        return instrument

    def steps(self) -> list[Step]:
        """Return the steps, in order."""
        rate = _other_rate(self._config.baudrate)
        return [
            self._opening(self._instrument.path),
            self._asking_capabilities(),
            Step("Send, receive", "await port.send(b'*IDN?\\n'); await port.receive()", self._ask),
            Step(
                "Receive a line",
                "stream = BufferedByteStream(port)\nawait stream.receive_until(b'\\n', 256)",
                self._receive_line,
            ),
            _giving_up(self._time_out),
            _changing_rate(rate, lambda: self._reconfigure(rate)),
            Step(
                f"{PORTS_AT_ONCE} ports at once",
                "async with anyio.create_task_group() as group:\n    for path in paths: group.start_soon(ask, path)",
                self._fan_out,
            ),
            self._closing(),
        ]

    async def _ask(self) -> str:
        answer = await _exchange(self._port, b"*IDN?\n")
        _expect(answer, self._identity)
        return repr(answer)

    @property
    def _identity(self) -> bytes:
        return f"{MODEL},{self._instrument.serial_number}\n".encode()

    async def _receive_line(self) -> str:
        pieces = _Pieces(self._port)
        stream = BufferedByteStream(pieces)
        await stream.send(b"MEAS?\n")
        line = await stream.receive_until(b"\n", 256)
        _expect(line, b"+1.20345E+00 V")
        _expect(stream.buffer, b"")
        return f"{' + '.join(repr(piece) for piece in pieces.seen)} = {line!r}"

    async def _time_out(self) -> str:
        await self._port.send(b"SLEEP\n")
        start = time.monotonic()
        with anyio.move_on_after(SILENCE) as scope:
            raise DemoError(f"an answer came that nobody sent: {await self._port.receive()!r}")
        if not scope.cancelled_caught:
            raise DemoError("the timeout did not fire")
        elapsed = time.monotonic() - start
        _expect(await _exchange(self._port, b"*IDN?\n"), self._identity)
        return f"given up after {elapsed * 1e3:.0f} ms; the next answer is whole"

    async def _reconfigure(self, rate: int) -> str:
        told = await self._set_rate(rate)
        answer = await _exchange(self._port, b"BAUD?\n")
        _expect(answer, f"{rate}\n".encode())
        return f"the driver says {told}, the far end {answer.decode().strip()}"

    async def _fan_out(self) -> str:
        answers: dict[str, bytes] = {}

        async def ask(path: str) -> None:
            async with await open_serial_port(path, self._config) as port:
                answers[path] = await _exchange(port, b"*IDN?\n")

        async with AsyncExitStack() as stack:
            instruments = [await self._start(f"SN{number:04}", stack) for number in range(101, 101 + PORTS_AT_ONCE)]
            async with anyio.create_task_group() as group:
                for instrument in instruments:
                    group.start_soon(ask, instrument.path)
        for instrument in instruments:
            _expect(answers[instrument.path], f"{MODEL},{instrument.serial_number}\n".encode())
        return f"answers from {instruments[0].serial_number} to {instruments[-1].serial_number}"


class RealPort(Conversation):
    """The parts that suit any serial port; no answer is expected."""

    def __init__(self, config: SerialConfig, path: str) -> None:
        """As `Conversation`, over the port at *path*."""
        super().__init__(config)
        self._path = path

    def plan(self) -> list[tuple[str, str]]:
        """Return everything that is done to the port, as labels and texts."""
        rate = self._config.baudrate
        frame = _frame(self._config)
        return [
            ("opens it", f"at {rate} baud, {frame}, no flow control; raises DTR and RTS (may reset)"),
            ("sends", f"{GREETING!r} once, {len(GREETING)} bytes; no answer is expected"),
            ("listens", f"for {LISTENING:g} s, and for {SILENCE:g} s more; what comes is shown, then lost"),
            ("changes", f"the rate to {_other_rate(rate)} baud and back to {rate}"),
            ("closes it", "which lowers DTR and RTS with most drivers; the settings stay"),
        ]

    def steps(self) -> list[Step]:
        """Return the steps, in order."""
        return [
            self._opening(self._path),
            self._asking_capabilities(),
            Step("Modem lines", "await port.modem_lines()", self._show_lines),
            Step(
                "Send, listen",
                f"await port.send({GREETING!r})\nawait port.drain_exact(); await port.receive()",
                self._greet,
            ),
            _giving_up(self._time_out),
            _changing_rate(_other_rate(self._config.baudrate), self._reconfigure),
            self._closing(),
        ]

    async def _show_lines(self) -> str:
        try:
            lines = await self._port.modem_lines()
        except UnsupportedFeatureError as exc:
            return f"this driver has none: {type(exc).__name__}"
        levels = {"CTS": lines.cts, "DSR": lines.dsr, "RI": lines.ri, "CD": lines.cd}
        return ", ".join(f"{name} {'on' if level else 'off'}" for name, level in levels.items())

    async def _greet(self) -> str:
        await self._port.send(GREETING)
        await self._port.drain_exact()
        came = b""
        with anyio.move_on_after(LISTENING):
            while len(came) < len(GREETING):
                came += await self._port.receive()
        if GREETING in came:
            return "every byte came back: a loop-back, or an echo"
        return f"the device talks: {_shown(came)}" if came else f"sent; nothing came within {LISTENING:g} s"

    async def _time_out(self) -> str:
        came = b""
        with anyio.move_on_after(SILENCE) as scope:
            came = await self._port.receive()
        if scope.cancelled_caught:
            return f"given up after {SILENCE * 1e3:.0f} ms; the port is still open"
        return f"the device talks: {_shown(came)}"

    async def _reconfigure(self) -> str:
        before = self._port.config.baudrate
        there = await self._set_rate(_other_rate(before))
        return f"the driver says {there}; and back: {await self._set_rate(before)}"


class _Pieces(ByteStream):
    """Passes a port on, and remembers the pieces that it received."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port
        self.seen: list[bytes] = []

    @override
    async def receive(self, max_bytes: int = 65536) -> bytes:
        self.seen.append(await self._port.receive(max_bytes))
        return self.seen[-1]

    @override
    async def send(self, item: bytes) -> None:
        await self._port.send(item)

    @override
    async def send_eof(self) -> None:
        await self._port.send_eof()

    @override
    async def aclose(self) -> None:
        await self._port.aclose()


def _giving_up(take: Callable[[], Awaitable[str]]) -> Step:
    return Step("Give up in time", f"with anyio.move_on_after({SILENCE}): await port.receive()", take)


def _changing_rate(rate: int, take: Callable[[], Awaitable[str]]) -> Step:
    code = f"config = port.config.with_changes(baudrate={rate})\nawait port.configure(config)"
    return Step("Change the rate", code, take)


def _other_rate(rate: int) -> int:
    return next(other for other in OTHER_RATES if other != rate)


def _in_one_line(text: str) -> str:
    text = printable(text)
    return text if len(text) <= LONGEST_RESULT else f"{text[: LONGEST_RESULT - 4].rstrip(' ,')} ..."


def _shown(data: bytes) -> str:
    if len(data) <= LONGEST_SHOWN:
        return repr(data)
    return f"{data[:LONGEST_SHOWN]!r} and {len(data) - LONGEST_SHOWN} more"


def _frame(config: SerialConfig) -> str:
    return f"{config.byte_size}{config.parity.name[0]}{config.stop_bits}"


async def _exchange(port: SerialPort, command: bytes) -> bytes:
    """Send a command and receive up to the end of the line."""
    await port.send(command)
    answer = b""
    while not answer.endswith(b"\n"):
        answer += await port.receive()
    return answer


def _expect(answer: bytes, expected: bytes) -> None:
    if answer != expected:
        raise DemoError(f"expected {expected!r}, received {answer!r}")
