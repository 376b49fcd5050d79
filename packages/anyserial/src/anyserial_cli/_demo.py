"""``anyserial demo``: runs the steps of `_conversation` one after the other, on the runtime asked for.

How a step that fails is reported, and the exit status, are decided here; what the steps do is not.
"""

import argparse
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

from anyserial_cli._main import DONE, FAILED, Command
from anyserial_cli._screen import Screen, describe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyserial.config import SerialConfig

    from anyserial_cli._conversation import Conversation
    from anyserial_cli._main import Parser

__all__ = ("COMMAND",)

RUNTIMES: dict[str, tuple[str, dict[str, bool]]] = {
    "asyncio": ("asyncio", {"use_uvloop": False}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}
STEP_TIMEOUT = 10.0  # seconds; every step is over in a fraction of that, or something is wrong

DESCRIPTION = """\
A conversation over a serial port, step by step, with the calls that a program makes for it.

Without PORT, a virtual instrument answers behind a pseudo-terminal: no hardware is needed.
With PORT, the parts that suit any serial device are done on that port. The line
"anyserial demo" is sent to it; whether anything comes back does not matter. A loop-back
plug (RXD joined to TXD) shows the bytes come back. Before anything is done to the port,
everything that will be done is listed.
"""

EPILOG = """\
examples:
  anyserial demo                                 the virtual instrument
  anyserial demo --runtime trio                  the same on trio
  anyserial demo /dev/ttyUSB0 --baudrate 9600    a real port

exit status:
  0  every step was done
  1  a step failed; the output says which, and why
  2  the arguments are wrong
"""


def _add_arguments(parser: "Parser") -> None:
    parser.add_argument(
        "port", nargs="?", metavar="PORT", help="path of a serial port, for example /dev/ttyUSB0; default: virtual"
    )
    parser.add_argument("--runtime", choices=RUNTIMES, default="asyncio", help="the event loop (default: asyncio)")
    parser.add_argument(
        "--baudrate", type=int, default=115200, metavar="N", help="bits per second (default: %(default)s)"
    )


def _run(arguments: argparse.Namespace) -> int:
    import anyio  # noqa: PLC0415  # not for --help
    from anyserial.config import SerialConfig  # noqa: PLC0415
    from anyserial.exceptions import ConfigurationError  # noqa: PLC0415

    parser: Parser = arguments.parser
    try:
        config = SerialConfig(baudrate=arguments.baudrate)
    except ConfigurationError as exc:
        parser.refuse("--baudrate", str(exc))
    backend, options = RUNTIMES[arguments.runtime]
    if arguments.runtime != "asyncio":
        _require(arguments.runtime, parser)
    try:
        return anyio.run(_converse, arguments, config, backend=backend, backend_options=options)
    except BaseExceptionGroup as group:
        # trio wraps Ctrl-C in a group for every nursery it crosses.
        if group.subgroup(KeyboardInterrupt) is not None:
            raise KeyboardInterrupt from None
        print(f"anyserial demo: {describe(group)}", file=sys.stderr)
        return FAILED


def _require(runtime: str, parser: "Parser") -> None:
    if find_spec(runtime) is None:
        parser.refuse("--runtime", f"{runtime} is not installed: pip install 'anyserial[{runtime}]'")


async def _converse(arguments: argparse.Namespace, config: "SerialConfig") -> int:
    from anyserial import __version__  # noqa: PLC0415  # core is looked at before it is imported

    from anyserial_cli._conversation import RealPort, VirtualPort, warm_up  # noqa: PLC0415  # it needs core

    screen = Screen(sys.stdout)
    title = f"anyserial {__version__} on {arguments.runtime}"
    conversation: Conversation
    if arguments.port is None:
        screen.heading(f"{title}: a conversation with a virtual instrument")
        conversation = VirtualPort(config)
    else:
        screen.heading(f"{title}: a conversation over {arguments.port}")
        conversation = RealPort(config, arguments.port)
        for label, text in conversation.plan():
            screen.item(label, text)
    await warm_up()
    async with conversation:
        return await _take_steps(screen, conversation)


async def _take_steps(screen: Screen, conversation: "Conversation") -> int:
    steps = conversation.steps()
    began = time.monotonic()
    for number, (title, code, step) in enumerate(steps, 1):
        screen.step(number, title, code)
        start = time.monotonic()
        try:
            result = await _result(step)
        except _StepError as exc:
            screen.failed()
            print(f"anyserial demo: step {number} of {len(steps)} failed ({title}): {exc}", file=sys.stderr)
            return FAILED
        screen.done(result, time.monotonic() - start)
    screen.closing(f"All {len(steps)} steps done in {time.monotonic() - began:.2f} s.")
    return DONE


class _StepError(Exception):
    """A step failed; the message says why."""


async def _result(step: "Callable[[], Awaitable[str]]") -> str:
    """Take a step, and return what came of it."""
    import anyio  # noqa: PLC0415  # not for --help

    with anyio.move_on_after(STEP_TIMEOUT):
        try:
            return await step()
        except Exception as exc:  # whatever it is, it is this step that failed
            raise _StepError(describe(exc)) from exc
    raise _StepError(f"not done within {STEP_TIMEOUT:g} s")


COMMAND = Command(
    name="demo",
    summary="a conversation with a virtual instrument, or over a real port",
    description=DESCRIPTION,
    epilog=EPILOG,
    add_arguments=_add_arguments,
    run=_run,
)
