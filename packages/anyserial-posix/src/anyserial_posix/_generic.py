"""Any other POSIX system, and Linux on an architecture without a table: Python's `termios` module.

Its constants are the C library's, so nothing is known here beyond what the standard has: the coded
rates, the three parities, and whichever of the usual requests the module names. No number of one
platform belongs here.
"""

import sys
import termios
from typing import TYPE_CHECKING, cast, override

from anyserial.capabilities import Capability, SerialCapabilities

from anyserial_posix._ioctl import Ioctls, ModemBits
from anyserial_posix._tables import Layout, Platform
from anyserial_posix._termios import Attributes, Flags

if TYPE_CHECKING:
    from anyserial_posix._syscalls import Syscalls

__all__ = ("platform",)

_ICANON = termios.ICANON


def _constant(name: str) -> int:
    return cast("int", getattr(termios, name, 0))


def _request(name: str) -> int | None:
    return cast("int | None", getattr(termios, name, None))


def _rate_codes() -> dict[int, int]:
    return {int(name[1:]): _constant(name) for name in dir(termios) if name[0] == "B" and name[1:].isdecimal()}


class _Generic(Platform):
    """The attributes through tcgetattr(3) and tcsetattr(3)."""

    @override
    def get_attributes(self, system: "Syscalls", fd: int) -> Attributes:
        *numbers, cc = system.get_attributes(fd)
        iflag, oflag, cflag, lflag, ispeed, ospeed = cast("list[int]", numbers)
        characters = bytes(item if isinstance(item, int) else item[0] for item in cast("list[bytes | int]", cc))
        rates = {code: rate for rate, code in self.rate_codes.items()}
        return Attributes(iflag, oflag, cflag, lflag, 0, characters, rates.get(ispeed, 0), rates.get(ospeed, 0))

    @override
    def set_attributes(self, system: "Syscalls", fd: int, attributes: Attributes) -> None:
        iflag, oflag, cflag, lflag, _, cc, ispeed, ospeed = attributes
        characters: list[bytes | int] = [bytes((character,)) for character in cc]
        if not lflag & _ICANON:
            # The module wants these two as numbers outside canonical mode.
            for index in (self.flags.vmin, self.flags.vtime):
                characters[index] = cc[index]
        codes = [self.rate_codes.get(rate, 0) for rate in (ispeed, ospeed)]
        system.set_attributes(fd, [iflag, oflag, cflag, lflag, *codes, characters])


def platform(name: str = sys.platform) -> Platform:
    """Return what the `termios` module of this process tells about the platform."""
    flags = Flags(
        inpck=termios.INPCK,
        parmrk=termios.PARMRK,
        istrip=termios.ISTRIP,
        inlcr=termios.INLCR,
        igncr=termios.IGNCR,
        icrnl=termios.ICRNL,
        iuclc=_constant("IUCLC"),
        ixon=termios.IXON,
        ixoff=termios.IXOFF,
        csize=termios.CSIZE,
        cs5=termios.CS5,
        cs6=termios.CS6,
        cs7=termios.CS7,
        cs8=termios.CS8,
        cstopb=termios.CSTOPB,
        cread=termios.CREAD,
        parenb=termios.PARENB,
        parodd=termios.PARODD,
        hupcl=termios.HUPCL,
        clocal=termios.CLOCAL,
        crtscts=_constant("CRTSCTS"),
        isig=termios.ISIG,
        icanon=termios.ICANON,
        echo=termios.ECHO,
        vmin=termios.VMIN,
        vtime=termios.VTIME,
        vstart=termios.VSTART,
        vstop=termios.VSTOP,
    )
    ioctls = Ioctls(
        tcgets=None,
        tcsets=None,
        fionread=_request("FIONREAD"),
        tiocoutq=_request("TIOCOUTQ"),
        tiocexcl=_request("TIOCEXCL"),
        tiocnxcl=_request("TIOCNXCL"),
        tiocmget=_request("TIOCMGET"),
        tiocmset=_request("TIOCMSET"),
        tiocmbis=_request("TIOCMBIS"),
        tiocmbic=_request("TIOCMBIC"),
        tiocsbrk=_request("TIOCSBRK"),
        tioccbrk=_request("TIOCCBRK"),
        tiocgetd=_request("TIOCGETD"),
    )

    def has(request: int | None) -> Capability:
        return Capability.UNSUPPORTED if request is None else Capability.SUPPORTED

    return _Generic(
        name=name,
        flags=flags,
        ioctls=ioctls,
        modem=ModemBits(
            dtr=_constant("TIOCM_DTR"),
            rts=_constant("TIOCM_RTS"),
            cts=_constant("TIOCM_CTS"),
            cd=_constant("TIOCM_CAR"),
            ri=_constant("TIOCM_RNG"),
            dsr=_constant("TIOCM_DSR"),
        ),
        layout=Layout("0s"),
        capabilities=SerialCapabilities(
            platform=name,
            backend="posix-generic",
            custom_baudrate=Capability.UNSUPPORTED,
            mark_space_parity=Capability.UNSUPPORTED,
            one_point_five_stop_bits=Capability.UNKNOWN,
            xon_xoff=Capability.SUPPORTED,
            rts_cts=Capability.SUPPORTED if flags.crtscts else Capability.UNSUPPORTED,
            dtr_dsr=Capability.UNSUPPORTED,
            modem_lines=has(ioctls.tiocmget),
            break_signal=has(ioctls.tiocsbrk),
            exclusive_access=has(ioctls.tiocexcl),
            low_latency=Capability.UNSUPPORTED,
            rs485=Capability.UNSUPPORTED,
            input_waiting=has(ioctls.fionread),
            output_waiting=has(ioctls.tiocoutq),
            port_discovery=Capability.UNKNOWN,
        ),
        rate_codes=_rate_codes(),
        only_coded_rates=True,
    )
