"""Runs the steps of a script on a session, and says how it ended by the exit status."""

from typing import TYPE_CHECKING

import anyio
from anyserial import SerialError

from anyserial_cli._main import DONE, FAILED
from anyserial_cli._screen import describe
from anyserial_cli._term._protocols import TransferError, receiving, sending
from anyserial_cli._term._script import Break, Expect, Fail, File, Lines, Matcher, Pause, Send, Step
from anyserial_cli._term._transfer import transfer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyserial import SerialPort

    from anyserial_cli._term._session import Session

__all__ = ("NOT_SEEN", "REFUSED", "run_script")

NOT_SEEN = 4  # an expected pattern did not come in time
REFUSED = 5  # a pattern of `fail` came
SHOWN = 60  # bytes of what came last, in the message


async def run_script(session: "Session", steps: "Sequence[Step]", *, stay: bool) -> None:
    """Run *steps*, then end the session with their exit status; with *stay*, end it only if a step fails."""
    status = await _Running(session).run(steps)
    if stay and status == DONE:
        session.script = None
        session.tell("the script is done")
        return
    session.status = status
    session.scope.cancel()


class _Running:
    def __init__(self, session: "Session") -> None:
        self._session = session
        self._matcher = Matcher()
        self._came = anyio.Event()
        session.script = self._take

    def _take(self, data: bytes) -> None:
        self._matcher.feed(data)
        self._came.set()

    async def run(self, steps: "Sequence[Step]") -> int:
        await self._session.wait_connected()
        for step in steps:
            try:
                status = await self._do(step)
            except (SerialError, TransferError) as exc:
                self._session.tell(describe(exc))
                return FAILED
            if status != DONE:
                return status
        port = self._session.port
        if port is not None:
            await port.drain()
        return DONE

    async def _do(self, step: Step) -> int:
        match step:
            case Expect():
                return await self._expect(step)
            case Fail():
                self._matcher.fail_on(step)
                return self._refused()
            case Send():
                encoding = self._session.view.settings.encoding
                data = step.text.encode(encoding, "replace")
                await self._session.send(data + self._session.newline if step.line else data)
            case File():
                plan = sending if step.verb == "send" else receiving
                await transfer(self._session, plan(step.protocol, step.path))
            case Pause():
                await anyio.sleep(step.seconds)
            case Break():
                await (await self._port()).send_break()
            case Lines():
                await (await self._port()).set_control_lines(**{step.name: step.is_on})
        return DONE

    async def _port(self) -> "SerialPort":
        return await self._session.wait_connected()

    async def _expect(self, step: Expect) -> int:
        with anyio.move_on_after(step.timeout):
            while True:
                # Before the pattern: a prompt may follow the sign that something went wrong.
                if self._refused() != DONE:
                    return REFUSED
                if self._matcher.match(step.pattern):
                    return DONE
                self._came = anyio.Event()
                await self._came.wait()
        rest = self._matcher.rest[-SHOWN:]
        came = f"the last that came is {rest!r}" if rest else "nothing came"
        self._session.tell(f"expected {step.text!r}, which did not come within {step.timeout:g} s; {came}")
        return NOT_SEEN

    def _refused(self) -> int:
        step = self._matcher.failed()
        if step is None:
            return DONE
        self._session.tell(f"{step.text!r} came, which fails the script")
        return REFUSED
