"""The fixtures, in runs of pytest of their own."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

HEADER = 'anyserial record 1\npath "/dev/ttyUSB0"\nconfig\n'


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # most of a short run is the import of the others
    pytester.makeconftest('pytest_plugins = ["anyserial_testing.pytest_plugin"]')
    return pytester


def result_of(run: pytest.Pytester, text: str, *options: str) -> pytest.RunResult:
    run.makepyfile(test_it=f"import anyio\nimport pytest\n\n{text}")
    return run.runpytest_subprocess(
        "-W", "error", "-p", "no:cacheprovider", "-p", "no:pytester", "-p", "anyio", *options
    )


def test_serial_pair_is_open_and_closed_afterwards(run: pytest.Pytester) -> None:
    result = result_of(
        run,
        """
        pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_serial_leaks")]

        async def test_talk(serial_pair):
            host, device = serial_pair
            await host.send(b"hi")
            assert await device.receive() == b"hi"

        @pytest.mark.parametrize("serial_pair", [{"path_a": "/dev/meter"}], indirect=True)
        async def test_arguments(serial_pair):
            assert serial_pair[0].path == "/dev/meter"
        """.replace("\n        ", "\n"),
    )
    result.assert_outcomes(passed=4)


def test_fault_plan_is_that_of_the_first_port_and_reported(run: pytest.Pytester) -> None:
    result = result_of(
        run,
        """
        from anyserial.testing import FaultPlan, faults_of

        plans = [FaultPlan(short_write_max=3), {"short_write_max": 3}]

        @pytest.mark.parametrize("fault_plan", plans, indirect=True)
        def test_plan(fault_plan, serial_pair):
            assert faults_of(serial_pair[0]) is fault_plan
            assert fault_plan.short_write_max == 3
            assert faults_of(serial_pair[1]) == FaultPlan()

        def test_no_fault(fault_plan):
            assert fault_plan == FaultPlan()
            fault_plan.short_write_max = 9
            assert fault_plan == FaultPlan(), "shown"
        """.replace("\n        ", "\n"),
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*fault plan setup*", "FaultPlan(*"])


def test_virtual_port_has_a_path(run: pytest.Pytester) -> None:
    result = result_of(
        run,
        """
        import os, tty
        from anyserial.testing import SimulatedDevice

        pytestmark = pytest.mark.usefixtures("no_serial_leaks")

        def talk(path, question, answer):
            number = os.open(path, os.O_RDWR | os.O_NOCTTY)
            try:
                tty.setraw(number)
                os.write(number, question)
                assert os.read(number, 64)[:1] == answer[:1]
            finally:
                os.close(number)

        def test_echo(virtual_port):
            talk(virtual_port.path, b"a", b"a")

        @pytest.mark.parametrize("virtual_port", [lambda: SimulatedDevice().on(b"?\\n", b"42\\n")], indirect=True)
        def test_device(virtual_port):
            talk(virtual_port.path, b"?\\n", b"42\\n")
        """.replace("\n        ", "\n"),
    )
    result.assert_outcomes(passed=2)


TALK = """
@pytest.mark.anyio
async def test_talk(recorded_port):
    await recorded_port.send(b"?")
    assert await recorded_port.receive() == b"42"
"""


def test_recorded_port_replays(run: pytest.Pytester) -> None:
    folder = run.path / "serial_records"
    folder.mkdir()
    talk = f'{HEADER}0.000000 send "?"\n0.100000 receive "42"\n'
    (folder / "test_it.test_talk-asyncio.rec").write_text(f"{talk}0.200000 end\n")
    (folder / "test_it.test_talk-trio.rec").write_text(f'{talk}0.200000 send "more"\n0.200000 end\n')
    result = result_of(run, TALK)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["the program stopped early, at *test_it.test_talk-trio.rec, line 6:"])


def test_recorded_port_asks_for_a_record(run: pytest.Pytester) -> None:
    result = result_of(run, TALK, "-k", "trio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_it.test_talk-trio.rec. Record it with the device: pytest --serial-record=*"])


def test_marker_names_the_record(run: pytest.Pytester) -> None:
    (run.path / "meter.rec").write_text(f'{HEADER}0.000000 send "?"\n0.100000 receive "42"\n0.200000 end\n')
    result = result_of(run, f'\npytestmark = pytest.mark.serial_record("meter.rec")\n{TALK}', "--strict-markers")
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("leak", "message"),
    [
        ("serial_port_pair()", "the port '/dev/mockA' is open; the port '/dev/mockB' is open"),
        ("os.open('/dev/null', os.O_RDONLY)", "descriptor * is open"),
        ("start()", "the thread 'anyserial leak' is running"),
    ],
)
def test_leak_fails_the_test(run: pytest.Pytester, leak: str, message: str) -> None:
    result = result_of(
        run,
        f"""
import os, threading, time
from anyserial.testing import serial_port_pair

left = []
over = threading.Event()

def start():
    threading.Thread(target=over.wait, args=(30,), name="anyserial leak", daemon=True).start()

def test_leak(no_serial_leaks):
    left.append({leak})

def test_next(no_serial_leaks):
    pass
""",
        "-W",
        "ignore::ResourceWarning",
        "-W",
        "ignore::pytest.PytestUnraisableExceptionWarning",
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines([f"*the test leaves something behind: *{message}*"])


def test_plugin_is_the_only_module_that_imports_pytest() -> None:
    import anyserial_testing  # noqa: PLC0415

    folder = Path(anyserial_testing.__file__).parent
    users = [path.name for path in folder.rglob("*.py") if "import pytest" in path.read_text()]
    assert users == ["pytest_plugin.py"]
