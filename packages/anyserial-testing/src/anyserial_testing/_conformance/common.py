"""The checks of the clauses that both kinds of backends keep: B1 and so on."""

import inspect
from contextlib import suppress
from dataclasses import fields

from anyserial.capabilities import Capability, ControlLines, LineCounters, ModemLines, SerialCapabilities
from anyserial.exceptions import SerialDisconnectedError, SerialError, UnsupportedFeatureError

from anyserial_testing._conformance.subject import Skipped, Subject, expect

__all__ = ("COMMON",)

_ALL_BYTES = bytes(range(256))
_COROUTINES = (
    "open",
    "configure",
    "reset_input_buffer",
    "reset_output_buffer",
    "drain",
    "set_break",
    "modem_lines",
    "control_lines",
    "set_control_lines",
    "line_counters",
)


async def kind_is_declared(subject: Subject) -> None:
    kind = getattr(subject.backend, "kind", None)
    expect(kind in {"descriptor", "self-waiting"}, f"kind is {kind!r}")
    own = kind == "self-waiting"
    for name in _COROUTINES:
        method = getattr(subject.backend, name, None)
        expect(method is not None, f"there is no {name}")
        expect(
            inspect.iscoroutinefunction(method) == own,
            f"{name} {'must' if own else 'must not'} be a coroutine function in a {kind} backend",
        )


async def path_is_what_was_opened(subject: Subject) -> None:
    await subject.open()
    path = subject.backend.path
    expect(path == subject.bench.path, f"path is {path!r} after opening {subject.bench.path!r}")


async def is_open_follows(subject: Subject) -> None:
    expect(not subject.backend.is_open, "is_open is true before open")
    await subject.open()
    expect(subject.backend.is_open, "is_open is false after open")
    await subject.close()
    expect(not subject.backend.is_open, "is_open is true after close")


async def failed_open_leaves_nothing(subject: Subject) -> None:
    if subject.bench.missing is None:
        raise Skipped("the bench has no path that is missing")
    error: BaseException | None = None
    try:
        await subject.call("open", subject.bench.missing, subject.bench.config)
    except SerialError as exc:
        error = exc
    expect(error is not None, f"open took {subject.bench.missing!r}")
    expect(not subject.backend.is_open, "is_open is true after a failed open")
    await subject.open()  # nothing of the failed one is in the way


async def rate_is_applied(subject: Subject) -> None:
    for baudrate in (9600, 115200):
        config = subject.bench.config.with_changes(baudrate=baudrate)
        if subject.backend.is_open:
            await subject.call("configure", config)
        else:
            await subject.open(config)
        actual = subject.backend.actual_baudrate
        near = actual is None or abs(actual - baudrate) <= baudrate * 0.02
        expect(near, f"actual_baudrate is {actual!r} after {baudrate} was applied")


async def capabilities_before_open(subject: Subject) -> None:
    capabilities = subject.backend.capabilities
    expect(isinstance(capabilities, SerialCapabilities), f"capabilities is {capabilities!r}")
    for field in fields(SerialCapabilities)[2:]:
        value = getattr(capabilities, field.name)
        expect(isinstance(value, Capability), f"capabilities.{field.name} is {value!r}")


async def features_are_as_declared(subject: Subject) -> None:
    await subject.open()
    capabilities = subject.backend.capabilities
    calls = (
        ("modem_lines", "modem_lines", (), ModemLines),
        ("modem_lines", "control_lines", (), ControlLines),
        ("break_signal", "set_break", (True,), type(None)),
        ("break_signal", "set_break", (False,), type(None)),
        ("input_waiting", "input_waiting", (), int),
        ("output_waiting", "output_waiting", (), int),
    )
    for feature, name, args, returned in calls:
        declared = getattr(capabilities, feature)
        try:
            result = await subject.call(name, *args)
        except UnsupportedFeatureError:
            expect(
                declared is not Capability.SUPPORTED,
                f"{feature} is SUPPORTED, and {name} raises UnsupportedFeatureError",
            )
        else:
            expect(declared is not Capability.UNSUPPORTED, f"{feature} is UNSUPPORTED, and {name} returns {result!r}")
            expect(isinstance(result, returned), f"{name} returns {result!r}")
    with suppress(UnsupportedFeatureError):
        counters = await subject.call("line_counters")
        expect(isinstance(counters, LineCounters), f"line_counters returns {counters!r}")


async def failure_has_errno_and_path(subject: Subject) -> None:
    await subject.open()
    await subject.hang_up()
    try:
        await _read_until_gone(subject)
    except SerialError as error:
        expect(error.errno is not None, f"errno is None in {error!r}")
        expect(error.filename == subject.bench.path, f"filename is {error.filename!r} in {error!r}")
    except Exception as error:  # what the check is about
        raise AssertionError(f"after a hang-up came {error!r}") from error


