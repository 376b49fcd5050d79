"""Programs that were written for pyserial-asyncio, unmodified, with anyserial in its place.

1. The tests of pyserial-asyncio and of pyserial-asyncio-fast, on a pseudo-terminal that sends back what it
   receives, and on the ``socket://`` URL that they name themselves, if anyserial serves such URLs.
2. zigpy's tests of its serial module.
3. zigpy's protocol in use: flow control, an exclusive port, the error for a second opening, an unplug.
4. dsmr-parser reading a smart meter's telegrams.

The programs are those of the dependency group ``asyncio-clients``. The tests come with source distributions, which
are fetched from the package index. ``python tools/asyncio_clients.py`` runs everything, ``--list`` names the checks.
"""

import argparse
import asyncio
import faulthandler
import importlib
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from anyserial._drivers import SCHEMES
from pyserial_tests import echoing_pty

UV = os.environ.get("UV", "uv")
LIMIT = 40  # seconds for one check; each takes about one
SUITES = {
    "pyserial-asyncio": ("0.6", "serial_asyncio"),
    "pyserial-asyncio-fast": ("0.16", "serial_asyncio_fast"),
}
ZIGPY = "0.80.0"
# A telegram as a DSMR 5 meter sends it, without its checksum.
TELEGRAM = "/ISK5\\2M550T-1012\r\n\r\n1-3:0.2.8(50)\r\n1-0:1.7.0(00.193*kW)\r\n1-0:1.8.1(000123.456*kWh)\r\n!"


def _in_place() -> None:
    """Let ``import serial`` and ``import serial_asyncio`` give anyserial."""
    importlib.import_module("anyserial.pyserial").install()


def _unpacked(folder: Path, name: str, version: str) -> Path:
    """Fetch and unpack a source distribution; return the folder that it unpacks to."""
    target = folder / name
    target.mkdir()
    pip = (UV, "run", "--quiet", "--isolated", "--no-project", "--python", sys.executable, "--with", "pip")
    what = ("--no-deps", "--no-binary", name, f"{name}=={version}")
    subprocess.run([*pip, "python", "-m", "pip", "download", "--quiet", *what], cwd=target, check=True)
    (archive,) = target.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(target, filter="data")
    (found,) = (path for path in target.iterdir() if path.is_dir())
    return found


# The checks. Each runs in a process of its own.


def suite(module: str, folder: str, port: str) -> None:
    """Run the tests of *module*, in *folder*; *port* is a path, or empty for the URL that they name."""
    _in_place()
    sys.path.insert(0, folder)
    transport: Any = importlib.import_module(module).SerialTransport
    if not transport.__module__.startswith("anyserial"):
        raise SystemExit(f"import {module} gave {transport.__module__}")
    tests: Any = importlib.import_module("test.test_asyncio")
    if port:
        tests.PORT = port
    result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromModule(tests))
    if not result.testsRun or not result.wasSuccessful() or result.skipped:
        raise SystemExit(f"{result.testsRun} tests run, not all of them passed")


def zigpy_tests(folder: str) -> None:
    """Run zigpy's own tests of its serial module."""
    import pytest  # noqa: PLC0415

    _in_place()
    os.chdir(Path(folder).parent)  # so that no configuration of a project is found
    # AnyIO's plugin runs the tests that are coroutines, in the place of pytest-asyncio.
    options = ["-q", "-c", os.devnull, "-o", "anyio_mode=auto", "-p", "no:cacheprovider", "--noconftest"]
    # The one about errors opens files and folders: anyserial says that they are not serial ports.
    wanted = "not trio and not test_pyserial_error_remapping"
    status = pytest.main([*options, "-k", wanted, f"{folder}/tests/test_serial.py"])
    if status:
        raise SystemExit(f"pytest ended with status {status}")


async def zigpy_protocol(path: str) -> None:
    """Talk through zigpy's protocol, with the keywords that it is configured with."""
    zigpy: Any = importlib.import_module("zigpy.serial")
    loop = asyncio.get_running_loop()
    for flow in ("software", "hardware", None):
        protocol: Any
        _, protocol = await zigpy.create_serial_connection(
            loop, zigpy.SerialProtocol, url=Path(path), baudrate=57600, flow_control=flow
        )
        await protocol.wait_until_connected()
        settings = protocol._transport.serial  # noqa: SLF001  # where zigpy keeps it
        found = (settings.baudrate, settings.xonxoff, settings.rtscts)
        _check(found == (57600, flow == "software", flow == "hardware"), f"{flow} gave {found}")
        protocol._transport.write(b"\x1a\xc0\x38\xbc\x7e")  # noqa: SLF001
        await _until(partial(_holds, protocol, b"\x1a\xc0\x38\xbc\x7e"))
        try:
            await zigpy.create_serial_connection(loop, zigpy.SerialProtocol, url=path)
        except PermissionError as exc:
            _check("locked by another application" in str(exc), str(exc))
        else:
            raise SystemExit("a port was opened twice")
        await asyncio.wait_for(protocol.disconnect(), 5)
    try:
        await zigpy.create_serial_connection(loop, zigpy.SerialProtocol, url="/dev/no-such-port")
    except FileNotFoundError:
        pass
    else:
        raise SystemExit("a port that does not exist was opened")


