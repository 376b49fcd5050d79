"""`recorded_port` records a real path, and replays it without one."""

import pytest
from anyserial.testing import SimulatedDevice, virtual_serial_port

pytest_plugins = ["pytester"]

TEST = """
import pytest

@pytest.mark.anyio
@pytest.mark.serial_record("meter.rec", baudrate=9600)
async def test_talk(recorded_port):
    await recorded_port.send(b"?\\n")
    answer = b""
    while not answer.endswith(b"\\n"):
        answer += await recorded_port.receive()
    assert answer == b"42\\n"
"""


def test_a_test_is_recorded_and_then_replayed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # most of a short run is the import of the others
    pytester.makeconftest(
        """
        import pytest

        pytest_plugins = ["anyserial_testing.pytest_plugin"]

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        """
    )
    pytester.makepyfile(test_it=TEST)
    options = ("-W", "error", "-p", "no:cacheprovider", "-p", "anyio")
    file = pytester.path / "meter.rec"

    with virtual_serial_port(SimulatedDevice().on(b"?\n", b"42\n")) as port:
        pytester.runpytest_subprocess(*options, f"--serial-record={port.path}").assert_outcomes(passed=1)
        text = file.read_text()
        assert text.splitlines()[2] == "config baudrate=9600"
        assert 'send "?\\n"' in text

    with virtual_serial_port(SimulatedDevice().on(b"?\n", b"43\n")) as port:
        pytester.runpytest_subprocess(*options, f"--serial-record={port.path}").assert_outcomes(failed=1)
    assert file.read_text() == text  # a test that fails leaves the record alone
    assert sorted(entry.name for entry in pytester.path.glob("meter*")) == ["meter.rec"]

    pytester.runpytest_subprocess(*options).assert_outcomes(passed=1)
