"""What four USB serial chips say and understand: requests in, settings kept, packets out.

Only the protocols are here, as the kernel's drivers speak them (drivers/usb/serial/ftdi_sio.c,
cp210x.c, pl2303.c, ch341.c); no descriptor is read or written. `usb_player` moves the bytes. Both
run in a process of their own, where every import costs, so nothing is imported that is not needed.
"""

import struct

__all__ = ("CHIPS", "DATA", "NOTICE", "Chip", "Request")

INPUTS = ("cts", "dsr", "ri", "cd")
PARITIES = ("none", "odd", "even", "mark", "space")
STOP_BITS = ("1", "1.5", "2")
XON, XOFF = 0x11, 0x13
DATA, NOTICE = 0, 2  # the pipe that carries data to the host, and the one for what happens on the lines
# Modem inputs as a 16550 has them; FTDI and CP210x do too.
MSR = (("cts", 0x10), ("dsr", 0x20), ("ri", 0x40), ("cd", 0x80))
# What went wrong with a byte, as in a 16550's line status register.
LSR = {"overrun": 0x02, "parity": 0x04, "framing": 0x08, "break": 0x10}


class Request:
    """A control request: the fields of a USB setup packet, and what came with it."""

    __slots__ = ("data", "index", "kind", "length", "request", "value")

    def __init__(self, setup: bytes) -> None:
        self.kind, self.request, self.value, self.index, self.length = struct.unpack_from("<BBHHH", setup)
        self.data = b""

    def listed(self) -> tuple[int, int, int, int, bytes]:
        return self.kind, self.request, self.value, self.index, self.data


class Chip:
    """One chip: what it is plugged in as, what it was told, and what it makes of a byte.

    Attributes:
        packet: Size of a bulk packet.
        notice: Size of a packet on the interrupt pipe; 0 without one.
        inputs: The modem lines that come in.
        flow: "", "rtscts", "dtrdsr" or "xonxoff", as it was told.
        latency_timer: Milliseconds; None for a chip without one.
        unsent: Bytes taken from the host that have not left yet.
    """

    packet = 64
    notice = 0

    def __init__(self) -> None:
        self.inputs: dict[str, bool] = dict.fromkeys(INPUTS, False)
        self.unsent = 0
        self.power_on()

    def power_on(self) -> None:
        """Forget what it was told."""
        self.baudrate = 9600
        self.byte_size, self.parity, self.stop_bits = "8", "none", "1"
        self.flow = ""
        self.rts = self.dtr = self.sending_break = False
        self.stopped_by_xoff = False
        self.latency_timer: int | None = None

    def state(self) -> dict[str, object]:
        names = "baudrate byte_size parity stop_bits flow rts dtr sending_break latency_timer unsent"
        return {name: getattr(self, name) for name in names.split()}

    def may_transmit(self) -> bool:
        """Whether the flow control that it was told lets it send."""
        if self.flow == "rtscts":
            return self.inputs["cts"]
        if self.flow == "dtrdsr":
            return self.inputs["dsr"]
        return not (self.flow == "xonxoff" and self.stopped_by_xoff)

    def receive(self, data: bytes, damage: str | None) -> list[tuple[int, bytes]]:
        """What it sends the host, on which pipe, when *data* comes in from the line."""
        if self.flow == "xonxoff" and damage is None:
            for byte in data:
                if byte in {XON, XOFF}:
                    self.stopped_by_xoff = byte == XOFF
            data = bytes(byte for byte in data if byte not in {XON, XOFF})
        if damage is None:
            return self.good(data)
        return [packet for byte in data for packet in self.damaged(bytes([byte]), damage)]

    def good(self, data: bytes) -> list[tuple[int, bytes]]:
        return self.packets(data)

    def packets(self, data: bytes) -> list[tuple[int, bytes]]:
        """The transfers that carry *data*; each ends with a packet that is not full, or the driver waits for more."""
        room = 16 * self.packet - 1
        pieces = [data[start : start + room] for start in range(0, len(data), room)]
        if pieces and len(pieces[-1]) % self.packet == 0:
            pieces[-1:] = [pieces[-1][:-1], pieces[-1][-1:]]
        return [(DATA, piece) for piece in pieces]

    def damaged(self, byte: bytes, damage: str) -> list[tuple[int, bytes]]:
        raise NotImplementedError(f"{type(self).__name__} does not tell of a {damage} error")

    def lines(self) -> list[tuple[int, bytes]]:
        """What it sends the host when an input has changed."""
        raise NotImplementedError

    def answer(self, request: Request) -> bytes | None:
        """What it answers to a request for data; None to stall."""
        raise NotImplementedError

    def take(self, request: Request) -> None:
        """Do what it is told."""
        raise NotImplementedError

    def _inputs(self, bits: tuple[tuple[str, int], ...]) -> int:
        return sum(bit for line, bit in bits if self.inputs[line])

    def _set_outputs(self, value: int) -> None:
        """Set those of DTR (1) and RTS (2) whose bit in the high byte is on."""
        if value & 0x100:
            self.dtr = bool(value & 1)
        if value & 0x200:
            self.rts = bool(value & 2)


