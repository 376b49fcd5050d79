"""Ports over the network: the telnet and RFC 2217 codec, the clients and the server.

Nothing here is loaded before a URL is opened or `anyserial.network` is imported. It needs AnyIO alone.
"""
