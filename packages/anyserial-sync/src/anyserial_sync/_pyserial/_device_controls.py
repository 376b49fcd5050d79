"""What only a device's port can do: what needs the descriptor, or the driver behind it."""

import termios
from functools import partial
from typing import override

from anyserial.capabilities import Capability

from anyserial_sync._pyserial._controls import Controls, failing

__all__ = ("DeviceControls",)


class DeviceControls(Controls):
    """The part of `Serial` that a port of the network does not have."""

    def set_low_latency_mode(self, low_latency_settings: bool) -> None:
        """Ask the driver to deliver every byte at once, or not to.

        Raises:
            ValueError: The driver has no such mode.
        """
        link = self._opened_link()
        # A driver that takes the flag and ignores it is not an error: many have no buffering to switch off.
        if (
            low_latency_settings
            and link.capabilities.low_latency is Capability.UNSUPPORTED
            and not self._low_latency_mode
        ):
            raise ValueError(f"the driver of {link.path} has no low latency mode")
        self._store_setting("_low_latency_mode", bool(low_latency_settings))

    # Flow control by hand

    def set_input_flow_control(self, enable: bool = True) -> None:
        """Tell the far end to send (XON), or to stop (XOFF)."""
        self._flow_by_hand(termios.TCION if enable else termios.TCIOFF)

    def set_output_flow_control(self, enable: bool = True) -> None:
        """Let output leave, or hold it back."""
        self._flow_by_hand(termios.TCOON if enable else termios.TCOOFF)

    def _flow_by_hand(self, action: int) -> None:
        link = self._opened_link()
        with failing("flow control"):
            link.on_worker(partial(_flow, link.fileno(), action))

    # The descriptor

    @override
    def fileno(self) -> int:
        """Return the descriptor, for waiting. From then on, no read takes more from it than it returns."""
        link = self._opened_link()
        self._descriptor_is_shared = True
        with failing("fileno"):
            return link.fileno()

    @property
    def fd(self) -> int | None:
        """The descriptor, as `fileno`; None if the port is not open."""
        return None if self._open_link is None else self.fileno()

    def nonblocking(self) -> None:
        """Do nothing: the descriptor does not block."""


def _flow(fd: int, action: int) -> None:
    try:
        termios.tcflow(fd, action)
    except termios.error as exc:
        raise OSError(*exc.args) from exc
