"""A config as termios attributes, and attributes as settings. Pure: no system call.

Theory of operation. `build` takes the attributes in force and a config and returns
the attributes to set: full raw mode (no input, output or local processing at all),
CLOCAL and CREAD on, VMIN 1 and VTIME 0, and the line settings. Control flags that
are none of ours stay as they were. The driver takes what it likes of that without
an error, so afterwards the attributes are read back, `decode` turns them into
settings again, and `dropped` says what of the wanted settings is missing.

What a platform lacks has mask 0 in its `Flags`; `lacking` names it before anything is set.
"""

from typing import TYPE_CHECKING, NamedTuple

from anyserial.config import ByteSize, LineErrors, Parity, StopBits

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from anyserial.config import SerialConfig

__all__ = (
    "Attributes",
    "Flags",
    "LineSettings",
    "build",
    "changes_input",
    "decode",
    "dropped",
    "lacking",
    "raw",
    "spelled",
    "wanted",
)

RATE_TOLERANCE = 0.02  # a UART samples a frame wrongly from about this error on

XON = 0x11
XOFF = 0x13


class Attributes(NamedTuple):
    """struct termios, whatever its layout; `line` is 0 where there is no such field."""

    iflag: int
    oflag: int
    cflag: int
    lflag: int
    line: int
    cc: bytes
    ispeed: int
    ospeed: int


class Flags(NamedTuple):
    """The termios bits of a platform; 0 where it lacks the mechanism."""

    inpck: int
    parmrk: int
    istrip: int
    inlcr: int
    igncr: int
    icrnl: int
    ixon: int
    ixoff: int
    csize: int
    cs5: int
    cs6: int
    cs7: int
    cs8: int
    cstopb: int
    cread: int
    parenb: int
    parodd: int
    hupcl: int
    clocal: int
    crtscts: int
    isig: int
    icanon: int
    echo: int
    vmin: int
    vtime: int
    vstart: int
    vstop: int
    iuclc: int = 0
    cmspar: int = 0
    dtr_dsr: int = 0
    cbaud: int = 0
    cibaud: int = 0
    bother: int = 0


class LineSettings(NamedTuple):
    """What is set on the line, as a config spells it."""

    baudrate: int
    byte_size: ByteSize
    parity: Parity
    stop_bits: StopBits
    xon_xoff: bool
    rts_cts: bool
    dtr_dsr: bool
    hangup_on_close: bool | None
    marks: bool


def wanted(config: "SerialConfig", flags: Flags) -> LineSettings:
    """Return what *config* asks for, less what the platform lacks (see `lacking`)."""
    flow = config.flow_control
    parity = config.parity
    if not flags.cmspar and parity in (Parity.MARK, Parity.SPACE):
        parity = Parity.NONE
    stop_bits = config.stop_bits
    # CSTOPB means 1.5 stop bits with five data bits on a 16550, 2 on some USB adapters; with
    # more data bits always 2. With five, both are taken, and the hardware decides.
    if config.byte_size is ByteSize.FIVE and stop_bits is StopBits.TWO:
        stop_bits = StopBits.ONE_POINT_FIVE
    elif config.byte_size is not ByteSize.FIVE and stop_bits is StopBits.ONE_POINT_FIVE:
        stop_bits = StopBits.TWO
    return LineSettings(
        config.baudrate,
        config.byte_size,
        parity,
        stop_bits,
        flow.xon_xoff,
        flow.rts_cts and bool(flags.crtscts),
        flow.dtr_dsr and bool(flags.dtr_dsr),
        config.hangup_on_close,
        config.line_errors is not LineErrors.IGNORE,
    )


def lacking(config: "SerialConfig", flags: Flags, platform: str, rates: "Container[int] | None" = None) -> list[str]:
    """Say, per setting, what *config* asks for that the platform has no flag for.

    Args:
        config: What is asked for.
        flags: The platform's bits.
        platform: The platform's name, for the words.
        rates: The rates that can be set; None if any can.
    """
    found: list[str] = []
    if rates is not None and config.baudrate not in rates:
        found.append(f"baudrate={config.baudrate} (termios has no code for it on {platform})")
    if not flags.cmspar and config.parity in (Parity.MARK, Parity.SPACE):
        found.append(f"parity={config.parity.value!r} (termios has no mark or space parity on {platform})")
    if config.byte_size is not ByteSize.FIVE and config.stop_bits is StopBits.ONE_POINT_FIVE:
        found.append("stop_bits='1.5' (a UART makes 1.5 stop bits with byte_size='5' only; 2 are used instead)")
    if config.flow_control.rts_cts and not flags.crtscts:
        found.append(f"flow_control.rts_cts=True ({platform} does not have it)")
    if config.flow_control.dtr_dsr and not flags.dtr_dsr:
        found.append(f"flow_control.dtr_dsr=True ({platform} does not have it)")
    return found


def changes_input(attributes: Attributes, flags: Flags, *, xon_xoff: bool) -> bool:
    """Return whether a tty with these attributes changes what it receives: lines, signals, CR and NL, stripped bits.

    Args:
        attributes: The attributes in force.
        flags: The platform's bits.
        xon_xoff: Whether the caller wants XON and XOFF taken out of the input.
    """
    iflag = flags.istrip | flags.inlcr | flags.igncr | flags.icrnl | flags.iuclc
    if not xon_xoff:
        iflag |= flags.ixon
    return bool(attributes.iflag & iflag or attributes.lflag & (flags.icanon | flags.isig))


def raw(attributes: Attributes, flags: Flags) -> Attributes:
    """Return *attributes* in raw mode, the line's own settings (rate, frame, flow control by lines) as they are."""
    cc = bytearray(attributes.cc)
    cc[flags.vmin] = 1
    cc[flags.vtime] = 0
    return attributes._replace(iflag=0, oflag=0, lflag=0, cc=bytes(cc))


