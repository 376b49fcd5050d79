"""``anyserial virtual``: a port without hardware, left running at a path."""

import errno
import os
import sys
import tty
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from anyserial_cli._main import DONE, Command

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Coroutine

    from anyserial_cli._main import Parser

__all__ = ("COMMAND",)

DESCRIPTION = """\
Keep a virtual serial port running until Ctrl-C, so that programs can be tried without
hardware. Its path is printed first.

  anyserial virtual                         an instrument: *IDN?  MEAS?  BAUD?  SLEEP
  anyserial virtual echo                    everything that is sent comes back
  anyserial virtual pair                    two ports, joined
  anyserial virtual --link ~/instrument     at a path of your choice

The ports are pseudo-terminals: they take every setting, and have no modem lines.
"""

EPILOG = """\
exit status:
  0    ended by SIGTERM
  1    a pseudo-terminal or the link could not be made; the message says why
  2    the arguments are wrong
  130  ended by Ctrl-C
"""

KINDS = ("instrument", "echo", "pair")


def _add_arguments(parser: "Parser") -> None:
    parser.add_argument("kind", nargs="?", choices=KINDS, default="instrument", help="what answers (instrument)")
    parser.add_argument(
        "--link",
        metavar="PATH",
        action="append",
        default=[],
        help="a symbolic link to the port, removed at the end; for a pair, one for each port",
    )


def _run(arguments: "argparse.Namespace") -> int:
    import anyio  # noqa: PLC0415  # not for --help

    parser: Parser = arguments.parser
    most = 2 if arguments.kind == "pair" else 1
    if len(arguments.link) > most:
        parser.refuse("--link", f"{arguments.kind} has {most} port{'s' if most > 1 else ''}")
    if len({Path(link).expanduser().absolute() for link in arguments.link}) < len(arguments.link):
        parser.refuse("--link", "each port needs a path of its own")
    return anyio.run(_serve, arguments.kind, arguments.link)


async def _serve(kind: str, links: list[str]) -> int:
    import signal  # noqa: PLC0415

    import anyio  # noqa: PLC0415

    from anyserial_cli._instrument import Instrument  # noqa: PLC0415

    tasks: list[Callable[[], Coroutine[Any, Any, None]]] = []
    with ExitStack() as stack:
        if kind == "instrument":
            instrument = stack.enter_context(Instrument("SN0001"))
            paths = [instrument.path]
            tasks.append(instrument.serve)
        else:
            ends = [stack.enter_context(_Pty()) for _ in range(2 if kind == "pair" else 1)]
            paths = [end.path for end in ends]
            tasks.append(_copier(ends[0].far, ends[-1].far))
            if kind == "pair":
                tasks.append(_copier(ends[1].far, ends[0].far))
        for path, link in zip(paths, links, strict=False):
            _link(link, path, stack)
        # Before the paths are printed: a program that has read them may end this at once.
        signals = stack.enter_context(anyio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP))
        for number, path in enumerate(paths):
            print(links[number] if number < len(links) else path, flush=True)
        if sys.stderr.isatty():
            print("Ctrl-C ends it.", file=sys.stderr, flush=True)
        async with anyio.create_task_group() as group:
            for task in tasks:
                group.start_soon(task)
            await anext(signals)
            group.cancel_scope.cancel()
    return DONE


class _Pty:
    """A pseudo-terminal whose near end is kept open, so that programs can come and go."""

    def __init__(self) -> None:
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        os.set_blocking(self.far, False)
        self.path = os.ttyname(self._near)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.far)
        os.close(self._near)


def _copier(source: int, target: int) -> "Callable[[], Coroutine[Any, Any, None]]":
    import anyio  # noqa: PLC0415

    async def copy() -> None:
        while True:
            await anyio.wait_readable(source)
            try:
                rest = os.read(source, 4096)
            except BlockingIOError:
                continue
            while rest:
                try:
                    rest = rest[os.write(target, rest) :]
                except BlockingIOError:
                    # Nobody reads there: what comes waits in the kernel, and the sender with it.
                    await anyio.wait_writable(target)

    return copy


def _link(name: str, path: str, stack: ExitStack) -> None:
    """Make *name* lead to *path* until *stack* ends; a link to a pseudo-terminal or to nothing is replaced.

    Raises:
        OSError: There is something else, or the link cannot be made.
    """
    link = Path(name).expanduser()
    try:
        if link.is_symlink() and (not link.exists() or str(link.resolve()).startswith("/dev/pts/")):
            link.unlink()  # a run that was killed left it
        link.symlink_to(path)
    except FileExistsError:
        kind = "a link to another file" if link.is_symlink() else "a folder" if link.is_dir() else "a file"
        message = f"this is {kind}, which is not replaced: choose another path for --link, or remove it"
        raise FileExistsError(errno.EEXIST, message, name) from None
    except OSError as exc:
        raise OSError(exc.errno, f"the link cannot be made: {exc.strerror}", name) from exc

    def remove() -> None:
        # Only what was made here: another run may have taken the name.
        with suppress(OSError):
            if link.readlink() == Path(path):
                link.unlink()

    stack.callback(remove)


COMMAND = Command(
    name="virtual",
    summary="keep a virtual instrument, an echo or a pair running",
    description=DESCRIPTION,
    epilog=EPILOG,
    add_arguments=_add_arguments,
    run=_run,
)
