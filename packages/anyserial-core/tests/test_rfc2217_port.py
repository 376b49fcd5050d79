"""A port behind a server of RFC 2217, good and bad ones, on every runtime."""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.abc import SocketAttribute
from anyserial import (
    Capability,
    ControlLines,
    FlowControl,
    LineError,
    LineErrors,
    ModemLines,
    PortBusyError,
    SerialClosedError,
    SerialConfig,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
    open_serial_port,
    reconnect,
)
from anyserial._network.com_port import Command, Control, LineState, ModemState, Purge
from event_loops import KINDS
from servers import PATIENCE, Server, message, serving

pytestmark = pytest.mark.anyio

# The server runs in the same event loop, which must have what asyncio's own servers need.
RUNTIMES = [
    pytest.param((kind["backend"], kind["backend_options"]), id=name)
    for name, kind in KINDS.items()
    if name != "portable"
]

QUICK = "?timeout=0.05"  # for a server that leaves requests without an answer
SETTINGS = (Command.BAUDRATE, Command.DATA_SIZE, Command.PARITY, Command.STOP_SIZE, Command.CONTROL)


@pytest.fixture(params=RUNTIMES)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def settings_of(server: Server) -> list[tuple[Command, int | bytes]]:
    asking = [(Command.CONTROL, control) for control in (Control.ASK_DTR, Control.ASK_RTS, Control.ASK_BREAK)]
    return [heard for heard in server.heard if heard[0] in SETTINGS and heard not in asking]


# Settings


async def test_an_open_sets_everything_and_reads_it_back() -> None:
    server = Server()
    server.answers[Command.BAUDRATE] = lambda rate: rate + 1
    config = SerialConfig(
        baudrate=9600, byte_size=7, parity="even", stop_bits=2, flow_control=FlowControl(rts_cts=True)
    )
    async with serving(server) as url, open_serial_port(url, config, dtr_on_open=True, rts_on_open=False) as port:
        assert settings_of(server) == [
            (Command.BAUDRATE, 9600),
            (Command.DATA_SIZE, 7),
            (Command.PARITY, 3),
            (Command.STOP_SIZE, 2),
            (Command.CONTROL, Control.FLOW_HARDWARE),
            (Command.CONTROL, Control.DTR_ON),
            (Command.CONTROL, Control.RTS_OFF),
        ]
        assert port.actual_baudrate == 9601
        assert port.port_info is not None
        assert port.port_info.device == url
        assert await port.control_lines() == ControlLines(rts=False, dtr=True)


@pytest.mark.parametrize("split", [False, True])
async def test_only_what_changes_is_sent(split: bool) -> None:
    server = Server()
    server.split = split
    async with serving(server) as url, open_serial_port(url) as port:
        server.heard.clear()
        await port.configure(port.config)
        assert server.heard == []
        await port.configure(port.config.with_changes(parity="odd", flow_control=FlowControl(dtr_dsr=True)))
        assert settings_of(server) == [
            (Command.PARITY, 2),
            (Command.CONTROL, Control.FLOW_DSR),
            (Command.CONTROL, Control.INBOUND_FLOW_DTR),
        ]


async def test_a_setting_that_the_server_changes_is_refused_and_taken_back() -> None:
    server = Server()
    server.answers[Command.BAUDRATE] = lambda rate: min(rate, 19200)
    async with serving(server) as url, open_serial_port(url, baudrate=9600) as port:
        before = port.config
        server.heard.clear()
        with pytest.raises(UnsupportedConfigurationError, match=r"baudrate=57600 \(it set 19200\)") as caught:
            await port.configure(before.with_changes(baudrate=57600, parity="odd"))
        assert caught.value.filename == url
        assert port.config == before
        assert port.actual_baudrate == 9600
        assert settings_of(server)[-2:] == [(Command.BAUDRATE, 9600), (Command.PARITY, 1)]
        with pytest.warns(RuntimeWarning, match=r"baudrate=57600 \(it set 19200\); going on without"):
            await port.configure(before.with_changes(baudrate=57600, unsupported_policy="warn"))
        assert port.actual_baudrate == 19200


