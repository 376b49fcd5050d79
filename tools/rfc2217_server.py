"""The RFC 2217 server with clients that anyserial has not written: pySerial's own tests, and serialx.

pySerial's own tests run over ``rfc2217://``, unmodified and with pySerial's own client, once against the server that
comes with pySerial as an example, on ``loop://``, and once against `anyserial.network.serve`, on a simulated
loopback. Whatever passes over pySerial's server must pass over ours. Each module or class of tests has a server of
its own, because a test that forgets to close its port would lock out all others, and all run at the same time,
because the tests mostly sleep. What fails is run again by itself, because the tests measure time.

Then each client goes through the same list of checks against our server, and a table is printed.

``python tools/rfc2217_server.py`` runs everything; ``--folder`` takes pySerial's source distribution, unpacked.
"""

import argparse
import importlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, override

from pyserial_tests import Outcomes, fetch, run_here

UV = os.environ.get("UV", "uv")
SERVERS = ("pySerial's", "anyserial's")
# The modules and classes of tests that open the port which they are given.
MODULES = (
    "test.Test0_DataWires",
    "test.Test1_Forever",
    "test.Test2_Forever",
    "test.Test3_Timeout",
    "test.Test4_Nonblocking",
    "test.Test_MoreTimeouts",
    "test_advanced",
    "test_cancel",
    "test_context",
    "test_exclusive",
    "test_high_load",
    "test_iolib",
    "test_readline",
    "test_rs485",
    "test_settings_dict",
    "test_threaded",
)
SERIALX = "serialx==1.15.1"
AT_ONCE = 12
RETRIES = 2
LIMIT = 120  # seconds for one process
START = 60.0  # seconds until a server must listen

WHY_NOT = {
    "test.Test4_Nonblocking.test2_Loopback": "pySerial's client reads one byte at most with timeout=0",
    "test.Test4_Nonblocking.test2_LoopbackTimeout": "pySerial's client reads one byte at most with timeout=0",
    "test.Test_MoreTimeouts.test_WriteTimeout": "pySerial's client has no write_timeout",
    "test_cancel.TestCancelRead.test_cancel_once": "pySerial's client has no cancel_read",
    "test_cancel.TestCancelWrite.test_cancel_once": "pySerial's client has no cancel_write",
    "test_exclusive.Test_exclusive.test_exclusive_true": "pySerial's client does not know exclusive",
}
"""Known reasons, for the report; the comparison does not depend on them."""

CHECKS = ("open", "64 KiB both ways", "lines pushed", "break", "purge", "settings", "close")


# The servers


async def _serve_loopback() -> None:
    """Serve a loopback with all lines, as RTS to CTS and DTR to DSR, and print the URL."""
    import anyio  # noqa: PLC0415  # a server's process alone needs these
    from anyserial.network import PortServer, serve  # noqa: PLC0415
    from anyserial.testing import SimulatedDevice, simulated_port  # noqa: PLC0415

    async with simulated_port(SimulatedDevice(echo=True)) as port, anyio.create_task_group() as tasks:
        server: PortServer = await tasks.start(serve, port, 0)
        print(server.urls[0], flush=True)


@contextmanager
def running_server(whose: str, folder: Path) -> Generator[str]:
    """Start a server, and give the URL that reaches it."""
    if whose == "anyserial's":
        command = [sys.executable, __file__, "--serve"]
        number = 0
    else:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            number = probe.getsockname()[1]
        command = [sys.executable, str(folder.parent / "examples" / "rfc2217_server.py"), "loop://", "-p", str(number)]
    process = subprocess.Popen(
        command, env=_quiet_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        if process.stdout is None or process.stderr is None:
            raise RuntimeError("no pipes")
        heard, _, _ = select.select([process.stdout if not number else process.stderr], [], [], START)
        if not heard:
            raise RuntimeError(f"{whose} server says nothing")
        if number:
            while f"port: {number}" not in process.stderr.readline():
                pass
        else:
            number = int(process.stdout.readline().rpartition(":")[2])
        yield f"rfc2217://127.0.0.1:{number}"
    finally:
        process.kill()
        process.communicate()


def _quiet_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in {"PYTHONWARNINGS", "PYTHONDEVMODE"}}


# pySerial's tests


