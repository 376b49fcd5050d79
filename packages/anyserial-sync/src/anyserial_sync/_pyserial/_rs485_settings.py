"""The settings of a driver's RS-485 mode."""

from typing import override

__all__ = ("RS485Settings",)


class RS485Settings:
    """How RTS drives the transceiver, for `SerialBase.rs485_mode`.

    Args:
        rts_level_for_tx: The level of RTS while sending.
        rts_level_for_rx: The level of RTS otherwise.
        loopback: Whether the port receives what it sends.
        delay_before_tx: Seconds between RTS and the first bit; None for 0.
        delay_before_rx: Seconds between the last bit and RTS; None for 0.
    """

    def __init__(
        self,
        rts_level_for_tx: bool = True,
        rts_level_for_rx: bool = False,
        loopback: bool = False,
        delay_before_tx: float | None = None,
        delay_before_rx: float | None = None,
    ) -> None:
        self.rts_level_for_tx = rts_level_for_tx
        self.rts_level_for_rx = rts_level_for_rx
        self.loopback = loopback
        self.delay_before_tx = delay_before_tx
        self.delay_before_rx = delay_before_rx

    @override
    def __repr__(self) -> str:
        return f"RS485Settings({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"
