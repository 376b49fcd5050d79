"""Each shape of an install: what must work works on a real pty, what is missing says what to install."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from shapes import SHAPES
from source_tree import distributions

# A program that works only with a part: which part, the program's arguments, what it prints.
WORKS = (
    ("anyserial-posix", ("open_async", "asyncio"), "SerialDisconnectedError\n"),
    ("anyserial-testing", ("pair",), "pair\n"),
    ("anyserial-discovery", ("list_ports",), "listed\n"),
)
# What a user would write, and the part without which it cannot be had.
NEEDS = (
    ("from anyserial.sync import SerialPort", "anyserial-sync"),
    ("import anyserial.sync", "anyserial-sync"),
    ("import anyserial; anyserial.sync", "anyserial-sync"),
    ("from anyserial.testing import serial_port_pair", "anyserial-testing"),
    ("import anyio; from anyserial import list_serial_ports; anyio.run(list_serial_ports)", "anyserial-discovery"),
    (
        "import anyio; from anyserial import open_serial_port; anyio.run(open_serial_port, '/dev/tty')",
        "anyserial-posix",
    ),
)
NEEDS_BY_MODULE = {
    "anyserial.pyserial": "anyserial-sync",
    "anyserial.sync": "anyserial-sync",
    "anyserial.testing": "anyserial-testing",
}

type MakeEnvironment = Callable[..., Any]


def _missing(table: tuple[tuple[str, str], ...]) -> list[tuple[str, str, str]]:
    return [(shape, code, part) for shape in SHAPES for code, part in table if part not in SHAPES[shape].parts]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_holds_what_was_asked_for(shape: str, make_environment: MakeEnvironment) -> None:
    installed = make_environment(*SHAPES[shape].requirements).distributions().keys()
    others = make_environment(*SHAPES["core"].requirements).distributions().keys() - distributions().keys()
    assert installed & distributions().keys() == set(SHAPES[shape].packages)
    assert "anyio" in others
    if SHAPES[shape].brings:
        assert installed >= others | set(SHAPES[shape].brings)
    else:
        # Nothing but what core needs: AnyIO, and what AnyIO needs.
        assert installed - distributions().keys() == others


@pytest.mark.parametrize(
    ("shape", "program", "printed"),
    [(shape, program, printed) for shape in SHAPES for part, program, printed in WORKS if part in SHAPES[shape].parts],
)
def test_what_is_installed_works(
    shape: str, program: tuple[str, ...], printed: str, make_environment: MakeEnvironment
) -> None:
    assert make_environment(*SHAPES[shape].requirements).probe(*program) == printed


@pytest.mark.parametrize("runtime", ["asyncio", "uvloop", "trio"])
def test_the_full_install_works_on_every_runtime(runtime: str, make_environment: MakeEnvironment) -> None:
    assert make_environment(*SHAPES["full"].requirements).probe("open_async", runtime) == "SerialDisconnectedError\n"


@pytest.mark.parametrize("shape", ["core+sync+posix", "full"])
def test_the_blocking_port_works(shape: str, make_environment: MakeEnvironment) -> None:
    assert make_environment(*SHAPES[shape].requirements).probe("open_sync") == "TimeoutError\n"


@pytest.mark.parametrize(("shape", "code", "part"), _missing(NEEDS))
def test_what_is_missing_says_what_to_install(
    shape: str, code: str, part: str, make_environment: MakeEnvironment
) -> None:
    done = make_environment(*SHAPES[shape].requirements).run("-c", code)
    last = done.stderr.rstrip().splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("ImportError: ")
    assert last.endswith(f"pip install {part}")


@pytest.mark.parametrize("shape", SHAPES)
def test_every_module_imports_or_says_what_to_install(shape: str, make_environment: MakeEnvironment) -> None:
    failures: dict[str, str] = json.loads(make_environment(*SHAPES[shape].requirements).probe("import_all"))
    if shape != "full":
        # Only trio brings this one in, and only where trio is what runs.
        assert failures.pop("anyserial._readiness.trio") == "No module named 'trio'"
    expected = {module: part for module, part in NEEDS_BY_MODULE.items() if part not in SHAPES[shape].parts}
    assert failures.keys() == expected.keys()
    for module, message in failures.items():
        assert message.endswith(f"pip install {expected[module]}")
        assert "\n" not in message


def test_the_oldest_dependencies_allowed_work(make_environment: MakeEnvironment) -> None:
    extras = distributions()["anyserial"].project["optional-dependencies"]
    floors = (*distributions()["anyserial-core"].project["dependencies"], *extras["trio"], *extras["uvloop"])
    environment = make_environment("--resolution", "lowest-direct", *floors, "anyserial")
    installed = environment.distributions()
    assert installed["anyserial"] == distributions()["anyserial"].project["version"]
    assert [f"{name}>={installed[name]}" for name in ("anyio", "trio", "uvloop")] == [
        _padded(floor) for floor in floors
    ]
    for runtime in ("asyncio", "uvloop", "trio"):
        assert environment.probe("open_async", runtime) == "SerialDisconnectedError\n"
    assert environment.probe("open_sync") == "TimeoutError\n"


def _padded(requirement: str) -> str:
    return requirement if requirement.count(".") >= 2 else f"{requirement}.0"


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "full"])
def test_the_command_without_its_distribution_says_what_to_install(
    shape: str, make_environment: MakeEnvironment
) -> None:
    done = make_environment(*SHAPES[shape].requirements).run("-m", "anyserial", "--help")
    assert done.returncode != 0
    assert done.stderr.rstrip().splitlines()[-1].endswith("pip install anyserial")


@pytest.mark.parametrize("arguments", [("--help",), ("demo", "--help")])
def test_the_command_helps(arguments: tuple[str, ...], make_environment: MakeEnvironment) -> None:
    done = make_environment(*SHAPES["full"].requirements).run("-m", "anyserial", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
