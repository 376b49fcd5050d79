"""The kernel's RS-485 mode (Linux, struct serial_rs485): read, changed, written, put back.

Bits that `RS485Config` does not know (bus termination, the RTS and address modes of newer
kernels) stay as the device tree or another program set them. When the mode is set and put
back is not decided here: that is `_settings`.
"""

from typing import TYPE_CHECKING

from anyserial_posix import _ioctl
from anyserial_posix._ioctl import get_struct, set_struct

if TYPE_CHECKING:
    from anyserial.config import RS485Config

    from anyserial_posix._syscalls import Syscalls

__all__ = ("apply", "encode", "read", "refused")

_OURS = (
    _ioctl.SER_RS485_ENABLED
    | _ioctl.SER_RS485_RTS_ON_SEND
    | _ioctl.SER_RS485_RTS_AFTER_SEND
    | _ioctl.SER_RS485_RX_DURING_TX
)


def read(system: "Syscalls", fd: int, request: int | None) -> bytes:
    """Return the mode in force (TIOCGRS485)."""
    return get_struct(system, fd, request, _ioctl.RS485.size)


def apply(system: "Syscalls", fd: int, request: int | None, mode: bytes) -> None:
    """Put a mode in force (TIOCSRS485)."""
    set_struct(system, fd, request, mode)


def encode(current: bytes, config: "RS485Config") -> bytes:
    """Return *current* with what *config* asks for."""
    flags, _, _, rest = _ioctl.RS485.unpack(current)
    flags &= ~_OURS
    if config.enabled:
        flags |= _ioctl.SER_RS485_ENABLED
    if config.rts_on_send:
        flags |= _ioctl.SER_RS485_RTS_ON_SEND
    if config.rts_after_send:
        flags |= _ioctl.SER_RS485_RTS_AFTER_SEND
    if config.rx_during_tx:
        flags |= _ioctl.SER_RS485_RX_DURING_TX
    return _ioctl.RS485.pack(flags, round(config.delay_before_send * 1000), round(config.delay_after_send * 1000), rest)


def refused(asked: bytes, got: bytes) -> list[str]:
    """Say what the driver did not take of *asked*; a mode that is off has nothing to refuse."""
    flags, before, after, _ = _ioctl.RS485.unpack(asked)
    got_flags, got_before, got_after, _ = _ioctl.RS485.unpack(got)
    if not flags & _ioctl.SER_RS485_ENABLED:
        return ["rs485.enabled=False"] if got_flags & _ioctl.SER_RS485_ENABLED else []
    found = [
        f"rs485.{name}={bool(flags & bit)}"
        for name, bit in (
            ("enabled", _ioctl.SER_RS485_ENABLED),
            ("rts_on_send", _ioctl.SER_RS485_RTS_ON_SEND),
            ("rts_after_send", _ioctl.SER_RS485_RTS_AFTER_SEND),
            ("rx_during_tx", _ioctl.SER_RS485_RX_DURING_TX),
        )
        if (flags ^ got_flags) & bit
    ]
    for name, asked_ms, got_ms in (
        ("delay_before_send", before, got_before),
        ("delay_after_send", after, got_after),
    ):
        if asked_ms != got_ms:
            found.append(f"rs485.{name}={asked_ms / 1000} (it set {got_ms / 1000})")
    return found