class Ftdi(Chip):
    """FT232R: each packet begins with modem and line status."""

    FLOWS = {0: "", 1: "rtscts", 2: "dtrdsr", 4: "xonxoff"}  # noqa: RUF012  # typing costs an import
    EIGHTHS = (0, 4, 2, 1, 3, 5, 6, 7)

    def power_on(self) -> None:
        super().power_on()
        self.latency_timer = 16

    def _status(self, damage: int = 0) -> bytes:
        return bytes((1 | self._inputs(MSR), (0 if self.unsent else 0x60) | damage))

    def packets(self, data: bytes) -> list[tuple[int, bytes]]:
        status, room = self._status(), self.packet - 2
        # As many packets as a transfer has, the last without its last byte.
        transfers: list[tuple[int, bytes]] = []
        for start in range(0, len(data), 16 * room - 1):
            part = data[start : start + 16 * room - 1]
            joined = b"".join(status + part[at : at + room] for at in range(0, len(part), room))
            transfers.append((DATA, joined if len(joined) % self.packet else joined + status))
        return transfers

    def damaged(self, byte: bytes, damage: str) -> list[tuple[int, bytes]]:
        return [(DATA, self._status(LSR[damage]) + byte)]

    def lines(self) -> list[tuple[int, bytes]]:
        return [(DATA, self._status())]

    def answer(self, request: Request) -> bytes | None:
        if request.request == 0x05:
            return self._status()
        if request.request == 0x0A:
            return bytes([self.latency_timer or 0])
        return b"\xff\xff" if request.request == 0x90 else None  # an empty EEPROM

    def take(self, request: Request) -> None:
        value, index = request.value, request.index
        if request.request == 0x01:
            self._set_outputs(value)
        elif request.request == 0x02:
            self.flow = self.FLOWS.get(index >> 8, "")
        elif request.request == 0x03:
            eighths = (value & 0x3FFF) * 8 + self.EIGHTHS[value >> 14 | (index & 1) << 2]
            self.baudrate = {0: 3000000, 8: 2000000}.get(eighths) or round(24000000 / eighths)
        elif request.request == 0x04:
            self.byte_size = "7" if value & 0xFF == 7 else "8"
            self.parity, self.stop_bits = PARITIES[value >> 8 & 7], STOP_BITS[value >> 11 & 3]
            self.sending_break = bool(value & 0x4000)
        elif request.request == 0x09:
            self.latency_timer = value & 0xFF


class Cp210x(Chip):
    """CP2102: in event mode errors and modem lines are escaped into the data."""

    ESCAPE = b"\xec"

    def power_on(self) -> None:
        super().power_on()
        self._events = False
        self._flow = bytes(16)
        self._line = 0x800

    def _modem(self) -> int:
        return self._inputs(MSR) | self.dtr | self.rts << 1

    def good(self, data: bytes) -> list[tuple[int, bytes]]:
        return self.packets(data.replace(self.ESCAPE, self.ESCAPE + b"\0") if self._events else data)

    def damaged(self, byte: bytes, damage: str) -> list[tuple[int, bytes]]:
        return self.packets(self.ESCAPE + bytes((1, LSR[damage])) + byte) if self._events else self.packets(byte)

    def lines(self) -> list[tuple[int, bytes]]:
        return [(DATA, self.ESCAPE + bytes((3, self._modem())))] if self._events else []

    def answer(self, request: Request) -> bytes | None:
        if request.request == 0xFF:
            # Asked for two bytes it must give two, or is taken for a counterfeit.
            return b"\x02\x00" if request.value == 0x370B else bytes(request.length)
        if request.request == 0x10:
            return bytes(12) + struct.pack("<I3x", self.unsent)
        return {0x04: struct.pack("<H", self._line), 0x08: bytes([self._modem()]), 0x14: self._flow,
                0x1D: struct.pack("<I", self.baudrate)}.get(request.request)  # fmt: skip

    def take(self, request: Request) -> None:
        value = request.value
        if request.request == 0x03:
            self._line = value
            self.byte_size, self.parity = str(value >> 8), PARITIES[value >> 4 & 15]
            self.stop_bits = STOP_BITS[value & 15]
        elif request.request == 0x05:
            self.sending_break = bool(value)
        elif request.request == 0x07:
            self._set_outputs(value)
        elif request.request == 0x13:
            self._flow = request.data
            handshake, replace = struct.unpack_from("<2I", request.data)
            self.flow = "rtscts" if handshake & 0x08 else "xonxoff" if replace & 0x01 else ""
            self.rts = bool(replace >> 6 & 3)
        elif request.request == 0x15:
            self._events = bool(value)
        elif request.request == 0x1E:
            (self.baudrate,) = struct.unpack("<I", request.data)


