"""Sends or receives one file: passes bytes between the port and a program of lrzsz, and shows the progress."""

import contextlib
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.abc
from anyserial import SerialError

from anyserial_cli._screen import describe
from anyserial_cli._term._pacing import paced
from anyserial_cli._term._protocols import CANCEL, Plan, TransferError, progress, size_in, without_xon_xoff

if TYPE_CHECKING:
    from anyserial import SerialPort

    from anyserial_cli._term._session import Session

__all__ = ("transfer",)

PIECE = 1024  # bytes of a raw file sent at once
INTERVAL = 0.2  # seconds between two lines of progress
HEAD = 4096  # received bytes that are searched for the file's size
LAST_WORDS = 1.0  # seconds that a cancelled transfer has to tell the device


async def transfer(session: "Session", plan: Plan) -> None:
    """Send or receive a file. What the device sends meanwhile is the protocol's, and is not shown.

    Raises:
        TransferError: It failed; the message says why.

    Cancellation: the device is informed, if the protocol can do that. A part of the file may have been sent, or
    may be in the folder.
    """
    port = session.port
    if port is None:
        raise TransferError("the device is away")
    if port.config.flow_control.xon_xoff and plan.protocol != "raw":
        plan = without_xon_xoff(plan)
    running = _Transfer(session, port, plan)
    async with session.sending:
        try:
            await running.run()
        except SerialError as exc:
            raise TransferError(describe(exc)) from exc
        finally:
            session.diverted = None
            session.sent += running.sent
            session.end_progress()
    session.tell(f"{plan.what}: done in {time.monotonic() - running.began:.1f} s")


class _Transfer:
    def __init__(self, session: "Session", port: "SerialPort", plan: Plan) -> None:
        self.session = session
        self.port = port
        self.plan = plan
        self.began = time.monotonic()
        self.sent = self.received = 0
        self._total = plan.total
        self._head = b""
        self._is_gone = False

    @property
    def done(self) -> int:
        """The bytes that count for progress: those that go the way of the file."""
        return self.received if self.plan.total is None else self.sent

    async def run(self) -> None:
        failure: TransferError | SerialError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._show, tasks.cancel_scope)
            try:
                await (self._speak() if self.plan.command else self._send_as_it_is())
            except (TransferError, SerialError) as exc:
                failure = exc
            except OSError as exc:
                failure = TransferError(describe(exc))
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if self._is_gone:
            raise TransferError("the device went away")

    async def _show(self, scope: anyio.CancelScope) -> None:
        while True:
            await anyio.sleep(INTERVAL)
            if self.session.port is not self.port:
                self._is_gone = True
                scope.cancel()
                return
            taken = time.monotonic() - self.began
            self.session.show_progress(progress(self.plan, self.done, self._total, taken))

    async def _send(self, data: bytes) -> None:
        await self.port.send(data)
        self.sent += len(data)

    async def _send_as_it_is(self) -> None:
        options = self.session.options
        async with await anyio.open_file(self.plan.path, "rb") as file:
            while data := await file.read(PIECE):
                for piece, pause in paced(data, options.char_delay, options.line_delay):
                    await self._send(piece)
                    if pause:
                        await anyio.sleep(pause)
        await self.port.drain()

    async def _speak(self) -> None:
        """Let the program and the device talk to each other."""
        early: list[bytes] = []  # what comes before the program has started
        stdin: anyio.abc.ByteSendStream | None = None

        async def take(data: bytes) -> None:
            self.received += len(data)
            if self._total is None and len(self._head) < HEAD:
                self._head += data
                self._total = size_in(self._head)
            if stdin is None:
                early.append(data)
                return
            with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await stdin.send(data)  # it may have ended already

        self.session.diverted = take
        process = await anyio.open_process(
            self.plan.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.plan.folder,
            start_new_session=True,  # the keyboard's signals are not for it
        )
        if process.stdin is None or process.stdout is None:
            raise TransferError(f"{self.plan.command[0]} has no standard input and output")
        try:
            while early:
                data = b"".join(early)
                early.clear()
                with contextlib.suppress(anyio.BrokenResourceError):
                    await process.stdin.send(data)
            stdin = process.stdin
            async for data in process.stdout:
                await self._send(data)
            status = await process.wait()
        except BaseException:
            await self._give_up(process)
            raise
        finally:
            self.session.diverted = None
            with anyio.CancelScope(shield=True):
                await process.aclose()
        if status:
            reason = signal.strsignal(-status) if status < 0 else f"exit status {status}"
            name, program = self.plan.protocol.upper(), Path(self.plan.command[0]).name
            raise TransferError(f"{self.plan.what} by {name} failed ({program}: {reason})")

    async def _give_up(self, process: "anyio.abc.Process") -> None:
        """End the program, and tell the device that nothing more comes."""
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with anyio.move_on_after(LAST_WORDS, shield=True), contextlib.suppress(SerialError):
            await self._send(CANCEL)
