"""The steps of ``anyserial demo``: what is done with the port, and what is said about it.

`VirtualPort` talks to an `Instrument`, whose answers it checks: an answer that is not what it
should be fails the step. `RealPort` expects nothing of the device. How it looks on the terminal is
not decided here: that is `_screen`.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import fields
from types import TracebackType
from typing import Self, override

import anyio
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteStream
from anyserial import Capability, SerialClosedError, SerialConfig, SerialPort, UnsupportedFeatureError, open_serial_port

from anyserial_cli._instrument import MODEL, Instrument
from anyserial_cli._screen import Screen

__all__ = ("Conversation", "DemoError", "RealPort", "VirtualPort", "warm_up")

type Step = tuple[str, Callable[[], Awaitable[None]]]

PORTS_AT_ONCE = 8
SILENCE = 0.25  # seconds that the timeout step waits
LISTENING = 0.5  # seconds for which a real port is listened to
GREETING = b"anyserial demo\r\n"
LONGEST_SHOWN = 32  # bytes of what a real device sends
OTHER_RATES = (9600, 19200)


class DemoError(Exception):
    """What came back is not what should have."""


class Conversation:
    """One port from its opening to its close, as a list of steps."""

    def __init__(self, screen: Screen, config: SerialConfig) -> None:
        """Say things on *screen*, and open with *config*."""
        self._screen = screen
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

    async def _open(self, path: str) -> None:
        self._screen.code(
            f"path = {path!r}\n"
            f"config = SerialConfig(baudrate={self._config.baudrate})\n"
            "port = await open_serial_port(path, config)"
        )
        self._opened = await self._stack.enter_async_context(await open_serial_port(path, self._config))
        self._screen.row("path", self._port.path)
        self._screen.row("settings", f"{self._port.config.baudrate} baud, {_frame(self._port.config)}")
        info = self._port.port_info
        if info is not None and info.description:
            self._screen.row("device", info.description)

    async def _show_capabilities(self) -> None:
        self._screen.code("port.capabilities")
        found = self._port.capabilities
        states = {
            field.name: getattr(found, field.name)
            for field in fields(found)
            if field.name not in ("platform", "backend")
        }
        self._screen.row("backend", f"{found.backend} on {found.platform}")
        for label, state in (
            ("has", Capability.SUPPORTED),
            ("has not", Capability.UNSUPPORTED),
            ("may have", Capability.UNKNOWN),
        ):
            names = [name for name, value in states.items() if value is state]
            if names:
                self._screen.row(label, ", ".join(names))

    async def _set_rate(self, rate: int) -> None:
        self._screen.code(f"await port.configure(port.config.with_changes(baudrate={rate}))")
        await self._port.configure(self._port.config.with_changes(baudrate=rate))
        actual = self._port.actual_baudrate
        self._screen.row("set to", f"{self._port.config.baudrate} baud")
        self._screen.row("driver says", "nothing" if actual is None else f"{actual} baud")

    async def _close(self) -> None:
        self._screen.code("await port.aclose()")
        await self._port.aclose()
        counted = self._port.statistics
        self._screen.row("sent", f"{counted.bytes_sent} bytes")
        self._screen.row("received", f"{counted.bytes_received} bytes")
        try:
            await self._port.receive()
        except SerialClosedError as exc:
            self._screen.row("afterwards", f"port.receive() raises {type(exc).__name__}")
        else:
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
        return [
            ("Open a port by its path", lambda: self._open(self._instrument.path)),
            ("Ask what the port can do", self._show_capabilities),
            ("Send and receive", self._ask),
            ("Receive a line, whatever its pieces", self._receive_line),
            ("Give up after a while, and lose nothing", self._time_out),
            ("Change the baud rate while the port is open", self._reconfigure),
            (f"Talk to {PORTS_AT_ONCE} ports at once", self._fan_out),
            ("Close", self._close),
        ]

    async def _ask(self) -> None:
        self._screen.code("await port.send(b'*IDN?\\n')\nawait port.receive()")
        answer = await _exchange(self._port, b"*IDN?\n")
        self._screen.row("sent", repr(b"*IDN?\n"))
        self._screen.row("received", repr(answer))
        _expect(answer, f"{MODEL},{self._instrument.serial_number}\n".encode())

    async def _receive_line(self) -> None:
        self._screen.code(
            "stream = BufferedByteStream(port)\nawait stream.send(b'MEAS?\\n')\nawait stream.receive_until(b'\\n', 256)"
        )
        pieces = _Pieces(self._port)
        stream = BufferedByteStream(pieces)
        await stream.send(b"MEAS?\n")
        line = await stream.receive_until(b"\n", 256)
        self._screen.row("came as", " + ".join(repr(piece) for piece in pieces.seen))
        self._screen.row("the line", repr(line))
        _expect(line, b"+1.20345E+00 V")
        _expect(stream.buffer, b"")

    async def _time_out(self) -> None:
        self._screen.code(
            f"await port.send(b'SLEEP\\n')\nwith anyio.move_on_after({SILENCE}) as scope:\n    await port.receive()"
        )
        await self._port.send(b"SLEEP\n")
        start = time.monotonic()
        with anyio.move_on_after(SILENCE) as scope:
            raise DemoError(f"an answer came that nobody sent: {await self._port.receive()!r}")
        if not scope.cancelled_caught:
            raise DemoError("the timeout did not fire")
        self._screen.row("timed out", f"after {(time.monotonic() - start) * 1e3:.0f} ms; the instrument keeps silent")
        answer = await _exchange(self._port, b"*IDN?\n")
        self._screen.row("still usable", repr(answer))
        _expect(answer, f"{MODEL},{self._instrument.serial_number}\n".encode())

    async def _reconfigure(self) -> None:
        rate = next(rate for rate in OTHER_RATES if rate != self._config.baudrate)
        await self._set_rate(rate)
        answer = await _exchange(self._port, b"BAUD?\n")
        self._screen.row("far end sees", f"{answer.decode().strip()} baud")
        _expect(answer, f"{rate}\n".encode())

    async def _fan_out(self) -> None:
        self._screen.code(
            "async with anyio.create_task_group() as group:\n"
            "    for path in paths:\n"
            "        group.start_soon(ask, path)"
        )
        answers: dict[str, bytes] = {}

        async def ask(path: str) -> None:
            async with await open_serial_port(path, self._config) as port:
                answers[path] = await _exchange(port, b"*IDN?\n")

        async with AsyncExitStack() as stack:
            instruments = [await self._start(f"SN{number:04}", stack) for number in range(101, 101 + PORTS_AT_ONCE)]
            start = time.monotonic()
            async with anyio.create_task_group() as group:
                for instrument in instruments:
                    group.start_soon(ask, instrument.path)
            elapsed = time.monotonic() - start
        for instrument in instruments:
            self._screen.row(instrument.path, repr(answers[instrument.path]))
            _expect(answers[instrument.path], f"{MODEL},{instrument.serial_number}\n".encode())
        self._screen.row("together", f"opened, asked, answered and closed in {elapsed * 1e3:.1f} ms")


class RealPort(Conversation):
    """The parts that suit any serial port; no answer is expected."""

    def __init__(self, screen: Screen, config: SerialConfig, path: str) -> None:
        """As `Conversation`, over the port at *path*."""
        super().__init__(screen, config)
        self._path = path

    def plan(self) -> list[tuple[str, str]]:
        """Return everything that is done to the port, as labels and texts."""
        rate = self._config.baudrate
        return [
            ("opens it", "which raises DTR and RTS: some boards are reset by that"),
            ("sets it", f"to {rate} baud, {_frame(self._config)}, no flow control, raw"),
            ("sends", f"{GREETING!r} once, {len(GREETING)} bytes"),
            ("listens", f"for {LISTENING:g} s, and for {SILENCE:g} s more; what comes is shown and then lost"),
            ("changes", f"the rate to {self._other_rate(rate)} baud and back to {rate}"),
            ("closes it", "which lowers DTR and RTS with most drivers; the settings stay"),
        ]

    @staticmethod
    def _other_rate(rate: int) -> int:
        return next(other for other in OTHER_RATES if other != rate)

    def steps(self) -> list[Step]:
        """Return the steps, in order."""
        return [
            ("Open a port by its path", lambda: self._open(self._path)),
            ("Ask what the port can do", self._show_capabilities),
            ("Read the modem lines", self._show_lines),
            ("Send, and see whether anything comes back", self._greet),
            ("Give up after a while", self._time_out),
            ("Change the baud rate while the port is open", self._reconfigure),
            ("Close", self._close),
        ]

    async def _show_lines(self) -> None:
        self._screen.code("await port.modem_lines()")
        try:
            lines = await self._port.modem_lines()
        except UnsupportedFeatureError:
            self._screen.row("lines", "this driver has none; port.modem_lines() raises UnsupportedFeatureError")
            return
        levels = {"CTS": lines.cts, "DSR": lines.dsr, "RI": lines.ri, "CD": lines.cd}
        self._screen.row("lines", ", ".join(f"{name} {'on' if level else 'off'}" for name, level in levels.items()))

    async def _greet(self) -> None:
        self._screen.code(f"await port.send({GREETING!r})\nawait port.drain_exact()\nawait port.receive()")
        await self._port.send(GREETING)
        await self._port.drain_exact()
        self._screen.row("sent", repr(GREETING))
        came = b""
        with anyio.move_on_after(LISTENING):
            while len(came) < len(GREETING):
                came += await self._port.receive()
        self._screen.row("came back", _shown(came) if came else f"nothing within {LISTENING:g} s")
        if GREETING in came:
            self._screen.row("so", "every byte came back: a loop-back plug, or the far end echoes")
        elif came:
            self._screen.row("so", "the device is talking; at another baud rate this may be another text")
        else:
            self._screen.row("so", "the bytes have left; a device that knows this text would be a surprise")

    async def _time_out(self) -> None:
        self._screen.code(f"with anyio.move_on_after({SILENCE}) as scope:\n    await port.receive()")
        came = b""
        with anyio.move_on_after(SILENCE) as scope:
            came = await self._port.receive()
        if scope.cancelled_caught:
            self._screen.row("timed out", f"after {SILENCE * 1e3:.0f} ms; the port is still open")
        else:
            self._screen.row("received", _shown(came))
            self._screen.row("so", "the device is talking, and the timeout did not fire")

    async def _reconfigure(self) -> None:
        before = self._port.config.baudrate
        await self._set_rate(self._other_rate(before))
        await self._set_rate(before)


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


def _shown(data: bytes) -> str:
    if len(data) <= LONGEST_SHOWN:
        return repr(data)
    return f"{data[:LONGEST_SHOWN]!r} and {len(data) - LONGEST_SHOWN} bytes more"


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
