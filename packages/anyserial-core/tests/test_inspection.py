"""A look at a port, over a driver of the test's own: `anyserial.inspect_serial_port` and its way to the driver."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyserial import PortInfo, PortState, UnsupportedPlatformError, inspect_serial_port

pytestmark = pytest.mark.anyio


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    seen: list[tuple[str, bool]] = []

    def inspect_port(path: str, *, opens: bool) -> tuple[str, bool]:
        seen.append((path, opens))
        return seen[-1]

    monkeypatch.setitem(sys.modules, "anyserial_posix", SimpleNamespace(inspect_port=inspect_port))
    monkeypatch.setitem(sys.modules, "anyserial_discovery", SimpleNamespace())
    return seen


@pytest.mark.parametrize("device", ["/dev/ttyX", Path("/dev/ttyX"), PortInfo(device="/dev/ttyX")])
async def test_every_kind_of_name_reaches_the_driver(device: Any, looks: list[tuple[str, bool]]) -> None:
    state: Any = await inspect_serial_port(device)
    assert state == ("/dev/ttyX", False)
    await inspect_serial_port(device, opens=True)
    assert looks == [("/dev/ttyX", False), ("/dev/ttyX", True)]


async def test_what_is_no_name_is_a_type_error(looks: list[tuple[str, bool]]) -> None:
    with pytest.raises(TypeError):
        await inspect_serial_port(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert looks == []


async def test_a_driver_that_cannot_look_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anyserial_posix", SimpleNamespace())
    with pytest.raises(UnsupportedPlatformError, match="cannot inspect ports of this kind"):
        await inspect_serial_port("/dev/ttyX")


async def test_a_look_that_is_given_up_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading  # noqa: PLC0415

    go_on = threading.Event()
    driver = SimpleNamespace(inspect_port=lambda path, opens: go_on.wait(30))  # pyright: ignore[reportUnknownLambdaType]
    monkeypatch.setitem(sys.modules, "anyserial_posix", driver)
    with anyio.fail_after(10), anyio.move_on_after(0.01) as scope:
        await inspect_serial_port("/dev/ttyX", opens=True)
    assert scope.cancelled_caught
    go_on.set()


def test_a_state_is_a_value() -> None:
    capabilities: Any = None
    fields: dict[str, Any] = {"path": "/dev/x", "may_open": True, "refusal": None, "owner": "root", "group": "dialout"}
    one = PortState(**fields, mode="crw-rw----", holders=None, capabilities=capabilities)
    assert one == PortState(**fields, mode="crw-rw----", holders=None, capabilities=capabilities)
    assert one.config is None