class Pl2303(Chip):
    """PL2303TA: CDC's line coding, and a notice of 10 bytes with status and errors."""

    notice = 10
    LINES = (("cd", 0x01), ("dsr", 0x02), ("ri", 0x08), ("cts", 0x80))
    DAMAGE = {"overrun": 0x40, "parity": 0x20, "framing": 0x10, "break": 0x04}  # noqa: RUF012  # as above
    FLOWS = {0x40: "rtscts", 0x60: "rtscts", 0xC0: "xonxoff"}  # noqa: RUF012  # as above

    def power_on(self) -> None:
        super().power_on()
        self._coding = struct.pack("<I3B", 9600, 0, 0, 8)
        self._registers: dict[int, int] = {}

    def _notice(self, damage: int = 0) -> tuple[int, bytes]:
        return NOTICE, bytes((0xA1, 0x20, 0, 0, 0, 0, 2, 0, self._inputs(self.LINES) | damage, 0))

    def damaged(self, byte: bytes, damage: str) -> list[tuple[int, bytes]]:
        # The driver marks what comes next on the other pipe.
        return [self._notice(self.DAMAGE[damage]), *self.packets(byte)]

    def lines(self) -> list[tuple[int, bytes]]:
        return [self._notice()]

    def answer(self, request: Request) -> bytes | None:
        if (request.kind, request.request) == (0xA1, 0x21):
            return self._coding
        return bytes([self._registers.get(request.value & 0x7F, 0)]) if request.length == 1 else bytes(request.length)

    def take(self, request: Request) -> None:
        value = request.value
        if (request.kind, request.request) == (0x40, 0x01):
            self._registers[value] = request.index
            if value == 0:
                self.flow = self.FLOWS.get(request.index & 0xF0, "")
        elif request.request == 0x20:
            self._coding = request.data
            rate, stop, parity, size = struct.unpack("<I3B", request.data)
            if rate >> 31:  # a divisor
                rate = round(12000000 * 32 / ((rate & 0x7FF) << (rate >> 16 & 1 | rate >> 12 & 14)))
            self.baudrate, self.byte_size = rate, str(size)
            self.parity, self.stop_bits = PARITIES[parity], STOP_BITS[stop]
        elif request.request == 0x22:
            self.dtr, self.rts = bool(value & 1), bool(value & 2)
        elif request.request == 0x23:
            self.sending_break = bool(value)


class Ch341(Chip):
    """CH340G: registers, and a notice of 8 bytes with the inputs inverted. It tells of no error."""

    packet = 32
    notice = 8
    LINES = (("cts", 0x01), ("dsr", 0x02), ("ri", 0x04), ("cd", 0x08))
    BREAK_REGISTERS = 0x1805

    def power_on(self) -> None:
        super().power_on()
        self._break = 0x4001

    def _status(self) -> int:
        return 0x0F & ~self._inputs(self.LINES)

    def damaged(self, byte: bytes, damage: str) -> list[tuple[int, bytes]]:
        del damage
        return self.packets(byte)

    def lines(self) -> list[tuple[int, bytes]]:
        return [(NOTICE, bytes((0x08, 0x01, self._status(), 0, 0, 0, 0, 0)))]

    def answer(self, request: Request) -> bytes | None:
        if request.request == 0x5F:
            return b"\x31\x00"
        if request.request == 0x95:
            registers = {0x0706: self._status(), self.BREAK_REGISTERS: self._break}
            return struct.pack("<H", registers.get(request.value, 0))
        return None

    def take(self, request: Request) -> None:
        value, index = request.value, request.index
        if request.request == 0xA4:
            self.dtr, self.rts = not value & 0x20, not value & 0x40
        elif request.request != 0x9A:
            return
        elif value == 0x2518:
            self.byte_size, self.stop_bits = str(5 + (index & 3)), "2" if index & 4 else "1"
            self.parity = PARITIES[1 + (index >> 4 & 3)] if index & 0x08 else "none"
        elif value == self.BREAK_REGISTERS:
            self._break = index
            self.sending_break = not index & 0x01
        elif value == 0x1312:
            scale = 1 << (12 - 3 * (index & 3) - (index >> 2 & 1))
            self.baudrate = round(48000000 / (scale * (256 - (index >> 8))))


CHIPS: dict[str, type[Chip]] = {"ftdi_sio": Ftdi, "cp210x": Cp210x, "pl2303": Pl2303, "ch341": Ch341}
