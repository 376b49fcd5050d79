"""``rfc2217://``: a port behind a server of RFC 2217. The class is in ``serial.rfc2217``."""

from anyserial_sync._pyserial.rfc2217 import Serial

__all__ = ("Serial",)
