"""Settings, lines, queues, breaks: what is called, in which order, and what a cancellation leaves."""

import math
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyserial import ControlLines, ModemLines, SerialConfig, SerialError, SerialPort, open_serial_port
from anyserial.exceptions import SerialDisconnectedError, UnsupportedConfigurationError, UnsupportedFeatureError
from backends import BLOCKING, Far, PtyBackend, no_counters, until

pytestmark = pytest.mark.anyio

CTS = ModemLines(cts=True, dsr=False, ri=False, cd=False)
QUIET = ModemLines(cts=False, dsr=False, ri=False, cd=False)


WRONG: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda port: port.configure(9600), TypeError, r"write port\.config\.with_changes\(baudrate=9600\)$"),
    (lambda port: port.configure(None), TypeError, r"config must be a SerialConfig \(got None\)$"),
    (lambda port: port.set_control_lines(rts=1), TypeError, "rts must be True or False"),
    (lambda port: port.set_control_lines(dtr="on"), TypeError, "dtr must be True or False"),
    (lambda port: port.set_break(1), TypeError, "on must be True or False"),
    (lambda port: port.send_break(-1), ValueError, "duration must be"),
    (lambda port: port.send_break(math.inf), ValueError, "duration must be"),
    (lambda port: port.send_break("1"), TypeError, "duration must be"),
    (lambda port: port.wait_modem_change(interval=0), ValueError, "interval must be"),
    (lambda port: port.wait_modem_change(interval=None), TypeError, "interval must be"),
    (lambda port: anext(port.modem_changes(interval=0)), ValueError, "interval must be"),
]
LACKING: list[tuple[str, Callable[[SerialPort], Any]]] = [
    ("modem_lines", lambda port: port.modem_lines()),
    ("control_lines", lambda port: port.control_lines()),
    ("set_control_lines", lambda port: port.set_control_lines(rts=True)),
    ("set_break", lambda port: port.set_break(True)),
    ("set_break", lambda port: port.send_break(0)),
    ("line_counters", lambda port: port.line_counters()),
    ("modem_lines", lambda port: port.wait_modem_change()),
]


CHANGES: list[tuple[str, Callable[[SerialPort], Any]]] = [
    ("configure", lambda port: port.configure(port.config.with_changes(baudrate=9600))),
    ("reset_input_buffer", lambda port: port.reset_input_buffer()),
    ("reset_output_buffer", lambda port: port.reset_output_buffer()),
    ("set_control_lines", lambda port: port.set_control_lines(rts=True)),
    ("set_break", lambda port: port.set_break(True)),
]


def _unsupported() -> None:
    raise UnsupportedFeatureError("cannot tell")


