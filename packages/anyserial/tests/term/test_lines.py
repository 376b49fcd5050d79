"""The keys for lines and breaks, and what the terminal shows of line errors, on ports that have lines: mock ports."""

from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyserial import SerialConfig, SerialPort
from anyserial.testing import FaultPlan, MockBackend, serial_port_pair
from anyserial_cli._term import _menu
from anyserial_cli._term._keys import Key
from anyserial_cli._term._menu import Menu
from anyserial_cli._term._session import Options, Session
from anyserial_cli._term._view import ViewSettings


class Told(list[str]):
    """Stands for the session and its user, whose menu it is."""

    def __init__(self, port: SerialPort | None) -> None:
        super().__init__()
        self.session = SimpleNamespace(port=port, tell=self.append, config=SerialConfig(), options=SimpleNamespace())
        self.menu_key = 0x14

    def complain(self, exc: OSError) -> None:
        self.append(str(exc))


async def lines_of(far: SerialPort) -> tuple[bool, bool]:
    lines = await far.modem_lines()
    return lines.dsr, lines.cts


@pytest.mark.parametrize(
    ("keys", "dsr", "cts", "told"),
    [
        ("d", False, True, ["DTR off"]),
        ("dd", True, True, ["DTR off", "DTR on"]),
        ("r", True, False, ["RTS off"]),
        ("D", True, True, ["DTR was off for 0.01 s"]),
        ("R", True, True, ["RTS was off for 0.01 s"]),
        ("dD", False, True, ["DTR off", "DTR was on for 0.01 s"]),
    ],
)
def test_lines_are_toggled_and_pulsed(
    keys: str, dsr: bool, cts: bool, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_menu, "PULSE", 0.01)
    seen: list[tuple[bool, bool]] = []

    async def press() -> None:
        near, far = serial_port_pair()
        async with near, far:
            await near.set_control_lines(dtr=True, rts=True)
            before = near.set_control_lines

            async def watched(*, rts: bool | None = None, dtr: bool | None = None) -> None:
                await before(rts=rts, dtr=dtr)
                seen.append(await lines_of(far))

            near.set_control_lines = watched  # type: ignore[method-assign]
            user = Told(near)
            menu = Menu(user)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            for key in keys:
                await menu.do(Key(key))
            assert user == told
            assert await lines_of(far) == (dsr, cts)

    anyio.run(press)
    # A pulse was seen at the far end, and then its end.
    assert len(seen) == len(keys) + sum(key.isupper() for key in keys)


def test_a_break_is_sent_and_without_a_device_nothing_is() -> None:
    async def press() -> None:
        backend, other = MockBackend.pair()
        backend.open("/dev/mockA", SerialConfig())
        other.open("/dev/mockB", SerialConfig())
        breaks: list[bool] = []
        set_break = backend.set_break

        def watched(on: bool) -> None:
            set_break(on)
            breaks.append(on)

        backend.set_break = watched  # type: ignore[method-assign]  # pyright: ignore[reportAttributeAccessIssue]
        async with SerialPort(backend, SerialConfig()) as port, SerialPort(other, SerialConfig()):
            user = Told(port)
            await Menu(user).do(Key("b"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            assert user == ["break sent"]
            assert breaks[:2] == [True, False]
        away = Told(None)
        await Menu(away).do(Key("b"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert away == ["not done: the device is away"]

    anyio.run(press)


def test_damaged_bytes_are_shown_in_the_stream() -> None:
    shown: list[bytes] = []

    async def receive() -> None:
        config = SerialConfig(line_errors="raise")
        near, far = serial_port_pair(config_a=config, faults_a=FaultPlan(parity_errors=1))
        done = anyio.Event()

        def put(data: bytes) -> None:
            shown.append(data)
            if b"after" in b"".join(shown):
                done.set()

        display: Any = SimpleNamespace(is_full=False, failed=None, put=put)
        session = Session(Options(device="/dev/mockA"), config, ViewSettings(), display)
        async with near, far, anyio.create_task_group() as tasks:
            tasks.start_soon(session._receive, near)
            await far.send(b"x")
            await far.send(b"after")
            with anyio.fail_after(30):
                await done.wait()
            tasks.cancel_scope.cancel()
        session.finish()

    anyio.run(receive)
    assert b"[parity or framing error: " in b"".join(shown)
