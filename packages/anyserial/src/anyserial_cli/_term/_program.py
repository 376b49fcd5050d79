"""The session with everything around it: standard input and output, the terminal, the tasks."""

import errno
import os
import signal
import sys
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import anyio

from anyserial_cli._main import FAILED
from anyserial_cli._screen import describe
from anyserial_cli._term._display import Display
from anyserial_cli._term._interactive import Interactive
from anyserial_cli._term._newlines import SENT, map_sent
from anyserial_cli._term._session import Options, Session
from anyserial_cli._term._tty import RESET, RESET_ORIGIN, UserTerminal
from anyserial_cli._term._view import ViewSettings

if TYPE_CHECKING:
    import argparse

    from anyserial import SerialConfig

__all__ = ("run",)

STDIN, STDOUT = 0, 1
LAST_OUTPUT = 2.0  # seconds that a slow terminal has for what it has not shown yet


async def run(arguments: "argparse.Namespace", config: "SerialConfig") -> int:
    """Run the session and return the exit status."""
    is_typed, is_seen = arguments.interactive and os.isatty(STDIN), os.isatty(STDOUT)
    is_smart = is_seen and os.environ.get("TERM", "dumb") != "dumb"  # it obeys escape sequences
    as_bytes = not is_seen and not arguments.hex and arguments.timestamps == "off" and arguments.escapes == "filter"
    newline = arguments.newline_out
    options = Options(
        device=arguments.port,
        wait=arguments.wait,
        reconnect=not arguments.no_reconnect,
        newline=SENT[newline or "cr"],
        char_delay=arguments.char_delay,
        line_delay=arguments.line_delay,
        log=arguments.log,
        log_append=arguments.log_append,
        log_rotate=arguments.log_rotate,
        log_keep=arguments.log_keep,
        record=arguments.record,
        log_as_seen=arguments.log_as == "seen",
        exit_after=float("inf") if arguments.exit_after is None else arguments.exit_after,
        bytes_to_stdout=as_bytes,
        draws=is_smart,
        colour=is_smart and not os.environ.get("NO_COLOR"),
    )
    view = ViewSettings(
        encoding=arguments.encoding,
        newline=arguments.newline_in,
        escapes=arguments.escapes,
        stamps=arguments.timestamps,
        hex=arguments.hex,
        live=is_smart,
    )
    display = Display(STDOUT, lossless=not is_seen)
    session = Session(options, config, view, display)
    session.tells_on_screen = is_seen
    user: Interactive | None = None
    if is_typed:
        user = Interactive(session, UserTerminal(STDIN), STDIN, menu_key=arguments.menu_key, screen=is_smart)
        user.mode, user.echo = arguments.mode, arguments.echo
        user.wants_status = is_smart and not arguments.no_status
    if options.record is not None:
        import_module("anyserial.testing")  # or an error that says what to install
    try:
        if options.log is not None:
            session.start_log(options.log, append=options.log_append, as_seen=options.log_as_seen)
    except OSError as exc:
        print(f"anyserial: the log cannot be written: {describe(exc)}", file=sys.stderr)
        return FAILED
    before = signal.getsignal(signal.SIGTSTP)
    try:
        if user is not None:
            user.open_screen()
            signal.signal(signal.SIGTSTP, user.suspend)
        await _tasks(session, user, arguments, None if newline is None else SENT[newline])
    finally:
        session.finish()
        if user is not None:
            signal.signal(signal.SIGTSTP, before)
            user.close_screen()
        elif is_smart:
            display.put(
                ((RESET_ORIGIN if session.view.escapes.origin else "") + RESET).encode()
            )  # the device's colours end with the session
        display.close(LAST_OUTPUT)
    if display.failed is not None:
        session.status = session.status or FAILED
        if display.failed.errno not in {errno.EPIPE, errno.EIO}:  # the reader of the output has gone
            print(f"anyserial: standard output: {describe(display.failed)}", file=sys.stderr)
    return session.status


async def _tasks(
    session: Session, user: Interactive | None, arguments: "argparse.Namespace", piped_newline: bytes | None
) -> None:
    with session.scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run)
            if arguments.steps:
                from anyserial_cli._term._running import run_script  # noqa: PLC0415  # only for scripts

                tasks.start_soon(partial(run_script, session, arguments.steps, stay=arguments.stay))
            if user is not None:
                tasks.start_soon(session.send_typed)
                tasks.start_soon(user.keyboard)
                tasks.start_soon(user.keep_status)
                tasks.start_soon(user.obey_signals)
                if session.options.exit_after != float("inf"):
                    tasks.start_soon(session.end_when_silent)
            elif arguments.interactive:
                tasks.start_soon(_send_input, session, piped_newline)


async def _send_input(session: Session, newline: bytes | None) -> None:
    """Send what a pipe or a file holds; then end the session, if the options say when."""
    is_pollable = True
    while True:
        if is_pollable:
            try:
                await anyio.wait_readable(STDIN)
            except OSError as exc:
                if exc.errno != errno.EPERM:
                    raise
                is_pollable = False  # a file, or /dev/null: epoll refuses it, and reading never waits
        data = os.read(STDIN, 65536)
        if not data:
            break
        await session.send(data if newline is None else map_sent(data, newline))
    if session.options.exit_after != float("inf"):
        if session.port is not None:
            await session.port.drain()
        await session.end_when_silent()