@pytest.mark.parametrize(
    ("command", "answer", "fields", "why"),
    [
        (Command.DATA_SIZE, 8, {"byte_size": 7}, r"byte_size=7 \(it set 8\)"),
        (Command.PARITY, 1, {"parity": "mark"}, r"parity=mark \(it set none\)"),
        (Command.STOP_SIZE, 2, {"stop_bits": 1.5}, r"stop_bits=1.5 \(it set 2\)"),
        (Command.CONTROL, 1, {"flow_control": FlowControl(xon_xoff=True)}, "flow_control=xonxoff"),
        (Command.BAUDRATE, 0, {"baudrate": 300}, r"baudrate=300 \(it set 0\)"),
    ],
)
async def test_what_the_server_really_set_is_in_the_error(
    command: Command, answer: int, fields: dict[str, Any], why: str
) -> None:
    server = Server()
    server.answers[command] = lambda _: answer
    async with serving(server) as url:
        with pytest.raises(UnsupportedConfigurationError, match=why):
            await open_serial_port(url, **fields)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"exclusive": True}, UnsupportedFeatureError),
        ({"flow_control": FlowControl(xon_xoff=True, rts_cts=True)}, UnsupportedConfigurationError),
        ({"line_errors": LineErrors.DISCARD}, UnsupportedConfigurationError),
    ],
)
async def test_what_the_protocol_lacks_is_refused_by_name(fields: dict[str, Any], error: type[Exception]) -> None:
    (name,) = fields
    async with serving(Server()) as url, open_serial_port(url) as port:
        with pytest.raises(error, match=f"{name}="):
            await port.configure(SerialConfig(**fields))
        await port.configure(SerialConfig(**fields, unsupported_policy="ignore"))


async def test_a_cancelled_configure_tells_the_server_to_go_back() -> None:
    server = Server()
    async with serving(server) as url, open_serial_port(url) as port:
        server.silent.add(Command.BAUDRATE)
        with anyio.move_on_after(0.02):
            await port.configure(port.config.with_changes(baudrate=300))
        await server.until(lambda: server.count(Command.BAUDRATE) == 3)
        assert [value for command, value in server.heard if command is Command.BAUDRATE] == [115200, 300, 115200]
        assert port.config.baudrate == 115200
        server.silent.remove(Command.BAUDRATE)
        await port.configure(port.config.with_changes(baudrate=300))
        assert port.actual_baudrate == 300


# Servers that leave something out


async def test_a_silent_server_is_a_stream_of_bytes() -> None:
    server = Server()
    server.agrees = False
    async with serving(server) as url:
        with pytest.raises(UnsupportedFeatureError, match=r"COM-PORT-OPTION .*no baudrate=9600"):
            await open_serial_port(url, baudrate=9600)
        async with open_serial_port(url) as port:
            assert port.capabilities.modem_lines == Capability.UNSUPPORTED
            assert port.actual_baudrate is None
            await port.send(b"\xff\xfa\xff")
            assert await port.receive() == b"\xff\xfa\xff"
            await port.drain()
            await port.reset_input_buffer()
            await port.reset_output_buffer()
            for call in (port.modem_lines, port.control_lines, port.line_counters):
                with pytest.raises(UnsupportedFeatureError):
                    await call()
            with pytest.raises(UnsupportedFeatureError, match="does not speak RFC 2217"):
                await port.send_break(0)
            with pytest.raises(UnsupportedFeatureError, match="does not speak RFC 2217"):
                await port.set_control_lines(rts=True)


async def test_a_server_that_says_nothing_at_all_is_opened_within_the_bound() -> None:
    async def serve(stream: Any) -> None:
        async with stream:
            await anyio.sleep_forever()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        begun = anyio.current_time()
        async with open_serial_port(f"rfc2217://127.0.0.1:{listener.extra(SocketAttribute.local_port)}{QUICK}") as port:
            assert anyio.current_time() - begun < 1
            assert port.actual_baudrate is None
        tasks.cancel_scope.cancel()