async def dsmr_reader(_path: str) -> None:
    """Read telegrams of a smart meter, and notice when it is unplugged."""
    obis_references: Any = importlib.import_module("dsmr_parser.obis_references")
    create_dsmr_reader: Any = importlib.import_module("dsmr_parser.clients.protocol").create_dsmr_reader
    loop = asyncio.get_running_loop()
    telegrams: list[Any] = []
    far, near = os.openpty()
    transport: Any
    protocol: Any
    transport, protocol = await create_dsmr_reader(os.ttyname(near), "5", telegrams.append, loop=loop)
    _check(transport.serial.baudrate == 115200, repr(transport.serial))  # noqa: PLR2004  # the meter's
    data = TELEGRAM + f"{_crc16(TELEGRAM.encode()):04X}\r\n"
    for _ in range(2):
        for begin in range(0, len(data), 40):
            os.write(far, data[begin : begin + 40].encode())
            await asyncio.sleep(0)
    await _until(lambda: len(telegrams) == 2)  # noqa: PLR2004  # as many as were sent
    usage = telegrams[0][obis_references.CURRENT_ELECTRICITY_USAGE]
    _check((str(usage.value), usage.unit) == ("0.193", "kW"), f"{usage.value} {usage.unit}")
    os.close(near)
    os.close(far)
    await asyncio.wait_for(protocol.wait_closed(), 5)


def _holds(protocol: Any, data: bytes) -> bool:
    return bytes(protocol._buffer) == data  # noqa: SLF001  # where zigpy's subclasses find it


def _check(is_so: bool, told: str) -> None:
    if not is_so:
        raise SystemExit(f"not as expected: {told}")


def _crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    return crc


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # programs have no event for it
            await asyncio.sleep(0.001)


def program(name: str, runtime: str) -> None:
    """Run one of the programs above on a pseudo-terminal that echoes."""
    _in_place()
    programs: dict[str, Callable[[str], Awaitable[None]]] = {"zigpy": zigpy_protocol, "dsmr-parser": dsmr_reader}
    factory = importlib.import_module("uvloop").new_event_loop if runtime == "uvloop" else None

    async def main(path: str) -> None:
        await programs[name](path)

    with echoing_pty() as path, asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main(path))


def _checks(folder: Path | None) -> dict[str, list[str]]:
    """Return the arguments of each check, by name; without *folder*, what comes from it is left out."""
    found: dict[str, list[str]] = {}
    for name, (version, module) in SUITES.items():
        where = str(_unpacked(folder, name, version)) if folder else ""
        found[f"tests of {name} on a pty"] = ["suite", module, where, "pty"]
        if "socket" in {row.serves for row in SCHEMES}:
            found[f"tests of {name} on socket://"] = ["suite", module, where, ""]
    found[f"tests of zigpy {ZIGPY}"] = ["zigpy-tests", str(_unpacked(folder, "zigpy", ZIGPY)) if folder else ""]
    for runtime in ("asyncio", "uvloop"):
        for name in ("zigpy", "dsmr-parser"):
            found[f"{name} in use on {runtime}"] = ["program", name, runtime]
    return found


def _run(name: str, arguments: list[str]) -> bool:
    """Run one check in a process of its own; return whether it passed."""
    kept = {key: value for key, value in os.environ.items() if key not in {"PYTHONWARNINGS", "PYTHONDEVMODE"}}

    def run(*last: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, __file__, "--check", *arguments[:3], *last]
        return subprocess.run(command, env=kept, capture_output=True, text=True, timeout=LIMIT, check=False)

    if arguments[-1] == "pty":
        with echoing_pty() as path:
            done = run(path)
    else:
        done = run(*arguments[3:])
    print(f"{'passed' if done.returncode == 0 else 'FAILED'}: {name}", flush=True)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-4000:], sep="\n", flush=True)
    return done.returncode == 0


def main() -> int:
    """Run the checks; 1 if one fails."""
    parser = argparse.ArgumentParser(description="Programs for pyserial-asyncio on anyserial.")
    parser.add_argument("--list", action="store_true", help="say what the checks are")
    parser.add_argument("--check", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", help="only the checks with these words in their name")
    arguments = parser.parse_args()
    if arguments.check:
        faulthandler.dump_traceback_later(LIMIT - 10, exit=True)
        kind, *rest = arguments.check
        kinds: dict[str, Callable[..., None]] = {"suite": suite, "zigpy-tests": zigpy_tests, "program": program}
        kinds[kind](*rest)
        return 0
    if arguments.list:
        print("\n".join(_checks(None)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        checks = _checks(Path(folder))
        wanted = [name for name in checks if all(word in name for word in arguments.words)]
        results = [_run(name, checks[name]) for name in wanted]
        return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
