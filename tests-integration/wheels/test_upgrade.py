"""From 0.2.0, one distribution that owned every file, to packages with new owners of the same files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

OLD = "anyserial==0.2.0"
REPAIR = ("--force-reinstall", "--no-deps", "anyserial-core")


def test_pip_breaks_it_and_the_command_prints_the_repair_that_works(
    dist: Path, bare_environment: Callable[..., Any]
) -> None:
    environment = bare_environment("--seed")

    def pip_install(*arguments: str) -> None:
        done = environment.command("pip", "install", "--quiet", "--find-links", str(dist), *arguments)
        assert done.returncode == 0, done.stderr

    pip_install(OLD)
    pip_install("--upgrade", "anyserial")
    assert environment.run("-c", "from anyserial import SerialPort").returncode == 1

    done = environment.command("anyserial", "list")
    assert done.returncode != 0
    assert " ".join(REPAIR[:2]) in done.stderr
    assert "anyserial-core" in done.stderr
    assert "Traceback" not in done.stderr

    pip_install(*REPAIR)
    assert environment.probe("open_async", "asyncio") == "SerialDisconnectedError\n"
    assert environment.command("anyserial", "--help").returncode == 0


def test_uninstalling_first_needs_no_repair(dist: Path, bare_environment: Callable[..., Any]) -> None:
    environment = bare_environment("--seed")
    for arguments in (
        ("install", OLD),
        ("uninstall", "--yes", "anyserial"),
        ("install", "--find-links", str(dist), "anyserial"),
    ):
        done = environment.command("pip", *arguments)
        assert done.returncode == 0, done.stderr
    assert environment.probe("open_async", "asyncio") == "SerialDisconnectedError\n"


def test_uv_needs_no_repair(dist: Path, bare_environment: Callable[..., Any], uv: Callable[..., None]) -> None:
    environment = bare_environment()
    install = ("pip", "install", "--quiet", "--python", str(environment.python))
    uv(*install, OLD)
    uv(*install, "--upgrade", "--find-links", str(dist), "anyserial")
    assert environment.probe("open_async", "asyncio") == "SerialDisconnectedError\n"