async def test_settings_that_are_not_answered_go_by_the_policy() -> None:
    server = Server()
    server.silent |= set(SETTINGS)
    async with serving(server) as url:
        with pytest.raises(UnsupportedConfigurationError, match=r"baudrate=9600 \(it did not confirm that\)"):
            await open_serial_port(url + QUICK, baudrate=9600)
        with pytest.warns(RuntimeWarning, match="baudrate=9600"):
            port = await open_serial_port(url + QUICK, baudrate=9600, unsupported_policy="warn")
        assert port.actual_baudrate is None
        await port.aclose()
        async with open_serial_port(url + QUICK):  # the defaults ask for nothing that a plainer peer lacks
            pass


async def test_a_purge_that_is_never_answered_does_not_hold_up_the_next() -> None:
    server = Server()
    server.silent.add(Command.PURGE)
    async with serving(server) as url, open_serial_port(url) as port:
        with anyio.fail_after(1):  # the fence is answered
            await port.reset_input_buffer()
        begun = anyio.current_time()
        for _ in range(5):
            await port.reset_input_buffer()
            await port.reset_output_buffer()
        assert anyio.current_time() - begun < 0.5
        assert server.count(Command.PURGE) == 11


async def test_lines_that_are_never_confirmed_go_by_the_policy() -> None:
    server = Server()
    server.silent_controls |= {Control.DTR_ON, Control.RTS_OFF}
    async with serving(server) as url, open_serial_port(url) as port:
        with pytest.raises(UnsupportedFeatureError, match="does not confirm rts=False, dtr=True; it may have obeyed"):
            await port.set_control_lines(rts=False, dtr=True)
        await port.configure(port.config.with_changes(unsupported_policy="warn"))
        with pytest.warns(RuntimeWarning, match="does not confirm dtr=True"):
            await port.set_control_lines(dtr=True)
        with pytest.raises(UnsupportedFeatureError, match="does not report RTS and DTR"):
            await port.control_lines()
        await port.set_control_lines(rts=True)
    async with serving(server) as url, open_serial_port(url + "?ign_set_control") as port:
        with anyio.fail_after(1):
            await port.set_control_lines(rts=False, dtr=True)


async def test_a_garbled_answer_to_a_break_is_an_answer() -> None:
    server = Server()
    server.answers[Command.CONTROL] = lambda value: Control.ASK_BREAK if value in (5, 6) else value
    async with serving(server) as url, open_serial_port(url) as port:
        await port.send_break(0.01)
        assert [v for c, v in server.heard if c is Command.CONTROL][-2:] == [Control.BREAK_ON, Control.BREAK_OFF]
        assert port.capabilities.break_signal == Capability.SUPPORTED


IAC, SB, SE, WILL, WONT, DO, DONT = 255, 250, 240, 251, 252, 253, 254


@pytest.mark.parametrize(
    "greeting",
    [
        # refuses what nobody asked for, then agrees to what is offered
        bytes((IAC, WONT, 44)),
        # a loop of options
        bytes((IAC, WILL, 0, IAC, WONT, 0, IAC, DO, 0, IAC, DONT, 0)) * 200,
        # nonsense: unknown commands, cut messages, a message that is too long
        bytes((IAC, SB, 44, 101, IAC, SE, IAC, SB, 44, 200, 1, IAC, SE, IAC, SB, IAC, SE, IAC, 246))
        + bytes((IAC, SB, 44))
        + bytes(5000)
        + bytes((IAC, SE)),
        # messages before the option is agreed to
        message(Command.NOTIFY_MODEM_STATE, 16) + message(Command.BAUDRATE, 300) + message(Command.SIGNATURE, b""),
    ],
    ids=["refusal", "loop", "nonsense", "early"],
)
async def test_a_server_that_misbehaves_at_first_is_survived(greeting: bytes) -> None:
    server = Server()
    server.greeting = greeting
    async with serving(server) as url, open_serial_port(url, baudrate=9600) as port:
        assert port.actual_baudrate == 9600
        await port.send(b"still here")
        assert await port.receive() == b"still here"


async def test_a_will_from_the_server_counts_as_agreement() -> None:
    server = Server()
    server.agrees = False
    server.greeting = bytes((IAC, WILL, 44))
    async with serving(server) as url, open_serial_port(url, baudrate=9600) as port:
        assert port.actual_baudrate == 9600


