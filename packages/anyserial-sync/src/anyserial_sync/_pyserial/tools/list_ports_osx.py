"""Listing the ports of macOS. `comports` works on every platform."""

from anyserial_sync._pyserial.tools.list_ports_posix import comports

__all__ = ("comports",)
