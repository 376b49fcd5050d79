"""The portal: the one thread with an event loop, for backends that have no descriptor.

It is shared by all ports that need it and runs only while one of them is open. A port
on a descriptor never comes here.
"""

import threading
from typing import Any, override

from anyio.from_thread import BlockingPortal, BlockingPortalProvider

__all__ = ("configure_portal", "get_portal_provider")


class _Provider(BlockingPortalProvider):
    """AnyIO's provider, which also knows whether it was ever used."""

    used = False

    @override
    def __enter__(self) -> BlockingPortal:
        with _lock:
            self.used = True
        return super().__enter__()


_lock = threading.Lock()
_provider = _Provider()


def configure_portal(backend: str = "asyncio", backend_options: dict[str, Any] | None = None) -> None:
    """Choose the event loop that backends without a descriptor run in.

    Ports on a descriptor, which are all that anyserial opens by itself, need none.

    Args:
        backend: ``"asyncio"`` or ``"trio"``, as for `anyio.run`.
        backend_options: As for `anyio.run`; ``{"use_uvloop": True}``, say.

    Raises:
        RuntimeError: The portal was used already: it is too late.
    """
    with _lock:
        if _provider.used:
            raise RuntimeError("configure_portal must be called before the first use of the portal")
        _provider.backend = backend
        _provider.backend_options = backend_options


def get_portal_provider() -> BlockingPortalProvider:
    """Return the shared provider, as a context manager for who needs the portal himself; starts nothing."""
    return _provider
