"""The names that `SerialBase` had before pySerial 3, which programs still use."""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("LegacyNames",)


class LegacyNames(io.RawIOBase):
    """Each of these is another name of what `SerialBase` or its subclass has under a newer one."""

    if TYPE_CHECKING:
        is_open: bool

        @property
        def port(self) -> str | None: ...
        @port.setter
        def port(self, value: str | None) -> None: ...
        @property
        def rts(self) -> bool: ...
        @rts.setter
        def rts(self, value: bool) -> None: ...
        @property
        def dtr(self) -> bool: ...
        @dtr.setter
        def dtr(self, value: bool) -> None: ...
        @property
        def write_timeout(self) -> float | None: ...
        @write_timeout.setter
        def write_timeout(self, value: float | None) -> None: ...
        @property
        def inter_byte_timeout(self) -> float | None: ...
        @inter_byte_timeout.setter
        def inter_byte_timeout(self, value: float | None) -> None: ...
        def send_break(self, duration: float = ...) -> None: ...
        def get_settings(self) -> dict[str, Any]: ...
        def apply_settings(self, d: Mapping[str, Any]) -> None: ...

    def isOpen(self) -> bool:  # noqa: N802
        """See `is_open`."""
        return self.is_open

    def setPort(self, port: str | None) -> None:  # noqa: N802
        """See `port`."""
        self.port = port

    def inWaiting(self) -> int:  # noqa: N802
        """See `in_waiting`."""
        waiting: int = self._of_this_kind("in_waiting")
        return waiting

    def flushInput(self) -> None:  # noqa: N802
        """See `reset_input_buffer`."""
        self._of_this_kind("reset_input_buffer")()

    def flushOutput(self) -> None:  # noqa: N802
        """See `reset_output_buffer`."""
        self._of_this_kind("reset_output_buffer")()

    def sendBreak(self, duration: float = 0.25) -> None:  # noqa: N802
        """See `send_break`."""
        self.send_break(duration)

    def setRTS(self, value: bool = True) -> None:  # noqa: N802
        """See `rts`."""
        self.rts = value

    def setDTR(self, value: bool = True) -> None:  # noqa: N802
        """See `dtr`."""
        self.dtr = value

    def getCTS(self) -> bool:  # noqa: N802
        """See `cts`."""
        level: bool = self._of_this_kind("cts")
        return level

    def getDSR(self) -> bool:  # noqa: N802
        """See `dsr`."""
        level: bool = self._of_this_kind("dsr")
        return level

    def getRI(self) -> bool:  # noqa: N802
        """See `ri`."""
        level: bool = self._of_this_kind("ri")
        return level

    def getCD(self) -> bool:  # noqa: N802
        """See `cd`."""
        level: bool = self._of_this_kind("cd")
        return level

    @property
    def writeTimeout(self) -> float | None:  # noqa: N802
        """See `write_timeout`."""
        return self.write_timeout

    @writeTimeout.setter
    def writeTimeout(self, timeout: float | None) -> None:  # noqa: N802
        self.write_timeout = timeout

    @property
    def interCharTimeout(self) -> float | None:  # noqa: N802
        """See `inter_byte_timeout`."""
        return self.inter_byte_timeout

    @interCharTimeout.setter
    def interCharTimeout(self, timeout: float | None) -> None:  # noqa: N802
        self.inter_byte_timeout = timeout

    def getSettingsDict(self) -> dict[str, Any]:  # noqa: N802
        """See `get_settings`."""
        return self.get_settings()

    def applySettingsDict(self, d: "Mapping[str, Any]") -> None:  # noqa: N802
        """See `apply_settings`."""
        self.apply_settings(d)

    def _of_this_kind(self, name: str) -> Any:
        """Return what the subclass has under *name*, which `SerialBase` itself lacks."""
        return getattr(self, name)
