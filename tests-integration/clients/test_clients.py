"""Each of these programs opens a port with pySerial's API, talks and closes, with anyserial in its place."""

from collections.abc import Callable
from pathlib import Path

import pytest
from boot_rom import SYNC, BootRom
from client_programs import PROBES, Terminal, started_with
from far_ends import crossed_pair, far_end, tcp_far_end
from mesh_radio import MeshRadio
from raw_repl import RawRepl

OURS = "anyserial_sync._pyserial"
POSITION = b"$GPGGA,184353.07,1929.045,S,02410.506,E,1,04,2.6,100.00,M,-33.9,M,,0000*6D\r\n"

READ = 2  # Dynamixel's instruction

type Run = Callable[..., str]


def test_esptool_talks_to_a_boot_loader(run: Run) -> None:
    rom = BootRom()
    with far_end(rom.respond) as path:
        options = ["--chip", "esp8266", "--port", path, "--before", "no-reset", "--after", "no-reset", "--no-stub"]
        shown = run("esptool", *options, "chip-id")
    assert "Chip ID: 0x00c0de12" in shown
    assert rom.commands[0] == SYNC


@pytest.mark.parametrize(
    ("arguments", "shown"), [(["exec", "print(6 * 7)"], "42"), (["soft-reset", "exec", "x = 3", "eval", "x + 1"], "4")]
)
def test_mpremote_runs_code_on_a_board(run: Run, arguments: list[str], shown: str) -> None:
    with far_end(RawRepl().respond) as path:
        assert run("mpremote", "connect", path, *arguments).strip() == shown


def test_modbus_clients_ask_a_modbus_server(probe: Run) -> None:
    with crossed_pair() as (one, other), started_with(OURS, str(PROBES / "modbus_server.py"), one):
        shown = probe("modbus_clients", other)
    assert shown.strip() == f"{OURS} [100, 101, 7] [7, 8, 9] [9, 10]"


@pytest.mark.parametrize(("interface", "bus"), [("serial", "SerialBus"), ("slcan", "slcanBus")])
def test_python_can_sends_and_receives(probe: Run, interface: str, bus: str) -> None:
    with crossed_pair() as (one, other):
        assert probe("can_buses", interface, one, other).strip() == f"{OURS} {bus} 0x123 0102ff 0x456"


def test_pyvisa_asks_an_instrument(probe: Run) -> None:
    def answer(data: bytes) -> bytes:
        received.extend(data)
        answers = b""
        while b"\n" in received:
            line, _, rest = bytes(received).partition(b"\n")
            received[:] = rest
            answers += {b"*IDN?": b"ACME,1", b"MEAS?": b"1.5"}.get(line, b"?") + b"\n"
        return answers

    received = bytearray()
    with far_end(answer) as path:
        assert probe("visa_instrument", path).strip() == f"{OURS} ACME,1 1.5"


def test_miniterm_shows_what_the_device_answers() -> None:
    with far_end(bytes.upper) as path:
        terminal = Terminal("-m", "serial.tools.miniterm", path, "115200")
        terminal.waits_for(f"--- Miniterm on {path}  115200,8,N,1 ---")
        terminal.types("hello")
        terminal.waits_for("HELLO")
        terminal.types("\x14\x09")
        terminal.waits_for("--- filters: default")
        terminal.types("\x1d")
        terminal.waits_for("--- exit ---")
        assert terminal.close() == 0


def test_platformio_shows_what_the_device_answers() -> None:
    with far_end(bytes.upper) as path:
        terminal = Terminal("platformio", "device", "monitor", "-p", path, "-b", "115200", "--no-reconnect")
        terminal.waits_for(f"--- Terminal on {path} | 115200 8-N-1")
        terminal.waits_for("--- Quit:")
        terminal.types("hello")
        terminal.waits_for("HELLO")
        terminal.types("\x03")
        assert terminal.close() == 0


def test_idf_monitor_shows_what_the_device_answers() -> None:
    # It sets RTS and DTR, which a pty refuses and a network port without lines does not.
    with tcp_far_end(lambda data: data.upper().replace(b"\r", b"\r\n")) as (host, port):
        terminal = Terminal("-m", "esp_idf_monitor", "--port", f"socket://{host}:{port}", "--no-reset")
        terminal.waits_for("Help: Ctrl+T followed by Ctrl+H")
        terminal.types_until("hello\r", "HELLO")
        terminal.types("\x1d")
        assert terminal.close() == 0


def test_meshtastic_talks_to_a_radio(probe: Run) -> None:
    radio = MeshRadio()
    with far_end(radio.respond) as path:
        assert probe("meshtastic_radio", path).strip() == f"{OURS} 42"
    assert any(b"hello" in message for message in radio.messages)


def test_mavlink_ends_talk_to_each_other(probe: Run) -> None:
    with crossed_pair() as (one, other):
        assert probe("mavlink_vehicles", one, other).strip() == f"{OURS} 7 400"


def test_labgrid_drives_a_console(probe: Run) -> None:
    with far_end(bytes.upper) as path:
        assert probe("labgrid_console", path).strip() == f"{OURS} [b'HELLO', b'', b'AGAIN', b'']"


def test_aioserial_reads_and_is_cancelled(probe: Run) -> None:
    with crossed_pair() as (one, other):
        assert probe("aioserial_lines", one, other).strip() == f"{OURS} b'hello\\n' b'abc' b'\\nx'"


def test_ampy_runs_a_file_on_a_board(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("print(6 * 7)")
    with far_end(RawRepl().respond) as path:
        assert run("ampy", "--port", path, "run", str(program)).strip() == "42"


def test_xbee_reads_through_its_subclass(probe: Run) -> None:
    with far_end(lambda data: data) as path:
        assert probe("xbee_module", path).strip() == f"{OURS} b'hello, nothing' 19200"


def test_dynamixel_asks_a_servo(probe: Run) -> None:
    def answer(packet: bytes) -> bytes:
        # Its identifier, the length of what follows, no error, and two bytes of memory unless it is a ping.
        address = packet[5] if packet[4] == READ else None
        memory = {None: b"", 0: b"\x0c\x00", 36: b"\x10\x02"}[address]
        status = bytes([1, len(memory) + 2, 0]) + memory
        return b"\xff\xff" + status + bytes([~sum(status) & 0xFF])

    with far_end(answer) as path:
        assert probe("dynamixel_servo", path).strip() == f"{OURS} 12 528"


def test_modbus_tk_asks_its_own_server(probe: Run) -> None:
    with crossed_pair() as (one, other):
        assert probe("modbus_tk_pair", one, other).strip() == f"{OURS} (0, 9, 0)"


def test_pexpect_waits_for_words(probe: Run) -> None:
    with far_end(bytes.upper) as path:
        assert probe("expected_words", path).strip() == f"{OURS} b'LO' 1"


def test_pynmea2_parses_text(probe: Run) -> None:
    with far_end(lambda _: POSITION) as path:
        assert probe("nmea_receiver", path).strip() == f"{OURS} 04 100.0"
