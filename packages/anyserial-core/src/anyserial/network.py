"""Serial ports over the network: `serve` makes a local port available by RFC 2217 or raw TCP.

The other direction does not need this module: ``open_serial_port("rfc2217://gateway:2217")``. The backends
behind the URLs are here for callers that need them by name.

Only names belong here; the code is in ``_network``.
"""

from anyserial._network.listening import Endpoint
from anyserial._network.rfc2217 import Rfc2217Backend
from anyserial._network.serving import PortServer, ServerStatistics, serve
from anyserial._network.tcp import TcpBackend

__all__ = ("Endpoint", "PortServer", "Rfc2217Backend", "ServerStatistics", "TcpBackend", "serve")