async def test_a_server_that_is_taken_says_so() -> None:
    async def refuse(stream: Any) -> None:
        async with stream:
            await stream.send(b"Port already in use\n\r")

    async def refuse_as_we_do(stream: Any) -> None:
        async with stream:
            await stream.send(b"anyserial: another client has the port\r\n")

    async def hang_up(stream: Any) -> None:
        await stream.aclose()

    for serve, error, why in (
        (refuse, PortBusyError, "says 'Port already in use'"),
        (refuse_as_we_do, PortBusyError, "says 'anyserial: another client has the port'"),
        (hang_up, SerialError, "closed the connection while the port was opened"),
    ):
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(listener.serve, serve)
            with pytest.raises(error, match=why):
                await open_serial_port(f"rfc2217://127.0.0.1:{listener.extra(SocketAttribute.local_port)}")
            tasks.cancel_scope.cancel()


# Data


@pytest.mark.parametrize("split", [False, True])
async def test_every_byte_passes_in_both_directions(split: bool) -> None:
    server = Server()
    server.split = split
    data = bytes(range(256)) + b"\xff" * 7 + b"\r\0\n"
    async with serving(server) as url, open_serial_port(url) as port:
        await port.send(data)
        got = b""
        with anyio.fail_after(PATIENCE):
            while len(got) < len(data):
                got += await port.receive(50)
        assert got == data
        assert bytes(server.data) == data
        counters = await port.line_counters()
        assert (counters.rx, counters.tx) == (len(data), len(data))


async def test_output_that_is_cut_in_the_middle_of_a_doubled_byte_goes_on_whole() -> None:
    server = Server()
    server.echoes = False
    data = b"\xff" * (1 << 17)
    async with serving(server) as url, open_serial_port(url, close_timeout=0) as port:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:

                async def interfere() -> None:
                    for rate in range(1, 20):
                        await port.configure(port.config.with_changes(baudrate=rate * 100))

                tasks.start_soon(interfere)
                await port.send(data)
            await server.until(lambda: len(server.data) >= len(data))
        assert bytes(server.data) == data


async def test_the_server_can_suspend_the_flow() -> None:
    server = Server()
    async with serving(server) as url, open_serial_port(url) as port:
        await server.say(Command.SUSPEND)
        await server.write(b"!")
        assert await port.receive() == b"!"
        with anyio.move_on_after(0.05) as scope:
            await port.send(b"held back")
        assert scope.cancelled_caught
        assert port.statistics.bytes_sent == 0
        await port.set_control_lines(rts=True)  # commands are not data
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(port.send, b"released")
            await wait_all_tasks_blocked()
            await server.say(Command.RESUME)
        assert await port.receive() == b"released"


async def test_a_purge_discards_what_comes_before_its_answer() -> None:
    server = Server()
    async with serving(server) as url, open_serial_port(url) as port:
        await server.write(b"old" * 1000)
        await port.reset_input_buffer()
        assert (Command.PURGE, Purge.RECEIVED) in server.heard
        await server.write(b"new")
        assert await port.receive() == b"new"
        await port.reset_output_buffer()
        assert (Command.PURGE, Purge.TO_SEND) in server.heard


async def test_input_from_before_the_open_can_be_discarded() -> None:
    server = Server()
    server.greeting = b"from before"
    async with serving(server) as url:
        async with open_serial_port(url, discard_input_on_open=True) as port:
            await server.write(b"new")
            assert await port.receive() == b"new"
        async with open_serial_port(url) as port:
            assert await port.receive() == b"from before"


async def test_cancelled_receives_lose_nothing_beside_other_calls() -> None:
    server = Server()
    found = bytearray()
    async with serving(server) as url, open_serial_port(url) as port:
        for number in range(60):
            await server.write(bytes((number,)) + message(Command.NOTIFY_MODEM_STATE, 16 + number % 2))
            async with anyio.create_task_group() as tasks:

                async def receive() -> None:
                    found.extend(await port.receive())

                tasks.start_soon(receive)
                tasks.start_soon(port.wait_modem_change)
                tasks.start_soon(partial(port.set_control_lines, rts=True))
                for _ in range(number % 7):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        with anyio.fail_after(PATIENCE):
            while len(found) < 60:
                found += await port.receive()
    assert found == bytes(range(60))


