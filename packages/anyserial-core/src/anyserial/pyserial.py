"""pySerial 3.5's API on anyserial, from the distribution anyserial-sync: ``import anyserial.pyserial as serial``.

pySerial's submodules are attributes: ``serial.tools.list_ports``, ``serial.rs485``. They can also be imported, as
``anyserial.pyserial.tools.list_ports``, but type checkers know the attributes alone. Only names belong here.

`install` puts this in the place of ``serial`` for a whole process, and ``python -m anyserial.pyserial PROGRAM``
runs a program so.
"""

import sys
from typing import TYPE_CHECKING, Any

from anyserial._parts import load_part

load_part("anyserial_sync")  # or an error that says what to install

from anyserial_sync._module_alias import AliasFinder  # noqa: E402
from anyserial_sync._pyserial import (  # noqa: E402
    CR,
    EIGHTBITS,
    FIVEBITS,
    LF,
    PARITY_EVEN,
    PARITY_MARK,
    PARITY_NAMES,
    PARITY_NONE,
    PARITY_ODD,
    PARITY_SPACE,
    SEVENBITS,
    SIXBITS,
    STOPBITS_ONE,
    STOPBITS_ONE_POINT_FIVE,
    STOPBITS_TWO,
    VERSION,
    XOFF,
    XON,
    PortNotOpenError,
    PosixPollSerial,
    Serial,
    SerialBase,
    SerialException,
    SerialTimeoutException,
    Timeout,
    VTIMESerial,
    basestring,
    iterbytes,
    protocol_handler_packages,
    serial_for_url,
    to_bytes,
    unicode,
)

if TYPE_CHECKING:
    from anyserial_sync._program import ProgramError, run
    from anyserial_sync._pyserial import rfc2217, rs485, serialposix, serialutil, threaded, tools, urlhandler
    from anyserial_sync._serial_alias import install, uninstall

__all__ = (
    "CR",
    "EIGHTBITS",
    "FIVEBITS",
    "LF",
    "PARITY_EVEN",
    "PARITY_MARK",
    "PARITY_NAMES",
    "PARITY_NONE",
    "PARITY_ODD",
    "PARITY_SPACE",
    "SEVENBITS",
    "SIXBITS",
    "STOPBITS_ONE",
    "STOPBITS_ONE_POINT_FIVE",
    "STOPBITS_TWO",
    "VERSION",
    "XOFF",
    "XON",
    "PortNotOpenError",
    "PosixPollSerial",
    "ProgramError",
    "Serial",
    "SerialBase",
    "SerialException",
    "SerialTimeoutException",
    "Timeout",
    "VTIMESerial",
    "basestring",
    "install",
    "iterbytes",
    "protocol_handler_packages",
    "rfc2217",
    "rs485",
    "run",
    "serial_for_url",
    "serialposix",
    "serialutil",
    "threaded",
    "to_bytes",
    "tools",
    "unicode",
    "uninstall",
    "urlhandler",
)

__version__ = VERSION

# A package, to the import system. The finder comes first: another would make second modules of the files.
__path__: list[str] = []
sys.meta_path.insert(0, AliasFinder({"anyserial.pyserial": "anyserial_sync._pyserial"}))

# Not part of pySerial: few programs that use its names need these.
_LATE = {
    "ProgramError": "_program",
    "install": "_serial_alias",
    "run": "_program",
    "uninstall": "_serial_alias",
}
_SUBMODULES = ("rfc2217", "rs485", "serialposix", "serialutil", "threaded", "tools", "urlhandler")


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return load_part(f"anyserial_sync._pyserial.{name}")
    if name in _LATE:
        return getattr(load_part(f"anyserial_sync.{_LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    sys.exit(load_part("anyserial_sync._program").main())
