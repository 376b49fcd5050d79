"""Serial ports over the network: `serve` makes a local port available by RFC 2217 or raw TCP.

Only names belong here; the code is in ``_network``.
"""

from anyserial._network.serving import PortServer, ServerStatistics, serve

__all__ = ("PortServer", "ServerStatistics", "serve")