async def gone_is_a_disconnect(subject: Subject) -> None:
    await subject.open()
    await subject.hang_up()
    for name, use in (("reading", _read_until_gone), ("writing", _write_until_gone)):
        try:
            await use(subject)
        except SerialDisconnectedError:
            continue
        except Exception as error:  # what the check is about
            raise AssertionError(f"{name} from a device that is gone raises {error!r}") from error
    for name in ("configure", "reset_input_buffer", "modem_lines"):
        args = (subject.bench.config,) if name == "configure" else ()
        try:
            await subject.call(name, *args)
        except (SerialDisconnectedError, UnsupportedFeatureError):
            continue
        except Exception as error:  # what the check is about
            raise AssertionError(f"{name} of a device that is gone raises {error!r}") from error
        # A call that can succeed without the device has not noticed it.


async def _read_until_gone(subject: Subject) -> None:
    while True:
        await subject.read()


async def _write_until_gone(subject: Subject) -> None:
    while True:
        await subject.write(b"x")


async def refused_settings_change_nothing(subject: Subject) -> None:
    if subject.bench.refused is None:
        raise Skipped("the bench has no settings that are refused")
    await subject.open()
    before = subject.backend.actual_baudrate
    error: SerialError | None = None
    try:
        await subject.call("configure", subject.bench.refused)
    except SerialError as exc:
        error = exc
    expect(error is not None, f"configure took {subject.bench.refused!r}")
    after = subject.backend.actual_baudrate
    expect(before == after, f"actual_baudrate was {before} and is {after} after settings were refused")
    await subject.far_send(b"still here")
    expect(await subject.read_exactly(10) == b"still here", "the port does not receive after settings were refused")


async def bytes_arrive_as_sent(subject: Subject) -> None:
    await subject.open()
    for data in (_ALL_BYTES, _ALL_BYTES[::-1], b"\xff\xff\x00\xff", b"\x11\x13\x03\x04\x1a\r\n"):
        await subject.far_send(data)
        got = await subject.read_exactly(len(data))
        expect(got == data, f"received {_first_difference(got, data)}")
        await subject.write(data)
        got = await subject.far_receive(len(data))
        expect(got == data, f"sent, and the other end received {_first_difference(got, data)}")


def _first_difference(got: bytes, sent: bytes) -> str:
    at = next((at for at, (a, b) in enumerate(zip(got, sent, strict=False)) if a != b), len(got))
    return f"{got[at : at + 4].hex(' ')} instead of {sent[at : at + 4].hex(' ')} at byte {at} of {len(sent)}"


async def input_is_discarded(subject: Subject) -> None:
    await subject.open()
    await subject.far_send(b"old")
    await subject.arrived(3)
    try:
        if subject.waits_itself:
            # Only what has been received for certain can be discarded.
            await subject.far_send(b"!")
            await subject.read(1)
        await subject.call("reset_input_buffer")
    except UnsupportedFeatureError:
        raise Skipped("the backend cannot discard input") from None
    if not subject.waits_itself:
        stale = subject.backend.read(64)
        expect(stale is None, f"reset_input_buffer left {stale!r}")
    await subject.far_send(b"new")
    got = await subject.read_exactly(3)
    expect(got == b"new", f"{got!r} was received after reset_input_buffer and 'new'")


async def lines_are_set_one_by_one(subject: Subject) -> None:
    await subject.open()
    try:
        await subject.call("set_control_lines", rts=False, dtr=False)
        for rts, dtr in ((True, None), (None, True), (False, None), (None, False)):
            before = await subject.call("control_lines")
            await subject.call("set_control_lines", rts=rts, dtr=dtr)
            after = await subject.call("control_lines")
            wanted = ControlLines(rts=before.rts if rts is None else rts, dtr=before.dtr if dtr is None else dtr)
            expect(after == wanted, f"{before} became {after} by rts={rts}, dtr={dtr}")
    except UnsupportedFeatureError:
        raise Skipped("the backend has no control lines") from None


async def settings_keep_the_input(subject: Subject) -> None:
    await subject.open()
    await subject.far_send(b"kept")
    await subject.arrived(4)
    await subject.call("configure", subject.bench.config.with_changes(baudrate=19200))
    await subject.far_send(b"!")
    got = await subject.read_exactly(5)
    expect(got == b"kept!", f"{got!r} was received instead of b'kept!' after configure")


COMMON = (
    ("B1", kind_is_declared),
    ("B2", path_is_what_was_opened),
    ("B3", is_open_follows),
    ("B4", failed_open_leaves_nothing),
    ("B5", rate_is_applied),
    ("B6", capabilities_before_open),
    ("B7", features_are_as_declared),
    ("B8", failure_has_errno_and_path),
    ("B9", gone_is_a_disconnect),
    ("B10", refused_settings_change_nothing),
    ("B11", bytes_arrive_as_sent),
    ("B12", input_is_discarded),
    ("B13", lines_are_set_one_by_one),
    ("B14", settings_keep_the_input),
)
