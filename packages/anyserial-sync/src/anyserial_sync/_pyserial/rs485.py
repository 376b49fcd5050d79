"""RS-485: the settings of a driver's own mode, and a port that turns the line round by itself."""

import time
from typing import TYPE_CHECKING, override

from anyserial_sync._pyserial._rs485_settings import RS485Settings
from anyserial_sync._pyserial.serialposix import Serial

if TYPE_CHECKING:
    from collections.abc import Buffer

__all__ = ("RS485", "RS485Settings")


class RS485(Serial):
    """A port that sets RTS around every write, for drivers without an RS-485 mode.

    Set `rs485_mode`; without it, a write is as that of any port. The last bit has left the UART, as far as
    the driver can tell, when RTS changes back.
    """

    _alternate_rs485_settings: RS485Settings | None = None

    @override
    def write(self, b: "Buffer") -> int | None:
        """Write as `Serial.write`, with RTS at the level for sending meanwhile."""
        settings = self._alternate_rs485_settings
        if settings is None:
            return super().write(b)
        self.rts = settings.rts_level_for_tx
        try:
            if settings.delay_before_tx is not None:
                time.sleep(settings.delay_before_tx)
            sent = super().write(b)
            self.flush()
            if settings.delay_before_rx is not None:
                time.sleep(settings.delay_before_rx)
        finally:
            self.rts = settings.rts_level_for_rx
        return sent

    @property
    @override
    def rs485_mode(self) -> RS485Settings | None:
        """How RTS is set around a write; None leaves it alone. The driver is not asked."""
        return self._alternate_rs485_settings

    @rs485_mode.setter
    def rs485_mode(self, rs485_settings: RS485Settings | None) -> None:
        self._alternate_rs485_settings = rs485_settings