async def test_an_answer_behind_unread_input_says_so() -> None:
    server = Server()
    size = 6 << 20  # more than all buffers on the way hold
    async with serving(server) as url, open_serial_port(url + "?timeout=0.3") as port:
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.write, bytes(size))
                await wait_all_tasks_blocked()
                with pytest.raises(SerialError, match=r"behind \d+ bytes of input"):
                    await port.set_control_lines(rts=True)
                left = size
                while left:
                    left -= len(await port.receive())
            await port.set_control_lines(rts=False)


# Lines


async def test_changes_of_the_modem_lines_are_pushed() -> None:
    server = Server()
    async with serving(server) as url, open_serial_port(url) as port:
        await server.say(Command.NOTIFY_MODEM_STATE, ModemState.CTS)
        await server.write(b"!")
        assert await port.receive() == b"!"
        assert await port.modem_lines() == ModemLines(cts=True, dsr=False, ri=False, cd=False)
        server.heard.clear()
        seen: list[ModemLines] = []

        async def watch() -> None:
            async for lines in port.modem_changes(interval=60):
                seen.append(lines)
                if len(seen) == 3:
                    return

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watch)
                for state in (ModemState.DSR | ModemState.CTS, ModemState.CD, ModemState.CD | ModemState.CTS_CHANGED):
                    await wait_all_tasks_blocked()
                    await server.say(Command.NOTIFY_MODEM_STATE, state)
        assert [(lines.cts, lines.dsr, lines.cd) for lines in seen] == [
            (True, True, False),
            (False, False, True),
            (False, False, True),  # a pulse
        ]
        assert server.heard == []
        counters = await port.line_counters()
        assert (counters.cts, counters.dsr, counters.cd, counters.ri) == (2, 2, 1, 0)


async def test_the_modem_lines_are_asked_for_where_that_is_wanted() -> None:
    server = Server()
    server.silent.discard(Command.NOTIFY_MODEM_STATE)
    state = ModemState.RI
    server.answers[Command.NOTIFY_MODEM_STATE] = lambda _: state
    async with serving(server) as url, open_serial_port(url + "?poll_modem") as port:
        assert (await port.modem_lines()).ri
        state = ModemState.DSR
        assert await port.modem_lines() == ModemLines(cts=False, dsr=True, ri=False, cd=False)


async def test_line_errors_come_in_their_place() -> None:
    server = Server()
    async with serving(server) as url, open_serial_port(url) as port:
        await port.configure(port.config.with_changes(line_errors="raise"))
        assert server.heard[-1] == (Command.LINE_STATE_MASK, 30)
        reports = LineState.BREAK | LineState.OVERRUN
        await server.write(
            b"ab" + message(Command.NOTIFY_LINE_STATE, reports) + message(Command.NOTIFY_LINE_STATE, 8) + b"cd"
        )
        found: list[bytes | str] = []
        with anyio.fail_after(PATIENCE):
            while b"cd" not in found:
                try:
                    found.append(await port.receive())
                except LineError as error:
                    found.append(error.kind)
        assert found == [b"ab", "break", "overrun", "parity_or_framing", b"cd"]
        counters = await port.line_counters()
        assert (counters.brk, counters.overrun, counters.frame, counters.parity) == (1, 1, 1, 0)
        await port.configure(port.config.with_changes(line_errors="ignore"))
        assert server.heard[-1] == (Command.LINE_STATE_MASK, 0)


async def test_a_break_is_released_when_the_port_is_closed() -> None:
    server = Server()
    async with serving(server) as url:
        async with open_serial_port(url) as port:
            await port.set_break(True)
        await server.until(lambda: server.heard[-1] == (Command.CONTROL, Control.BREAK_OFF))


async def test_calls_at_once_do_not_mix_their_answers() -> None:
    server = Server()
    server.split = True
    async with serving(server) as url, open_serial_port(url) as port:
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                for level in (True, False, True):
                    tasks.start_soon(partial(port.set_control_lines, rts=level, dtr=level))
                tasks.start_soon(port.configure, port.config.with_changes(baudrate=300))
                tasks.start_soon(port.send_break, 0.001)
                tasks.start_soon(port.reset_input_buffer)
        assert port.actual_baudrate == 300


