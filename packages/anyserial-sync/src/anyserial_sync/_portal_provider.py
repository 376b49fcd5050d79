"""The shared portal provider: one thread with an event loop, for backends that have no descriptor.

All ports that need the portal share it, and it runs only while one of them is open. AnyIO's portals import
asyncio, so they are imported when they are first asked for. Ports with a descriptor do not need them.
"""

import os
from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.from_thread import BlockingPortal, BlockingPortalProvider

__all__ = ("configure_portal", "get_portal_provider")


class _State:
    """The configuration, and the provider once it exists."""

    def __init__(
        self, backend: str = "asyncio", options: "dict[str, Any] | None" = None, *, used: bool = False
    ) -> None:
        self.backend = backend
        self.options = options
        self.used = used
        self.provider: BlockingPortalProvider | None = None
        self.making = allocate_lock()


_state = _State()


def _forget_portal() -> None:
    global _state  # noqa: PLW0603  # the parent's thread does not exist in a forked child
    _state = _State(_state.backend, _state.options, used=_state.used)


os.register_at_fork(after_in_child=_forget_portal)


def configure_portal(backend: str = "asyncio", backend_options: "Mapping[str, Any] | None" = None) -> None:
    """Choose the event loop that backends without a descriptor run in.

    Ports with a descriptor need none, and anyserial's own drivers all have one.

    Args:
        backend: ``"asyncio"`` or ``"trio"``, as for `anyio.run`.
        backend_options: As for `anyio.run`; ``{"use_uvloop": True}``, for example.

    Raises:
        RuntimeError: The portal was used already, so it is too late.
    """
    state = _state
    if state.used:
        raise RuntimeError("configure_portal must be called before the first use of the portal")
    state.backend = backend
    state.options = None if backend_options is None else dict(backend_options)
    if state.provider is not None:
        state.provider.backend = backend
        state.provider.backend_options = state.options


def get_portal_provider() -> "BlockingPortalProvider":
    """Return the shared provider, a context manager for callers that need the portal themselves; starts nothing."""
    state = _state
    if state.provider is None:
        from anyio.from_thread import BlockingPortalProvider  # noqa: PLC0415  # it imports asyncio

        class Provider(BlockingPortalProvider):
            """AnyIO's provider, which also notes that it was used."""

            @override
            def __enter__(self) -> "BlockingPortal":
                state.used = True
                return super().__enter__()

        with state.making:
            if state.provider is None:
                state.provider = Provider(state.backend, state.options)
    return state.provider
