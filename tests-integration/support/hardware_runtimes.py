"""On which runtimes a hardware test runs: one as a rule, all three where the runtime matters."""

import pytest

__all__ = ("ASYNCIO", "RUNTIMES", "every_runtime")

ASYNCIO = ("asyncio", {"use_uvloop": False})
RUNTIMES = (
    pytest.param(ASYNCIO, id="asyncio"),
    pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    pytest.param(("trio", dict[str, bool]()), id="trio"),
)

every_runtime = pytest.mark.parametrize("anyio_backend", RUNTIMES)
"""Run the test on asyncio, uvloop and trio."""
