"""A program that ends with a port still open, wherever the program keeps it, prints a ResourceWarning and nothing else.

The interpreter clears its modules in an order that depends on who refers to what, so each program is a process of
its own. A plain run tries one of them.
"""

import os
import subprocess
import sys

import pytest

FULL = os.environ.get("ANYSERIAL_STRESS") == "full"
PATIENCE = 60.0  # seconds that a program may take on a busy machine

BEGIN = """
import atexit, gc, os, sys, threading, time, weakref
hooks = []
atexit.register(lambda: [hook() for hook in hooks])  # runs after the exit handlers of anyserial
master, slave = os.openpty()
path = os.ttyname(slave)
"""
BLOCKING = """
from anyserial.sync import SerialPort
def make():
    return SerialPort.open(path)
"""
ASYNC = """
import anyio
from anyserial import open_serial_port
async def open_and_receive():
    port = await open_serial_port(path)
    with anyio.move_on_after(0.01):
        await port.receive()
    return port
def make():
    return anyio.run(open_and_receive, **{options!r})
"""
FACES = {
    "blocking": BLOCKING,
    "asyncio": ASYNC.replace("{options!r}", "{}"),
    "uvloop": ASYNC.replace("{options!r}", "{'backend_options': {'use_uvloop': True}}"),
    "trio": ASYNC.replace("{options!r}", "{'backend': 'trio'}"),
}
KEPT = {
    "cycle": "kept = [make()]\nkept.append(kept)",
    "module global": "port = make()",
    "cycle of a function": "def run():\n    kept = [make()]\n    kept.append(kept)\nrun()",
    "class": "class Device:\n    port = make()",
    "exit handler": "atexit.register(lambda port: port.is_open, make())",
    "exit handler that prints": "port = make()\natexit.register(lambda: repr(port))",
    "thread-local": "local = threading.local()\nlocal.port = make()",
    "ended thread": (
        "local = threading.local()\ndef run():\n    local.port = make()\n"
        "thread = threading.Thread(target=run)\nthread.start()\nthread.join()"
    ),
    "daemon thread": (
        "ready = threading.Event()\ndef run():\n    port = make()\n    ready.set()\n    time.sleep(100)\n"
        "threading.Thread(target=run, daemon=True).start()\nready.wait()"
    ),
    "generator": "def ports():\n    port = make()\n    yield port\nrunning = ports()\nnext(running)",
    "exception": "try:\n    raise ValueError(make())\nexcept ValueError as exc:\n    kept = exc",
    "finalizer of its own": "port = make()\nweakref.finalize(port, int)",
    "builtins": "import builtins\nbuiltins.kept = make()",
    "sys": "sys.kept = make()",
    "modules are None": (
        "port = make()\nfor name in list(sys.modules):\n"
        "    if name not in ('__main__', 'builtins', 'sys', 'threading'):\n        sys.modules[name] = None"
    ),
    "modules are empty": (
        "port = make()\ndef clear():\n    for name in list(sys.modules):\n"
        "        if name.startswith('anyserial'):\n            names = vars(sys.modules[name])\n"
        "            names.update({key: None for key in names if key[:2] != '__'})\nhooks.append(clear)"
    ),
}
# A daemon thread is frozen with its port, and what is kept in `sys` goes last, with the module of warnings.
SILENT = {"daemon thread", "sys", "modules are empty"}
# What differs between the event loops is who refers to the port.
EVERY = [(face, kept) for face in FACES for kept in KEPT if face in {"blocking", "asyncio"} or kept in list(KEPT)[:6]]


@pytest.mark.parametrize(("face", "kept"), EVERY if FULL else EVERY[:1])
def test_a_forgotten_port_prints_a_warning_at_most(face: str, kept: str) -> None:
    program = BEGIN + FACES[face] + KEPT[kept]
    command = [sys.executable, "-W", "always::ResourceWarning", "-c", program]
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONDEVMODE", "PYTHONWARNINGS"}}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    # Python shows the source below a warning where it still can.
    lines = [line for line in done.stderr.splitlines() if line[:2] != "  " and "Enable tracemalloc" not in line]
    assert all("ResourceWarning: unclosed serial port" in line for line in lines), done.stderr
    assert len(lines) == (kept not in SILENT), done.stderr