async def test_configure_applies_and_reports(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        config = port.config.with_changes(baudrate=9600, parity="even")
        await port.configure(config)
        assert port.config is backend.config is config
        assert port.actual_baudrate == 9600


async def test_a_refused_configure_changes_nothing(far: Far, backend: PtyBackend) -> None:
    def refuse() -> None:
        raise UnsupportedConfigurationError(22, "the driver does not take it", far.path)

    async with await open_serial_port(far.path, backend=backend) as port:
        before = port.config
        backend.hooks["configure"] = refuse
        with pytest.raises(UnsupportedConfigurationError):
            await port.configure(before.with_changes(baudrate=9600, read_chunk_size=64))
        assert port.config is before
        far.write(b"x" * 100)
        assert len(await port.receive()) == 100


@pytest.mark.parametrize("wrong", [None, 9600, {"baudrate": 9600}])
async def test_configure_takes_a_configuration_only(far: Far, backend: PtyBackend, wrong: Any) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        with pytest.raises(TypeError, match="config must be a SerialConfig"):
            await port.configure(wrong)
        assert "configure" not in backend.names()


async def test_configures_are_serialized(far: Far, backend: PtyBackend) -> None:
    inside = 0
    rates: list[int] = []

    async with await open_serial_port(far.path, backend=backend) as port:

        def note() -> None:
            nonlocal inside
            inside += 1
            assert inside == 1
            threading.Event().wait(0.002)
            inside -= 1

        async def configure(rate: int) -> None:
            await port.configure(port.config.with_changes(baudrate=rate))
            rates.append(rate)

        backend.hooks["configure"] = note
        async with anyio.create_task_group() as group:
            for rate in (1200, 2400, 4800, 9600):
                group.start_soon(configure, rate)
        assert sorted(rates) == [1200, 2400, 4800, 9600]
        assert backend.config is port.config


async def test_configure_does_not_disturb_a_parked_receive(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        got: list[bytes] = []

        async def receive() -> None:
            got.append(await port.receive())

        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            await wait_all_tasks_blocked()
            await port.configure(port.config.with_changes(baudrate=9600))
            assert got == []
            far.write(b"undisturbed")
        assert got == [b"undisturbed"]


async def test_a_cancelled_configure_ends_in_a_known_state(far: Far, backend: PtyBackend) -> None:
    entered, go = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        assert go.wait(10)

    async with await open_serial_port(far.path, backend=backend) as port:
        before = port.config
        backend.hooks["configure"] = stay
        async with anyio.create_task_group() as group:
            group.start_soon(port.configure, before.with_changes(baudrate=9600))
            await until(entered.is_set)
            group.cancel_scope.cancel()
        assert port.config is before
        backend.hooks.clear()
        go.set()
        await until(lambda: port.config.baudrate == 9600)
        await port.configure(before)
        assert port.config is backend.config is before


@pytest.mark.parametrize(("name", "call"), CHANGES)
async def test_a_change_that_has_begun_is_over_when_its_cancelled_caller_goes_on(
    far: Far, backend: PtyBackend, monkeypatch: pytest.MonkeyPatch, name: str, call: Callable[[SerialPort], Any]
) -> None:
    monkeypatch.setattr("anyserial._runner.GRACE", 5.0)
    entered, go, over = threading.Event(), threading.Event(), anyio.Event()

    def stay() -> None:
        entered.set()
        assert go.wait(10)

    async with await open_serial_port(far.path, backend=backend) as port:
        scope = anyio.CancelScope()

        async def change() -> None:
            with scope:
                await call(port)
            over.set()

        backend.hooks[name] = stay
        async with anyio.create_task_group() as group:
            group.start_soon(change)
            await until(entered.is_set)
            scope.cancel()
            await wait_all_tasks_blocked()
            assert not over.is_set()
            go.set()
            with anyio.fail_after(2):
                await over.wait()
        assert scope.cancelled_caught
        backend.hooks.clear()


@pytest.mark.parametrize(("name", "call"), CHANGES)
async def test_a_change_stuck_in_the_driver_does_not_hold_a_cancelled_caller(
    far: Far, backend: PtyBackend, name: str, call: Callable[[SerialPort], Any]
) -> None:
    entered, go = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        assert go.wait(10)

    async with await open_serial_port(far.path, backend=backend) as port:
        backend.hooks[name] = stay
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(call, port)
                await until(entered.is_set)
                group.cancel_scope.cancel()
        backend.hooks.clear()
        go.set()


async def test_a_reset_that_had_not_begun_when_it_was_cancelled_discards_nothing(
    far: Far, backend: PtyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every worker late, the call would be made after its caller has gone on."""
    posted: list[Callable[[], object]] = []
    async with await open_serial_port(far.path, backend=backend) as port:
        with monkeypatch.context() as patch:
            patch.setattr("anyserial._workers.post", posted.append)
            async with anyio.create_task_group() as group:
                group.start_soon(port.reset_input_buffer)
                await until(lambda: posted)
                group.cancel_scope.cancel()
        for job in posted:
            job()
        assert "reset_input_buffer" not in backend.names()
        far.write(b"new")
        with anyio.fail_after(5):
            assert await port.receive() == b"new"


async def test_resets(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        far.write(b"old")
        await port.reset_input_buffer()
        assert port.input_waiting() == 0
        far.write(b"new")
        assert port.input_waiting() == 3
        assert await port.receive() == b"new"
        await port.reset_output_buffer()
        assert backend.names().count("reset_output_buffer") == 1
        assert port.output_waiting() == 0


async def test_a_failed_reset_forgets_nothing(far: Far, backend: PtyBackend) -> None:
    def fail() -> None:
        raise SerialError(5, "not now")

    backend.hooks["reset_input_buffer"] = fail
    async with await open_serial_port(far.path, backend=backend) as port:
        far.write(b"kept")
        with pytest.raises(SerialError, match="not now"):
            await port.reset_input_buffer()
        assert await port.receive() == b"kept"


# Lines


async def test_lines_are_read_and_set(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        backend.lines = CTS
        assert await port.modem_lines() == CTS
        await port.set_control_lines(rts=False)
        assert await port.control_lines() == ControlLines(rts=False, dtr=True)
        await port.set_control_lines(dtr=False)
        await port.set_control_lines()
        assert await port.control_lines() == ControlLines(rts=False, dtr=False)
        await port.set_control_lines(rts=True, dtr=True)
        assert await port.control_lines() == ControlLines(rts=True, dtr=True)
        await port.set_break(True)
        await port.set_break(False)
        assert backend.breaks == [True, False]
        assert (await port.line_counters()).rx == 0


@pytest.mark.parametrize(("call", "error", "named"), WRONG)
async def test_wrong_arguments_are_named_and_nothing_is_called(
    far: Far, backend: PtyBackend, call: Callable[[SerialPort], Any], error: type[Exception], named: str
) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        with pytest.raises(error, match=named):
            await call(port)
        assert set(backend.names()) & BLOCKING == {"open"}
        assert port.is_open


@pytest.mark.parametrize(("name", "call"), LACKING)
async def test_what_the_driver_lacks_is_said_and_the_port_stays_usable(
    far: Far, backend: PtyBackend, name: str, call: Callable[[SerialPort], Any]
) -> None:
    backend.hooks[name] = _unsupported
    async with await open_serial_port(far.path, backend=backend) as port:
        with pytest.raises(UnsupportedFeatureError):
            await call(port)
        await port.send(b"usable")
        assert far.read(6) == b"usable"


async def test_a_change_of_the_lines_is_noticed(far: Far, backend: PtyBackend) -> None:
    backend.counts = None
    async with await open_serial_port(far.path, backend=backend) as port:
        changes: list[ModemLines] = []

        async def wait() -> None:
            changes.append(await port.wait_modem_change(interval=0.001))

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await until(lambda: backend.names().count("modem_lines") >= 3)
                assert changes == []
                backend.lines = CTS
        assert changes == [CTS]
        assert backend.names().count("line_counters") == 1


async def test_a_pulse_between_two_looks_is_counted(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        changes: list[ModemLines] = []

        async def wait() -> None:
            changes.append(await port.wait_modem_change(interval=0.001))

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await until(lambda: backend.names().count("line_counters") >= 2)
                assert changes == []
                backend.counts = [2, *[0] * 10]
        assert changes == [QUIET]


async def test_the_lines_that_are_returned_are_those_after_the_counted_change(far: Far, backend: PtyBackend) -> None:
    """A line that changes between the two questions of one look: the count is new, and the lines were old."""

    def change() -> None:
        if backend.names().count("line_counters") == 3:
            backend.lines, backend.counts = CTS, [1, *[0] * 10]

    backend.hooks["line_counters"] = change
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.fail_after(5):
            assert await port.wait_modem_change(interval=0.001) == CTS


async def test_bytes_that_are_counted_are_no_change_of_the_lines(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.move_on_after(0.05) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: port.wait_modem_change(interval=0.001))
                await until(lambda: backend.names().count("line_counters") >= 2)
                backend.counts = [0, 0, 0, 0, 100, 100, 1, 1, 1, 1, 1]
        assert scope.cancelled_caught


async def test_the_iterator_misses_no_change_between_two_steps(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        changes = port.modem_changes(interval=0.001)
        seen: list[ModemLines] = []
        with anyio.fail_after(5):

            async def first() -> None:
                seen.append(await anext(changes))

            async with anyio.create_task_group() as group:
                group.start_soon(first)
                await until(lambda: backend.names().count("line_counters") >= 2)
                backend.lines = CTS
            backend.lines = QUIET  # while nobody looks
            seen.append(await anext(changes))
        assert seen == [CTS, QUIET]


# Break


async def test_a_break_is_held_and_released(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        await port.send_break(0.03)
        await port.send_break(0)
    assert backend.breaks == [True, False, True, False]


async def test_a_cancelled_break_is_released(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        async with anyio.create_task_group() as group:
            group.start_soon(port.send_break, 60)
            await until(lambda: backend.break_on)
            group.cancel_scope.cancel()
        assert backend.breaks == [True, False]
        await port.send(b"free")


async def test_a_break_cancelled_while_it_begins_is_released(far: Far, backend: PtyBackend) -> None:
    entered, go = threading.Event(), threading.Event()

    def stay() -> None:
        if not entered.is_set():
            entered.set()
            assert go.wait(10)

    backend.hooks["set_break"] = stay
    async with await open_serial_port(far.path, backend=backend) as port:
        async with anyio.create_task_group() as group:
            group.start_soon(port.send_break, 60)
            await until(entered.is_set)
            group.cancel_scope.cancel()
        go.set()
        await until(lambda: len(backend.breaks) == 2)
        assert backend.breaks == [True, False]


@pytest.mark.parametrize("error", [SerialError(5, "not now"), SerialDisconnectedError(19, "gone")])
async def test_a_break_abandoned_at_its_start_and_not_released_is_no_traceback(
    far: Far, backend: PtyBackend, error: SerialError
) -> None:
    entered, go, released = threading.Event(), threading.Event(), threading.Event()

    def hook() -> None:
        if entered.is_set():
            released.set()
            raise error
        entered.set()
        assert go.wait(10)

    backend.hooks["set_break"] = hook
    async with await open_serial_port(far.path, backend=backend) as port:
        async with anyio.create_task_group() as group:
            group.start_soon(port.send_break, 60)
            await until(entered.is_set)
            group.cancel_scope.cancel()
        go.set()
        await until(released.is_set)


async def test_a_cancelled_break_stays_cancelled_though_its_release_fails(far: Far, backend: PtyBackend) -> None:
    def fail_to_release() -> None:
        if backend.break_on:
            raise SerialError(5, "not now")

    backend.hooks["set_break"] = fail_to_release
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.move_on_after(0.03) as scope:
            await port.send_break(60)
        assert scope.cancelled_caught


async def test_a_break_that_cannot_be_released_says_so(far: Far, backend: PtyBackend) -> None:
    def fail_to_release() -> None:
        if backend.break_on:
            raise SerialError(5, "not now")

    backend.hooks["set_break"] = fail_to_release
    async with await open_serial_port(far.path, backend=backend) as port:
        with pytest.raises(SerialError, match="not now"):
            await port.send_break(0)


async def test_a_break_interrupted_by_the_close_is_released_before_it(far: Far, backend: PtyBackend) -> None:
    port = await open_serial_port(far.path, backend=backend)

    async def hold() -> None:
        with pytest.raises(SerialError):
            await port.send_break(60)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(hold)
            await until(lambda: backend.break_on)
            await port.aclose()
    await until(lambda: not backend.is_open)
    assert backend.breaks == [True, False]
    assert backend.names().index("close") > backend.names().index("set_break")


async def test_a_break_on_a_device_that_goes_ends_at_once(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:

        async def hold() -> None:
            with pytest.raises(SerialDisconnectedError):
                await port.send_break(60)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(hold)
                await until(lambda: backend.break_on)
                far.hang_up()


# Draining


async def test_drain_waits_for_the_queue(far: Far, backend: PtyBackend) -> None:
    backend.queued = 10
    async with await open_serial_port(far.path, SerialConfig(baudrate=115200), backend=backend) as port:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(port.send_eof)
                await until(lambda: backend.names().count("output_waiting") >= 3)
                backend.queued = 0
        assert "drain" not in backend.names()
        await port.send(b"usable")
        assert far.read(6) == b"usable"


async def test_drain_without_a_queue_to_look_at_uses_the_driver_s(far: Far, backend: PtyBackend) -> None:
    backend.hooks["output_waiting"] = _unsupported
    async with await open_serial_port(far.path, SerialConfig(close_timeout=0), backend=backend) as port:
        await port.drain()
        assert backend.names().count("drain") == 1


async def test_drain_exact_polls_the_transmitter(far: Far, backend: PtyBackend) -> None:
    backend.queued = 1
    backend.transmitter.extend([False, False, True])
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(port.drain_exact)
                await until(lambda: "output_waiting" in backend.names())
                assert "transmitter_empty" not in backend.names()
                backend.queued = 0
        assert backend.names().count("transmitter_empty") == 3
        assert "drain" not in backend.names()


async def test_drain_exact_uses_tcdrain_where_the_driver_does_not_tell(far: Far, backend: PtyBackend) -> None:
    backend.transmitter.append(None)
    async with await open_serial_port(far.path, backend=backend) as port:
        await port.drain_exact()
        assert [name for name in backend.names() if name in ("transmitter_empty", "drain")] == [
            "transmitter_empty",
            "drain",
        ]


async def test_drain_exact_stuck_in_the_driver_can_be_cancelled(far: Far, backend: PtyBackend) -> None:
    entered, go = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        assert go.wait(10)

    backend.hooks["drain"] = stay
    async with await open_serial_port(far.path, backend=backend) as port:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(port.drain_exact)
                await until(entered.is_set)
                group.cancel_scope.cancel()
        await port.send(b"free")
        assert far.read(4) == b"free"
        go.set()


async def test_a_device_that_goes_while_nothing_can_be_counted_is_noticed(far: Far, backend: PtyBackend) -> None:
    """Without TIOCOUTQ the hang-up itself is looked for."""
    backend.hooks["output_waiting"] = _unsupported
    async with await open_serial_port(far.path, SerialConfig(close_timeout=0), backend=backend) as port:

        async def hold() -> None:
            with pytest.raises(SerialDisconnectedError):
                await port.send_break(60)

        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(hold)
                await until(lambda: "hung_up" in backend.names())
                far.hang_up()


async def test_counters_that_are_not_there_are_asked_for_once(far: Far, backend: PtyBackend) -> None:
    def none() -> None:
        raise no_counters()

    backend.hooks["line_counters"] = none
    async with await open_serial_port(far.path, backend=backend) as port:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(port.wait_modem_change, interval=0.001))
            await until(lambda: backend.names().count("modem_lines") > 2)
            tasks.cancel_scope.cancel()
        assert backend.names().count("line_counters") == 1