def _tests_in(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for entry in suite:
        if isinstance(entry, unittest.TestSuite):
            yield from _tests_in(entry)
        else:
            yield entry


def run_tests(folder: Path, tests: str, port: str) -> Outcomes:
    """Run a module of tests, a class or a single one in this process."""
    sys.path.insert(0, str(folder))
    names = [test.id() for test in _tests_in(unittest.defaultTestLoader.loadTestsFromName(tests))]
    outcomes = run_here(folder, "pyserial", port, names)
    return {name: outcome for name, outcome in outcomes.items() if name in names}


def run_apart(folder: Path, tests: str, whose: str) -> Outcomes:
    """Run tests in a process of their own, against a server of their own."""
    with running_server(whose, folder) as url:
        return _outcomes_of([sys.executable, __file__, "--folder", str(folder.parent), "--tests", tests, "--port", url])


def _outcomes_of(command: list[str]) -> Outcomes:
    done = subprocess.run(command, env=_quiet_environment(), capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode:
        raise RuntimeError(f"status {done.returncode} from {command}:\n{done.stderr}")
    outcomes: Outcomes = json.loads(done.stdout.splitlines()[-1])
    return outcomes


def compare(folder: Path) -> int:
    """Run pySerial's tests over both servers and report; return how many pass over pySerial's server alone."""
    jobs = [(module, whose) for module in MODULES for whose in SERVERS]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = pool.map(partial(run_apart, folder), *zip(*jobs, strict=True))
        found: dict[str, Outcomes] = {whose: {} for whose in SERVERS}
        for (_, whose), outcomes in zip(jobs, done, strict=True):
            found[whose] |= outcomes
    theirs, ours = (found[whose] for whose in SERVERS)
    for _ in range(RETRIES):
        for name in sorted(theirs):
            if theirs[name] == "passed" != ours[name]:
                ours |= run_apart(folder, name, "anyserial's")
    for whose, outcomes in found.items():
        passed = sum(outcome == "passed" for outcome in outcomes.values())
        print(f"pySerial's tests over {whose} server: {len(outcomes)} tests, {passed} passed")
    lost = 0
    for name in sorted(theirs):
        if theirs[name] == "passed" != ours[name]:
            lost += 1
            print(f"    LOST: {name}: {ours[name]}")
        elif ours[name] != "passed":
            print(f"    neither: {name}: {WHY_NOT.get(name, ours[name])}")
        elif theirs[name] != "passed":
            print(f"    ours alone: {name}")
    return lost


# The clients


class Client(Protocol):
    """What the checks need of a client."""

    def write(self, data: bytes) -> None:
        """Send."""
        ...

    def read(self, count: int) -> bytes:
        """Receive *count* bytes."""
        ...

    def set(self) -> None:
        """Change every setting that it can change on an open port."""
        ...

    def set_rts(self, on: bool) -> None:
        """Set RTS."""
        ...

    def cts(self) -> bool:
        """Return CTS as the server has told it."""
        ...

    def send_break(self) -> None:
        """Send a break; NotImplementedError if it cannot."""
        ...

    def purge(self) -> None:
        """Discard input and output."""
        ...

    def close(self) -> None:
        """Close."""
        ...


class PySerialClient(Client):
    """pySerial's."""

    def __init__(self, url: str) -> None:
        import serial  # noqa: PLC0415  # one of several

        self._port: Any = serial.serial_for_url(url, baudrate=1_000_000, timeout=5)

    @override
    def write(self, data: bytes) -> None:
        self._port.write(data)

    @override
    def read(self, count: int) -> bytes:
        return bytes(self._port.read(count))

    @override
    def set(self) -> None:
        self._port.apply_settings({"baudrate": 9600, "bytesize": 7, "parity": "E", "stopbits": 2})

    @override
    def set_rts(self, on: bool) -> None:
        self._port.rts = on

    @override
    def cts(self) -> bool:
        return bool(self._port.cts)

    @override
    def send_break(self) -> None:
        self._port.send_break(0.05)

    @override
    def purge(self) -> None:
        self._port.reset_input_buffer()
        self._port.reset_output_buffer()

    @override
    def close(self) -> None:
        self._port.close()


class SerialxClient(Client):
    """serialx's."""

    def __init__(self, url: str) -> None:
        serialx: Any = importlib.import_module("serialx")  # installed for its own run only
        self._port: Any = serialx.serial_for_url(url, baudrate=1_000_000)
        self._port.open()

    @override
    def write(self, data: bytes) -> None:
        self._port.write(data)

    @override
    def read(self, count: int) -> bytes:
        return bytes(self._port.readexactly(count, timeout=5))

    @override
    def set(self) -> None:
        self._port.baudrate = 9600

    @override
    def set_rts(self, on: bool) -> None:
        self._port.set_modem_pins(rts=on)

    @override
    def cts(self) -> bool:
        return bool(self._port.get_modem_pins().cts.value)

    @override
    def send_break(self) -> None:
        raise NotImplementedError("the client has no break")

    @override
    def purge(self) -> None:
        self._port.reset_read_buffer()
        self._port.reset_write_buffer()

    @override
    def close(self) -> None:
        self._port.close()


class OwnClient(Client):
    """anyserial's, of the blocking API."""

    def __init__(self, url: str) -> None:
        from anyserial.sync import SerialPort  # noqa: PLC0415  # one of several

        self._port = SerialPort.open(url, baudrate=1_000_000)

    @override
    def write(self, data: bytes) -> None:
        self._port.send(data)

    @override
    def read(self, count: int) -> bytes:
        return self._port.receive_exactly(count, timeout=5)

    @override
    def set(self) -> None:
        wanted = self._port.config.with_changes(baudrate=9600, byte_size=7, parity="even", stop_bits=2)
        self._port.configure(wanted)

    @override
    def set_rts(self, on: bool) -> None:
        self._port.set_control_lines(rts=on)

    @override
    def cts(self) -> bool:
        return self._port.modem_lines().cts

    @override
    def send_break(self) -> None:
        self._port.send_break(0.05)

    @override
    def purge(self) -> None:
        self._port.reset_input_buffer()
        self._port.reset_output_buffer()

    @override
    def close(self) -> None:
        self._port.close()


CLIENTS: dict[str, Callable[[str], Client]] = {
    "anyserial": OwnClient,
    "pySerial": PySerialClient,
    "serialx": SerialxClient,
}


def run_client(name: str, url: str) -> Outcomes:
    """Take one client through the checks, in this process."""
    client = CLIENTS[name](url)
    outcomes: Outcomes = {"open": "passed"}
    checks: tuple[tuple[str, Callable[[Client], None]], ...] = (
        ("64 KiB both ways", _check_bytes),
        ("lines pushed", _check_lines),
        ("break", lambda client: client.send_break()),
        ("purge", lambda client: client.purge()),
        ("settings", lambda client: client.set()),
        ("close", lambda client: client.close()),
    )
    for check, act in checks:
        try:
            act(client)
        except Exception as exc:  # noqa: BLE001  # each client has errors of its own
            outcomes[check] = f"{type(exc).__name__}: {exc}".splitlines()[0]
        else:
            outcomes[check] = "passed"
    return outcomes


def _check_bytes(client: Client) -> None:
    whole = bytes(range(256)) * 256
    for begin in range(0, len(whole), 4096):
        piece = whole[begin : begin + 4096]
        client.write(piece)
        if client.read(len(piece)) != piece:
            raise AssertionError("other bytes came back")


def _check_lines(client: Client) -> None:
    for level in (False, True, False):
        client.set_rts(level)
        deadline = time.monotonic() + 2
        while client.cts() != level:
            if time.monotonic() > deadline:
                raise AssertionError(f"CTS is not {level}")
            time.sleep(0.01)


def try_clients(folder: Path) -> int:
    """Run the checks with every client and print the table; return how many failed."""
    failed = 0
    table: dict[str, Outcomes] = {}
    for name in CLIENTS:
        with running_server("anyserial's", folder) as url:
            python = [sys.executable]
            if name == "serialx":
                python = [UV, "run", "--quiet", "--isolated", "--no-project", "--with", SERIALX, "python"]
            table[name] = _outcomes_of([*python, __file__, "--client", name, "--port", url])
    for check in CHECKS:
        print(f"{check:20}" + "".join(f"{table[name][check]:20}" for name in CLIENTS))
        for name in CLIENTS:
            outcome = table[name][check]
            failed += outcome != "passed" and not outcome.startswith("NotImplementedError")
    return failed


def main() -> int:
    """Run everything; 1 if something that must pass does not."""
    parser = argparse.ArgumentParser(description="The RFC 2217 server with foreign clients.")
    parser.add_argument("--folder", type=Path, help="pySerial's source distribution; it is fetched if not given")
    parser.add_argument("--serve", action="store_true", help="only serve a loopback, and print the URL")
    parser.add_argument("--tests", metavar="NAME", help="only run these tests of pySerial's, here")
    parser.add_argument("--client", choices=CLIENTS, help="only run the checks with this client, here")
    parser.add_argument("--port", help="the URL for --tests and --client")
    arguments = parser.parse_args()
    if arguments.serve:
        import anyio  # noqa: PLC0415  # not for the clients

        anyio.run(_serve_loopback)
    elif arguments.tests or arguments.client:
        here = partial(run_client, arguments.client, arguments.port)
        if arguments.tests:
            here = partial(run_tests, arguments.folder / "test", arguments.tests, arguments.port)
        print(json.dumps(here()))
        sys.stdout.flush()
        os._exit(0)  # tests leave threads behind that wait on ports
    else:
        with tempfile.TemporaryDirectory() as scratch:
            folder = (arguments.folder or fetch(Path(scratch))) / "test"
            return 1 if compare(folder) + try_clients(folder) else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
