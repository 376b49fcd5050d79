"""Leases on a backend, and the job that closes it once the last is back."""

import threading
from collections.abc import Iterator

import pytest
from anyserial import _offload
from anyserial._closing import ClosingJob, Leases
from anyserial.config import SerialConfig
from anyserial.exceptions import SerialError, UnsupportedFeatureError
from backends import Far, PtyBackend


@pytest.fixture
def opened(far: Far) -> Iterator[PtyBackend]:
    """An open backend, with a hold on the threads as a port has it."""
    backend = PtyBackend()
    backend.open(far.path, SerialConfig())
    _offload.hold()
    yield backend
    assert not backend.is_open


def test_a_retired_backend_gives_no_more_leases() -> None:
    leases, started = Leases(), list[bool]()
    assert leases.acquire()
    assert leases.retire(lambda: started.append(True))
    assert not leases.acquire()
    assert started == []
    leases.extend()
    leases.release()
    assert started == []
    leases.release()
    assert started == [True]
    assert not leases.retire(lambda: started.append(False))
    assert started == [True]


def test_an_idle_backend_is_retired_at_once() -> None:
    leases, started = Leases(), list[bool]()
    assert leases.acquire()
    leases.release()
    assert leases.retire(lambda: started.append(True))
    assert started == [True]


def test_the_close_waits_for_what_blocks_it(opened: PtyBackend) -> None:
    job, leases, blocker, done = ClosingJob(opened, linger=0), Leases(), threading.Event(), threading.Event()
    job.on_finish(done.set)
    job.start(leases, after=[blocker])
    assert opened.is_open
    blocker.set()
    assert done.wait(5)
    assert job.finished
    assert job.error is None


def test_an_event_loop_that_never_comes_round_does_not_keep_it_open(opened: PtyBackend) -> None:
    job, done = ClosingJob(opened, linger=0), threading.Event()
    job.on_finish(done.set)
    job.start(Leases(), after=[threading.Event()])
    assert done.wait(5)


@pytest.mark.parametrize("error", [UnsupportedFeatureError("cannot tell"), SerialError(5, "broken")])
def test_a_queue_that_cannot_be_looked_at_is_not_waited_for(opened: PtyBackend, error: SerialError) -> None:
    def fail() -> None:
        raise error

    opened.hooks["output_waiting"] = fail
    job, done = ClosingJob(opened, linger=60), threading.Event()
    job.on_finish(done.set)
    job.start(Leases())
    assert done.wait(5)
    assert job.error is None


def test_hurry_ends_the_wait(opened: PtyBackend) -> None:
    opened.queued = 1
    looked, done = threading.Event(), threading.Event()
    opened.hooks["output_waiting"] = looked.set
    job = ClosingJob(opened, linger=60)
    job.on_finish(done.set)
    job.start(Leases())
    assert looked.wait(5)
    assert not done.is_set()
    job.hurry()
    assert done.wait(5)


def test_who_asks_after_the_end_is_told_at_once(opened: PtyBackend) -> None:
    job, told = ClosingJob(opened, linger=0), list[bool]()
    job.run()
    job.on_finish(lambda: told.append(True))
    assert told == [True]


def test_an_error_is_kept_for_who_asks(far: Far) -> None:
    backend = PtyBackend()
    backend.open(far.path, SerialConfig())
    _offload.hold()
    close = backend.close

    def fail() -> None:
        raise SerialError(5, "unhappy")

    backend.hooks["close"] = fail
    job = ClosingJob(backend, linger=0)
    job.run()
    assert job.finished
    assert str(job.error) == "[Errno 5] unhappy"
    backend.hooks.clear()
    close()
