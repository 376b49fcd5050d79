"""Runs the checks, each on a bench of its own and on a thread of its own, and reports. No check belongs here."""

import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
from anyserial._spi import check_seconds

from anyserial_testing._conformance.clauses import CLAUSES
from anyserial_testing._conformance.common import COMMON
from anyserial_testing._conformance.descriptor import DESCRIPTOR
from anyserial_testing._conformance.self_waiting import SELF_WAITING
from anyserial_testing._conformance.subject import (
    BackendBench,
    BackendReport,
    CheckResult,
    ConformanceError,
    Skipped,
    Subject,
    settled,
)

__all__ = ("check_backend",)

type _Check = Callable[[Subject], Awaitable[None]]


def check_backend(
    factory: Callable[[], BackendBench], *, limit: float = 5.0, anyio_backend: str = "asyncio"
) -> BackendReport:
    """Check whether a backend keeps the contract of ``anyserial.backend``.

    Each check gets a bench of its own from *factory*. It needs no pytest; call it in a test, or in a program.

    Args:
        factory: Returns a new `BackendBench`, whose backend is not open.
        limit: Seconds that one check may take, above 0. A backend that blocks fails the check by it.
        anyio_backend: The event loop for the checks, ``"asyncio"`` or ``"trio"``.

    Returns:
        What the checks found, if none failed.

    Raises:
        ConformanceError: A check failed. The message names each clause that is broken and says how; `report`
            has all results.
        Exception: What *factory* raised.
    """
    check_seconds("limit", limit, zero=False)
    results: list[CheckResult] = []
    first = factory()
    own = getattr(first.backend, "kind", None) == "self-waiting"
    _run_limited(lambda: settled(first.close()), limit, anyio_backend)
    for clause, check in (*COMMON, *(SELF_WAITING if own else DESCRIPTOR)):
        results.append(_checked(clause, check, factory(), limit, anyio_backend))
    report = BackendReport(tuple(results))
    if failures := report.failures:
        lines = (f"  {entry.clause} ({CLAUSES[entry.clause]}), {entry.check}: {entry.message}" for entry in failures)
        count = f"{len(failures)} of {len(results)} checks"
        raise ConformanceError("\n".join((f"the backend fails {count}:", *lines)), report)
    return report


def _checked(clause: str, check: _Check, bench: BackendBench, limit: float, anyio_backend: str) -> CheckResult:
    name = getattr(check, "__name__", repr(check))

    async def run() -> None:
        subject = Subject(bench)
        try:
            with anyio.fail_after(limit):
                await check(subject)
        finally:
            # A broken backend may break here as well; the check has said what is wrong.
            with anyio.CancelScope(shield=True), suppress(Exception):
                if subject.backend.is_open:
                    await subject.close()
            with anyio.CancelScope(shield=True):
                await settled(bench.close())

    error = _run_limited(run, limit, anyio_backend)
    if error is None:
        return CheckResult(name, clause, "passed")
    if isinstance(error, Skipped):
        return CheckResult(name, clause, "skipped", str(error))
    if isinstance(error, TimeoutError):
        return CheckResult(name, clause, "failed", f"it takes longer than {limit:g} s, or never ends")
    message = str(error) if isinstance(error, AssertionError) else f"it raises {error!r}"
    return CheckResult(name, clause, "failed", message)


def _run_limited(function: Callable[[], Awaitable[object]], limit: float, anyio_backend: str) -> BaseException | None:
    """Await what *function* returns on a thread of its own, which is left behind if it blocks; return its error."""
    errors: list[BaseException] = []

    async def main() -> None:
        await function()

    def run() -> None:
        try:
            anyio.run(main, backend=anyio_backend)
        except BaseExceptionGroup as group:
            errors.append(_first(group))
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, name="anyserial check_backend", daemon=True)
    thread.start()
    thread.join(limit + 1.0)
    if thread.is_alive():
        return TimeoutError()
    return errors[0] if errors else None


def _first(error: BaseException) -> BaseException:
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return _first(inner[0]) if inner else error
