"""What a platform is to the driver: its numbers, its structure layouts, its capabilities.

`Platform` is the shape of the tables in `_linux`, `_darwin`, `_bsd` and `_generic`, with the few
calls that differ between them. It looks at nothing and decides nothing.
"""

import struct
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, override

from anyserial.capabilities import Capability

from anyserial_posix._ioctl import get_struct, set_struct
from anyserial_posix._termios import Attributes, Flags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyserial.capabilities import SerialCapabilities

    from anyserial_posix._ioctl import Ioctls, ModemBits
    from anyserial_posix._syscalls import Syscalls

__all__ = ("Layout", "Platform")


class Layout:
    """How struct termios is laid out.

    Args:
        format: The structure in `struct`'s terms, unaligned.
        line: The offset of c_line from c_cc, or None if the platform has no c_line.
    """

    __slots__ = ("line", "struct")

    def __init__(self, format: str, *, line: Literal["before", "after"] | None = None) -> None:  # noqa: A002
        self.struct = struct.Struct(format)
        self.line = line

    def unpack(self, raw: bytes) -> Attributes:
        """Return the attributes in *raw*."""
        if self.line == "before":  # in the order of `Attributes`
            return Attributes._make(self.struct.unpack(raw))
        iflag, oflag, cflag, lflag, *rest, ispeed, ospeed = self.struct.unpack(raw)
        if self.line == "after":
            cc, line = rest
        else:
            (cc,), line = rest, 0
        return Attributes(iflag, oflag, cflag, lflag, line, cc, ispeed, ospeed)

    def pack(self, attributes: Attributes) -> bytes:
        """Return the structure."""
        iflag, oflag, cflag, lflag, line, cc, ispeed, ospeed = attributes
        middle: tuple[int | bytes, ...] = (cc,)
        if self.line == "before":
            middle = (line, cc)
        elif self.line == "after":
            middle = (cc, line)
        return self.struct.pack(iflag, oflag, cflag, lflag, *middle, ispeed, ospeed)


class Platform:
    """The numbers of one platform, and how its attributes are read and set."""

    def __init__(
        self,
        *,
        name: str,
        flags: Flags,
        ioctls: "Ioctls",
        modem: "ModemBits",
        layout: Layout,
        capabilities: "SerialCapabilities",
        rate_codes: "Mapping[int, int] | None" = None,
        only_coded_rates: bool = False,
        pty_majors: frozenset[int] = frozenset(),
        cached_transmitter_majors: frozenset[int] = frozenset(),
        disciplines: "Mapping[int, str] | None" = None,
        pty_makers: frozenset[int] = frozenset(),
        terminals: frozenset[int] = frozenset(),
        read_limit: int = 4096,
    ) -> None:
        self.name = name
        self.flags = flags
        self.ioctls = ioctls
        self.modem = modem
        self.layout = layout
        self.capabilities = capabilities
        self.rate_codes: Mapping[int, int] = rate_codes or {}
        self.only_coded_rates = only_coded_rates
        self.pty_majors = pty_majors
        # Drivers that answer TIOCSERGETLSR from what the device last told them.
        self.cached_transmitter_majors = cached_transmitter_majors
        # Line disciplines that keep what a tty receives for themselves, by the number that TIOCGETD gives.
        self.disciplines: Mapping[int, str] = disciplines or {}
        # By device number: what makes a new pty when it is opened, and the screens that people work at.
        self.pty_makers = pty_makers
        self.terminals = terminals
        # A read allocates what it is asked for, so it asks for no more than a tty gives at once.
        self.read_limit = read_limit

    @cached_property
    def pty_capabilities(self) -> "SerialCapabilities":
        """What a pty can do: it keeps eight bits and no parity, whatever is asked (drivers/tty/pty.c)."""
        return replace(
            self.capabilities,
            mark_space_parity=Capability.UNSUPPORTED,
            one_point_five_stop_bits=Capability.UNSUPPORTED,
            modem_lines=Capability.UNSUPPORTED,
            low_latency=Capability.UNSUPPORTED,
            rs485=Capability.UNSUPPORTED,
        )

    @override
    def __repr__(self) -> str:
        return f"<Platform {self.name}>"

    def discipline(self, number: int) -> str | None:
        """Return the name of a line discipline that takes all that a tty receives; None if reads get it."""
        return self.disciplines.get(number)

    def simpler(self) -> "Platform | None":
        """Return another way to the attributes, for a kernel without this platform's requests, or None."""
        return None

    def get_attributes(self, system: "Syscalls", fd: int) -> Attributes:
        """Read the attributes in force."""
        return self.layout.unpack(get_struct(system, fd, self.ioctls.tcgets, self.layout.struct.size))

    def set_attributes(self, system: "Syscalls", fd: int, attributes: Attributes) -> None:
        """Set the attributes at once, neither draining nor flushing anything."""
        set_struct(system, fd, self.ioctls.tcsets, self.layout.pack(attributes))