async def test_drain_exact_waits_as_long_as_the_line_takes() -> None:
    server = Server()
    async with serving(server) as url, open_serial_port(url, baudrate=1000) as port:
        begun = anyio.current_time()
        await port.send(bytes(10))
        await port.drain()
        await port.drain_exact()
        assert anyio.current_time() - begun > 0.09
        assert len(server.data) == 10


# Ends


def reset(stream: Any) -> None:
    raw = stream.extra(SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


CALLS: dict[str, Callable[[SerialPort], Any]] = {
    "receive": lambda port: port.receive(),
    "configure": lambda port: port.configure(port.config.with_changes(baudrate=300)),
    "wait_modem_change": lambda port: port.wait_modem_change(),
    "set_control_lines": lambda port: port.set_control_lines(rts=True),
    "send_break": lambda port: port.send_break(60),
}


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("name", CALLS)
async def test_a_connection_that_ends_ends_every_call(name: str, how: str) -> None:
    server = Server()
    server.silent_controls.add(Control.RTS_ON)
    async with serving(server) as url, open_serial_port(url) as port:
        await server.say(Command.NOTIFY_MODEM_STATE, 0)
        server.silent.add(Command.BAUDRATE)

        async def call() -> None:
            with pytest.raises(SerialDisconnectedError) as caught:
                await CALLS[name](port)
            assert caught.value.filename == url

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await wait_all_tasks_blocked()
                if how == "reset":
                    reset(server.streams[-1])
                await server.streams[-1].aclose()


@pytest.mark.parametrize("name", CALLS)
async def test_closing_ends_every_call(name: str) -> None:
    server = Server()
    server.silent_controls.add(Control.RTS_ON)
    async with serving(server) as url:
        port = await open_serial_port(url)
        await server.say(Command.NOTIFY_MODEM_STATE, 0)
        server.silent.add(Command.BAUDRATE)

        async def call() -> None:
            with pytest.raises(SerialClosedError):
                await CALLS[name](port)

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await wait_all_tasks_blocked()
                await port.aclose()


async def test_reconnect_comes_back_to_a_server() -> None:
    server = Server()
    got: list[bytes] = []
    async with serving(server) as url:
        with anyio.fail_after(PATIENCE):
            async with reconnect(url, baudrate=9600) as ports:
                async for port in ports:
                    await port.send(b"x")
                    got.append(await port.receive())
                    if len(got) == 2:
                        break
                    await server.streams[-1].aclose()
                    with pytest.raises(SerialDisconnectedError):
                        await port.receive()
    assert got == [b"x", b"x"]


async def test_a_slow_link_only_takes_longer() -> None:
    server = Server()

    async def pump(source: Any, sink: Any) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                data = await source.receive()
                await anyio.sleep(0.02)
                await sink.send(data)

    async with serving(server) as url, await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:

        async def relay(near: Any) -> None:
            async with (
                near,
                await anyio.connect_tcp("127.0.0.1", int(url.rpartition(":")[2])) as far,
                anyio.create_task_group() as pumps,
            ):
                pumps.start_soon(pump, near, far)
                await pump(far, near)
                pumps.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, relay)
            slow = f"rfc2217://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
            with anyio.fail_after(PATIENCE):
                async with open_serial_port(slow, baudrate=9600) as port:
                    assert port.actual_baudrate == 9600
                    await port.send(b"slow")
                    assert await port.receive() == b"slow"
                    await port.set_control_lines(dtr=True)
                    await port.reset_input_buffer()
                    await port.drain()
            tasks.cancel_scope.cancel()


async def test_many_ports_in_one_loop() -> None:
    server = Server()
    async with serving(server) as url, anyio.create_task_group() as tasks:
        ports: list[SerialPort] = []
        with anyio.fail_after(60):
            async with anyio.create_task_group() as opening:
                for _ in range(8):

                    async def one() -> None:
                        ports.append(await open_serial_port(url))

                    opening.start_soon(one)
            assert len(ports) == 8
            for port in ports:
                tasks.start_soon(port.aclose)
