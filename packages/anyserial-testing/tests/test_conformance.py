"""The conformance suite: good backends pass it, and for every check there is a broken one that fails it."""

import errno
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, override

import anyio
import pytest
from anyserial import RS485Config, SerialConfig, SerialDisconnectedError, SerialError, UnsupportedConfigurationError
from anyserial.exceptions import PortNotFoundError, UnsupportedFeatureError
from anyserial.testing import BackendBench, ConformanceError, MockBackend, check_backend
from anyserial_testing._conformance import common, descriptor, running, self_waiting
from anyserial_testing._conformance.clauses import CLAUSES, NOT_CHECKED

if TYPE_CHECKING:
    from anyserial.backend import AsyncSerialBackend, SerialBackend

LIMIT = 0.4
REFUSED = SerialConfig(rs485=RS485Config())


class Mock(MockBackend):
    """A mock that also refuses something, so that every check has something to look at."""

    @override
    def open(self, path: str, config: SerialConfig) -> None:
        if path == "missing":
            raise PortNotFoundError(errno.ENOENT, "not there", path)
        super().open(path, config)

    @override
    def configure(self, config: SerialConfig) -> None:
        if config.rs485 is not None:
            raise UnsupportedConfigurationError(errno.EINVAL, "refused", self.path)
        super().configure(config)

    def read_onto(self, items: list[bytes], max_bytes: int) -> bool:
        data = self.read(max_bytes)
        if data is not None:
            items.append(data)
        return data is not None

    def write_onto(self, counts: list[int], data: bytes | memoryview) -> bool:
        count = self.write(data)
        if count is not None:
            counts.append(count)
        return count is not None


