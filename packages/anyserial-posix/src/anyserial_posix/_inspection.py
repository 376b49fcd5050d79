"""What can be seen of a tty without setting anything on it.

A tty that is opened for a look gets none of what `_settings` does at an open: no raw mode, no lock, no
lines. Only requests that read are made.
"""

import errno
import os
import stat
import termios
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from anyserial import PortState
from anyserial._spi import translate
from anyserial.capabilities import ControlLines, ModemLines
from anyserial.config import FlowControl, SerialConfig
from anyserial.exceptions import SerialError

from anyserial_posix import _access, _lock, _termios
from anyserial_posix._handle import os_error
from anyserial_posix._ioctl import get_int
from anyserial_posix._line_status import read_counters
from anyserial_posix._node import check_node, open_node
from anyserial_posix._probe import before_asking, refine, through_c_library

if TYPE_CHECKING:
    from anyserial_posix._handle import Handle
    from anyserial_posix._syscalls import Syscalls
    from anyserial_posix._tables import Platform

__all__ = ("inspect",)


def inspect(system: "Syscalls", platform: "Platform", path: str, *, opens: bool) -> PortState:
    """Return what can be seen of the port at *path*; with *opens* also what it has to be opened for.

    Raises:
        SerialError: There is no such port, it is none, or it cannot be opened.
    """
    try:
        status = check_node(system, platform, path)
    except SerialError:
        raise
    except (OSError, ValueError) as exc:  # a null character, say
        error = exc if isinstance(exc, OSError) else os_error(errno.ENOENT)
        raise translate(error, context="open", path=path) from exc
    may_open = os.access(path, os.R_OK | os.W_OK)
    state = PortState(
        path=path,
        may_open=may_open,
        refusal=None if may_open else _access.explain(system, platform.name, path, errno.EACCES),
        owner=_access.user_name(status.st_uid),
        group=_access.group_name(status.st_gid),
        mode=stat.filemode(status.st_mode),
        holders=_lock.holders(system, path),
        capabilities=before_asking(platform, status.st_rdev),
    )
    if not opens:
        return state
    handle = open_node(system, platform, path)
    try:
        return _opened(handle, state)
    except OSError as exc:
        raise handle.error(exc, "open") from exc
    finally:
        with suppress(OSError):
            system.close(handle.fd)


def _opened(handle: "Handle", state: PortState) -> PortState:
    system, platform, fd = handle.system, handle.platform, handle.fd
    flags = platform.flags
    capabilities = state.capabilities if handle.is_pty else refine(platform, system, fd)[0]
    try:
        attributes = platform.get_attributes(system, fd)
    except OSError as exc:
        simpler = platform.simpler() if exc.errno == errno.ENOTTY else None
        if simpler is None:
            raise
        attributes, flags = simpler.get_attributes(system, fd), simpler.flags
        capabilities = through_c_library(capabilities)
    state = replace(
        state,
        capabilities=capabilities,
        config=_config(_termios.decode(attributes, flags)),
        is_raw=not (
            # XON and XOFF are flow control, which `config` tells.
            _termios.changes_input(attributes, flags, xon_xoff=True)
            or attributes.lflag & flags.echo
            or attributes.oflag & termios.OPOST
        ),
    )
    with suppress(OSError):  # a driver without lines
        lines, bits = get_int(system, fd, platform.ioctls.tiocmget), platform.modem
        state = replace(
            state,
            modem_lines=ModemLines(
                cts=bool(lines & bits.cts),
                dsr=bool(lines & bits.dsr),
                ri=bool(lines & bits.ri),
                cd=bool(lines & bits.cd),
            ),
            control_lines=ControlLines(rts=bool(lines & bits.rts), dtr=bool(lines & bits.dtr)),
        )
    with suppress(OSError):  # one that does not count
        state = replace(state, line_counters=read_counters(system, fd, platform.ioctls.tiocgicount))
    return state


def _config(line: _termios.LineSettings) -> SerialConfig | None:
    if line.baudrate <= 0:
        return None
    return SerialConfig(
        baudrate=line.baudrate,
        byte_size=line.byte_size,
        parity=line.parity,
        stop_bits=line.stop_bits,
        flow_control=FlowControl(xon_xoff=line.xon_xoff, rts_cts=line.rts_cts, dtr_dsr=line.dtr_dsr),
        hangup_on_close=line.hangup_on_close,
    )