def build(current: Attributes, line: LineSettings, flags: Flags, rate_codes: "Mapping[int, int]") -> Attributes:
    """Return the attributes that put settings in force.

    Args:
        current: The attributes in force now.
        line: What is wanted (see `wanted`).
        flags: The platform's bits.
        rate_codes: Rate to CBAUD code, where the platform codes rates in the control
            flags (Linux); rates without a code use BOTHER and the speed fields.
    """
    iflag = 0
    if line.marks:
        # INPCK also where there is no parity: cp210x reports errors and breaks only with it,
        # and without it an overrun comes in as a NUL that nobody sent.
        iflag |= flags.inpck | flags.parmrk
    if line.xon_xoff:
        iflag |= flags.ixon | flags.ixoff
    cleared = (
        flags.csize
        | flags.cstopb
        | flags.parenb
        | flags.parodd
        | (0 if line.hangup_on_close is None else flags.hupcl)
        | flags.crtscts
        | flags.cmspar
        | flags.dtr_dsr
        | flags.cbaud
        | flags.cibaud
    )
    cflag = current.cflag & ~cleared | flags.cread | flags.clocal | _size_bits(line.byte_size, flags)
    if line.stop_bits is not StopBits.ONE:
        cflag |= flags.cstopb
    if line.parity is not Parity.NONE:
        cflag |= _parity_bits(flags)[line.parity]
    if line.hangup_on_close:
        cflag |= flags.hupcl
    if line.rts_cts:
        cflag |= flags.crtscts
    if line.dtr_dsr:
        cflag |= flags.dtr_dsr
    if flags.cbaud:
        cflag |= rate_codes.get(line.baudrate, flags.bother)
    cc = bytearray(current.cc)
    cc[flags.vmin] = 1
    cc[flags.vtime] = 0
    cc[flags.vstart] = XON
    cc[flags.vstop] = XOFF
    return Attributes(iflag, 0, cflag, 0, current.line, bytes(cc), line.baudrate, line.baudrate)


def decode(attributes: Attributes, flags: Flags) -> LineSettings:
    """Return the line settings that *attributes* mean."""
    cflag = attributes.cflag
    size_bits = cflag & flags.csize
    byte_size = next((size for size in ByteSize if _size_bits(size, flags) == size_bits), ByteSize.EIGHT)
    parity_mask = flags.parenb | flags.parodd | flags.cmspar
    # Without PARENB the other two say nothing.
    parity_bits = cflag & parity_mask if cflag & flags.parenb else 0
    parity = next((parity for parity, bits in _parity_bits(flags).items() if bits == parity_bits), Parity.NONE)
    two = StopBits.ONE_POINT_FIVE if byte_size is ByteSize.FIVE else StopBits.TWO
    return LineSettings(
        attributes.ospeed,
        byte_size,
        parity,
        two if cflag & flags.cstopb else StopBits.ONE,
        _all_set(attributes.iflag, flags.ixon | flags.ixoff),
        _all_set(cflag, flags.crtscts),
        _all_set(cflag, flags.dtr_dsr),
        bool(cflag & flags.hupcl),
        _all_set(attributes.iflag, flags.inpck | flags.parmrk),
    )


def dropped(want: LineSettings, have: LineSettings) -> list[str]:
    """Say, per setting, what the driver has not taken over.

    A rate within 2 % is taken over. Whether the hang-up on close and the error marks
    were kept is nothing that a driver has a say in.
    """
    found: list[str] = []
    if abs(have.baudrate - want.baudrate) > want.baudrate * RATE_TOLERANCE:
        found.append(f"baudrate={want.baudrate} (it set {have.baudrate})")
    if have.byte_size is not want.byte_size:
        found.append(f"byte_size={want.byte_size.value!r} (it set {have.byte_size.value!r})")
    if have.parity is not want.parity:
        found.append(f"parity={want.parity.value!r} (it set {have.parity.value!r})")
    if (have.stop_bits is StopBits.ONE) is not (want.stop_bits is StopBits.ONE):
        found.append(f"stop_bits={want.stop_bits.value!r} (it set {have.stop_bits.value!r})")
    for name in ("xon_xoff", "rts_cts", "dtr_dsr"):
        asked, got = getattr(want, name), getattr(have, name)
        if asked is not got:
            found.append(f"flow_control.{name}={asked} (it set {got})")
    return found


def spelled(line: LineSettings) -> str:
    """Return the settings in words, for an error about all of them."""
    flow = ", ".join(f"flow_control.{name}=True" for name in ("xon_xoff", "rts_cts", "dtr_dsr") if getattr(line, name))
    return (
        f"baudrate={line.baudrate}, byte_size={line.byte_size.value!r}, parity={line.parity.value!r},"
        f" stop_bits={line.stop_bits.value!r}{flow and ', '}{flow}"
    )


def _all_set(value: int, mask: int) -> bool:
    return mask != 0 and value & mask == mask


def _size_bits(size: ByteSize, flags: Flags) -> int:
    # By identity: the hash of a ByteSize is computed in Python.
    if size is ByteSize.EIGHT:
        return flags.cs8
    if size is ByteSize.SEVEN:
        return flags.cs7
    return flags.cs6 if size is ByteSize.SIX else flags.cs5


def _parity_bits(flags: Flags) -> dict[Parity, int]:
    bits = {Parity.NONE: 0, Parity.EVEN: flags.parenb, Parity.ODD: flags.parenb | flags.parodd}
    if flags.cmspar:
        bits[Parity.MARK] = flags.parenb | flags.cmspar | flags.parodd
        bits[Parity.SPACE] = flags.parenb | flags.cmspar
    return bits
