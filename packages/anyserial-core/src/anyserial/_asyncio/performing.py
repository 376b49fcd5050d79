"""The runner around the engine for a caller that waits in its thread: the serial object of a transport.

The steps are in `_port.operations`; `_port.engine` says what is undone. A worker makes the calls.
"""

import time
from _thread import allocate_lock
from functools import partial
from typing import TYPE_CHECKING, Any

from anyserial import _workers
from anyserial._port.closing import GRACE
from anyserial._port.engine import Call, Engine
from anyserial._workers import Job
from anyserial.exceptions import SerialDisconnectedError

if TYPE_CHECKING:
    from anyserial._port.engine import Steps
    from anyserial._port.open_port import OpenPort

__all__ = ("perform",)


def perform[T](port: "OpenPort", steps: "Steps[T]") -> T:
    """Carry out *steps* on a worker, and wait."""
    lifecycle = port.lifecycle
    engine = Engine(steps)
    ticket = object()
    job: Job | None = None
    try:
        lifecycle.enter(ticket, None)
        while (step := engine.next()) is not None:
            if isinstance(step, Call):
                job = _made(port, step, engine)
            else:
                begun = time.monotonic()
                time.sleep(step)
                engine.result(time.monotonic() - begun)
            if lifecycle.state:
                engine.interrupt(lifecycle.refusal())
        return engine.outcome()
    except SerialDisconnectedError as exc:
        port.unplug(exc)
        raise
    finally:
        steps.close()
        if engine.undo is not None and job is not None:
            _undo(port, job, engine.undo)
        lifecycle.leave(ticket)


def _made(port: "OpenPort", call: Call, engine: "Engine[Any]") -> Job:
    """Have a worker make *call*, and wait for it."""
    done = allocate_lock()
    done.acquire()
    job = Job(call.function, done.release, guard=call.guard, skippable=call.guard is not None)
    port.lifecycle.enter(job, None)
    job.afterwards.append(partial(port.lifecycle.leave, job))
    _workers.post(job)
    try:
        done.acquire()
    except BaseException:
        job.unwanted = True
        raise
    if job.error is not None:
        engine.error(job.error)
    else:
        engine.result(job.result)
    return job


def _undo(port: "OpenPort", job: Job, undo: Any) -> None:
    """Have a worker call *undo* after *job*, and wait for it, but not for long."""
    done = allocate_lock()
    done.acquire()
    port.lifecycle.calls[undo] = None
    job.give_up(undo, partial(port.lifecycle.leave, undo), done.release)
    done.acquire(timeout=GRACE)