class OwnMock:
    """The same as an `AsyncSerialBackend`: waits for the mock's descriptor by itself."""

    def __init__(self, inner: Mock) -> None:
        self.inner = inner

    @property
    def kind(self) -> Literal["self-waiting"]:
        return "self-waiting"

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.inner, name)
        if not callable(member) or name in {"input_waiting", "output_waiting"}:
            return member

        async def call(*args: Any, **named: Any) -> Any:
            await anyio.lowlevel.checkpoint()
            return member(*args, **named)

        return call

    async def receive(self, max_bytes: int) -> bytes:
        await anyio.lowlevel.checkpoint_if_cancelled()
        while (data := self.inner.read(max_bytes)) is None:
            await anyio.wait_readable(self.inner.fileno())
        return data

    async def send(self, data: bytes | memoryview) -> int:
        await anyio.lowlevel.checkpoint_if_cancelled()
        while (count := self.inner.write(data)) is None:
            await anyio.wait_writable(self.inner.fileno())
        return count

    async def drain_exact(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        if self.inner.is_open:
            anyio.notify_closing(self.inner.fileno())
        self.inner.close()


def bench(cls: type[Mock], own: Callable[[Mock], Any] | None = None) -> BackendBench:
    near, far = cls.pair()
    Mock.open(far, "far", SerialConfig())
    backend: SerialBackend | AsyncSerialBackend = near if own is None else own(near)

    def hang_up() -> None:
        MockBackend.close(far)

    def close() -> None:
        MockBackend.close(far)
        MockBackend.close(near)

    return BackendBench(
        backend=backend,
        path="/dev/mock",
        send=lambda data: MockBackend.write(far, data),
        receive=lambda count: MockBackend.read(far, count) or b"",
        hang_up=hang_up,
        close=close,
        missing="missing",
        refused=REFUSED,
    )


@pytest.mark.parametrize("runtime", ["asyncio", "trio"])
@pytest.mark.parametrize("own", [None, OwnMock])
def test_the_mock_passes(own: Callable[[Mock], Any] | None, runtime: str) -> None:
    report = check_backend(lambda: bench(Mock, own), anyio_backend=runtime)
    assert [result for result in report.results if result.outcome != "passed"] == []
    assert str(report).splitlines()[0] == "B1  passed   kind_is_declared"


def test_what_the_bench_lacks_is_skipped() -> None:
    def least() -> BackendBench:
        full = bench(Mock)
        return BackendBench(
            backend=full.backend, path=full.path, send=full.send, receive=full.receive, close=full.close
        )

    skipped = {result.clause for result in check_backend(least).results if result.outcome == "skipped"}
    assert skipped == {"B4", "B8", "B9", "B10", "D6", "D9"}


# For every check a backend that breaks its clause, and only what follows from it: (check, members).

type Broken = dict[str, Any]


def _fails(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def _then(name: str, change: Callable[[Any], Any]) -> Callable[..., Any]:
    """The mock's own method, with its result changed."""
    original = getattr(Mock, name)

    def method(self: Mock, *args: Any, **named: Any) -> Any:
        return change(original(self, *args, **named))

    return method


def _always(value: object) -> Callable[..., Any]:
    def method(*_: Any, **__: Any) -> Any:
        return value

    return method


def _opens_another(_: Mock) -> int:
    return os.open("/dev/null", os.O_RDONLY)


def _decodes_nothing(_: Mock) -> Callable[[bytes], list[bytes]]:
    return lambda data: [data]


def _opens_before_it_fails(self: Mock, path: str, config: SerialConfig) -> None:
    MockBackend.open(self, path, config)
    if path == "missing":
        raise PortNotFoundError(errno.ENOENT, "not there", path)


def _applies_before_it_refuses(self: Mock, config: SerialConfig) -> None:
    MockBackend.configure(self, config.with_changes(baudrate=300) if config.rs485 else config)
    if config.rs485 is not None:
        raise UnsupportedConfigurationError(errno.EINVAL, "refused", self.path)


def _sets_both(self: Mock, *, rts: bool | None = None, dtr: bool | None = None) -> None:
    MockBackend.set_control_lines(self, rts=bool(rts), dtr=bool(dtr))


def _flushes(self: Mock, config: SerialConfig) -> None:
    Mock.configure(self, config)
    self.reset_input_buffer()


def _waits_for_input(self: Mock, max_bytes: int) -> bytes | None:
    deadline = time.monotonic() + 3 * LIMIT
    while (data := Mock.read(self, max_bytes)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return data


def _keeps_the_descriptor(self: Mock) -> None:
    self.kept = os.dup(self.fileno()) if self.is_open else None  # type: ignore[attr-defined]
    number = self.fileno() if self.is_open else None
    MockBackend.close(self)
    if number is not None and self.kept is not None:  # type: ignore[attr-defined]
        os.dup2(self.kept, number)  # type: ignore[attr-defined]
        os.close(self.kept)  # type: ignore[attr-defined]
        LEAKED.append(number)


LEAKED: list[int] = []


def _is_not_for_threads(self: Mock, config: SerialConfig) -> None:
    import threading  # noqa: PLC0415

    if threading.current_thread().name != "anyserial check_backend":
        raise SerialError(errno.EIO, "wrong thread", self.path)
    Mock.configure(self, config)


def _raises_if_gone(self: Mock) -> None:
    gone = self.is_open and self.hung_up()
    MockBackend.close(self)
    if gone:
        raise SerialDisconnectedError(errno.ENODEV, "gone", self.path)


UNSUPPORTED = UnsupportedFeatureError(errno.ENOTTY, "not here", "/dev/mock")

DESCRIPTOR_FAULTS: list[tuple[str, Broken]] = [
    ("kind_is_declared", {"kind": "descriptive"}),
    ("path_is_what_was_opened", {"path": "/dev/other"}),
    ("is_open_follows", {"is_open": True}),
    ("failed_open_leaves_nothing", {"open": _opens_before_it_fails}),
    ("rate_is_applied", {"actual_baudrate": 1200}),
    ("capabilities_before_open", {"capabilities": None}),
    ("features_are_as_declared", {"modem_lines": _fails(UNSUPPORTED)}),
    ("failure_has_errno_and_path", {"read": _fails(SerialError("no errno"))}),
    ("gone_is_a_disconnect", {"write": _fails(SerialError(errno.EIO, "failed", "/dev/mock"))}),
    ("refused_settings_change_nothing", {"configure": _applies_before_it_refuses}),
    ("bytes_arrive_as_sent", {"read": _then("read", lambda data: data and data.replace(b"\r", b"\n"))}),
    ("input_is_discarded", {"reset_input_buffer": _always(None)}),
    ("lines_are_set_one_by_one", {"set_control_lines": _sets_both}),
    ("settings_keep_the_input", {"configure": _flushes}),
    ("read_returns_what_is_there", {"read": _then("read", lambda data: data or b"")}),
    ("read_into_writes_to_the_buffer", {"read_into": _then("read_into", lambda count: count or 0)}),
    ("write_returns_what_was_taken", {"write": _then("write", lambda count: count and count + 1)}),
    ("nothing_blocks", {"read": _waits_for_input}),
    ("descriptor_tells_of_input", {"fileno": _opens_another}),
    ("hang_up_is_told", {"hung_up": _always(False)}),
    ("input_is_counted", {"input_waiting": _then("input_waiting", lambda count: count and count + 1)}),
    ("output_leaves", {"transmitter_empty": _always("yes")}),
    ("close_closes_and_nothing_else", {"close": _keeps_the_descriptor}),
    ("close_of_a_gone_device", {"close": _raises_if_gone}),
    (
        "decoder_keeps_the_bytes",
        {"line_decoder": property(_decodes_nothing)},
    ),
    ("steps_onto_lists", {"read_onto": _always(True)}),
    ("other_threads_may_call", {"configure": _is_not_for_threads}),
]


def _outcomes(make: Callable[[], BackendBench], limit: float) -> dict[str, str]:
    try:
        report = check_backend(make, limit=limit)
    except ConformanceError as error:
        report = error.report
    return {result.check: result.outcome for result in report.results}


def only(checks: Any, name: str) -> Any:
    return tuple((clause, check) for clause, check in checks if check.__name__ == name)


def _run_one(
    monkeypatch: pytest.MonkeyPatch, name: str, make: Callable[[], BackendBench], limit: float = LIMIT
) -> dict[str, str]:
    """Run the one check, as a whole run with every broken backend takes minutes."""
    monkeypatch.setattr(running, "COMMON", only(common.COMMON, name))
    monkeypatch.setattr(running, "DESCRIPTOR", only(descriptor.DESCRIPTOR, name))
    monkeypatch.setattr(running, "SELF_WAITING", only(self_waiting.SELF_WAITING, name))
    return _outcomes(make, limit)


@pytest.mark.parametrize(("check", "members"), DESCRIPTOR_FAULTS, ids=[name for name, _ in DESCRIPTOR_FAULTS])
def test_check_fails_for_its_fault(check: str, members: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    broken: type[Mock] = type("Broken", (Mock,), members)
    opened: list[int] = []
    if "fileno" in members:
        fileno = members["fileno"]

        def tracked(self: Mock) -> int:
            Mock.fileno(self)
            opened.append(fileno(self))
            return opened[-1]

        setattr(broken, "fileno", tracked)  # noqa: B010
    try:
        assert _run_one(monkeypatch, check, lambda: bench(broken)) == {check: "failed"}
        assert _run_one(monkeypatch, check, lambda: bench(Mock), 10) == {check: "passed"}
    finally:
        for number in (*opened, *LEAKED):
            os.close(number)
        LEAKED.clear()


class SwallowsBytes(OwnMock):
    """Reads, and then waits before it returns."""

    @override
    async def receive(self, max_bytes: int) -> bytes:
        data = await super().receive(max_bytes)
        await anyio.lowlevel.checkpoint()
        return data


class ReturnsNothing(OwnMock):
    @override
    async def receive(self, max_bytes: int) -> bytes:
        await anyio.lowlevel.checkpoint()
        return self.inner.read(max_bytes) or b""


class CountsNothing(OwnMock):
    @override
    async def send(self, data: bytes | memoryview) -> int:
        await super().send(data)
        return 0


class AwaitsQueries(OwnMock):
    async def input_waiting(self) -> int:
        return 0


class ClosesLate(OwnMock):
    @override
    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()
        await super().aclose()


class ForgetsTheReceive(OwnMock):
    @override
    async def receive(self, max_bytes: int) -> bytes:
        while True:
            await anyio.sleep(0.005)
            if self.inner.is_open and (data := self.inner.read(max_bytes)):
                return data

    @override
    async def aclose(self) -> None:
        self.inner.close()


class NeverDrained(OwnMock):
    def output_waiting(self) -> int:
        return 1


class HalfOpen(OwnMock):
    async def open(self, path: str, config: SerialConfig) -> None:
        MockBackend.open(self.inner, path, config)
        self.is_deaf = True
        await anyio.lowlevel.checkpoint()
        self.is_deaf = False

    @override
    async def receive(self, max_bytes: int) -> bytes:
        if self.is_deaf:
            await anyio.sleep_forever()
        return await super().receive(max_bytes)


SELF_WAITING_FAULTS: list[tuple[str, type[OwnMock]]] = [
    ("receive_waits_and_returns", ReturnsNothing),
    ("cancelled_receive_loses_nothing", SwallowsBytes),
    ("send_returns_what_was_taken", CountsNothing),
    ("queries_are_plain", AwaitsQueries),
    ("cancelled_close_releases", ClosesLate),
    ("close_ends_a_receive", ForgetsTheReceive),
    ("drains_wait", NeverDrained),
    ("cancelled_open_leaves_nothing", HalfOpen),
]


@pytest.mark.parametrize(("check", "broken"), SELF_WAITING_FAULTS, ids=[name for name, _ in SELF_WAITING_FAULTS])
def test_self_waiting_check_fails_for_its_fault(
    check: str, broken: type[OwnMock], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run_one(monkeypatch, check, lambda: bench(Mock, broken)) == {check: "failed"}
    assert _run_one(monkeypatch, check, lambda: bench(Mock, OwnMock), 10) == {check: "passed"}


def test_the_error_lists_what_is_broken() -> None:
    broken: type[Mock] = type("Broken", (Mock,), {"path": "/dev/other", "kind": "descriptive"})
    with pytest.raises(ConformanceError) as caught:
        check_backend(lambda: bench(broken), limit=LIMIT)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("the backend fails ")
    assert (
        "  B2 (`path` is the path that was opened), path_is_what_was_opened:"
        " path is '/dev/other' after opening '/dev/mock'"
    ) in lines
    assert len(lines) == 1 + len(caught.value.report.failures)


def test_every_check_has_a_planted_fault() -> None:
    checks = [check.__name__ for _, check in (*common.COMMON, *descriptor.DESCRIPTOR, *self_waiting.SELF_WAITING)]
    assert [name for name, _ in (*DESCRIPTOR_FAULTS, *SELF_WAITING_FAULTS)] == checks


def test_every_clause_is_checked_or_said_not_to_be() -> None:
    checked = {clause for clause, _ in (*common.COMMON, *descriptor.DESCRIPTOR, *self_waiting.SELF_WAITING)}
    assert checked | NOT_CHECKED.keys() == CLAUSES.keys()
    assert checked & NOT_CHECKED.keys() == set()
