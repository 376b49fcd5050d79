"""Reconnecting to a device, without any waiting: what both faces share.

`plan` decides when to try again, `presence` finds the device. The waiting is in `anyserial._reconnection`
and in the part `anyserial_sync`. Only names, no code, belong here.
"""

from anyserial._reconnecting.plan import FIRST_PAUSE, RECONNECT_HINT, Plan
from anyserial._reconnecting.presence import Presence, port_matcher

__all__ = ("FIRST_PAUSE", "RECONNECT_HINT", "Plan", "Presence", "port_matcher")
