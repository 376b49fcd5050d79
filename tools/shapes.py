"""The shapes of an install, as data: what is asked for, what it brings, and which tests must pass there.

The tests of the wheels and the release's dry run read these tables. A requirement names no version of ours here;
`pinned` adds it, because a package index may hold older ones, which the lowest resolution would choose.
"""

import re
from typing import NamedTuple

from source_tree import CORE, METAPACKAGE, distributions

__all__ = ("EXTRAS", "LOWEST", "NEEDED_TOGETHER", "PARTS", "SHAPES", "Shape", "floors", "pinned")

PARTS = tuple(name for name in distributions() if name not in {CORE, METAPACKAGE})
# Tests of several parts, and what they need beside those: pySerial is the other end of some.
# AnyIO 4.11 hides with an AttributeError that no descriptor is left, so that test is not among them.
NEEDED_TOGETHER = ("pyserial>=3.5",)
EVERYWHERE = (
    "network",
    "sync",
    "test_backend_conformance.py",
    "test_mock_blocking.py",
    "test_quickstart.py",
    "test_reconnect.py",
    "test_recorded_port.py",
    "test_recording.py",
    "test_virtual_port.py",
)


class Shape(NamedTuple):
    """One shape of an install.

    Attributes:
        requirements: What a user asks for.
        packages: The distributions of this workspace that it must bring.
        tested: Those of them whose own tests must pass there: each package's in the leanest shape that holds it,
            and all of them where everything is at its oldest. "full" holds no version that the lean ones do not.
        together: Tests of several parts that must pass there, below ``tests-integration``.
        brings: What it must bring beside those and what core needs.
        probes: Programs below ``tests-integration/wheels/probes`` that must succeed, with their arguments.
        resolution: How uv chooses among the versions that are allowed.
    """

    requirements: tuple[str, ...]
    packages: tuple[str, ...]
    tested: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    brings: tuple[str, ...] = ()
    probes: tuple[tuple[str, ...], ...] = ()
    resolution: str = "highest"

    @property
    def parts(self) -> set[str]:
        """The parts that it holds."""
        return {name for name in self.packages if name in PARTS}


SHAPES: dict[str, Shape] = {
    "core": Shape(("anyserial-core",), (CORE,), (CORE,)),
    "core+posix": Shape(("anyserial-core", "anyserial-posix"), (CORE, "anyserial-posix"), ("anyserial-posix",)),
    # One name brings core and AnyIO, and nothing else: that is what a library's CI installs.
    "core+testing": Shape(("anyserial-testing",), (CORE, "anyserial-testing"), ("anyserial-testing",)),
    "core+sync+posix": Shape(
        ("anyserial-core", "anyserial-posix", "anyserial-sync"),
        (CORE, "anyserial-posix", "anyserial-sync"),
        ("anyserial-sync",),
    ),
    "core+discovery": Shape(("anyserial-discovery",), (CORE, "anyserial-discovery"), ("anyserial-discovery",)),
    "full": Shape(
        ("anyserial[trio,uvloop]",),
        (CORE, *PARTS, METAPACKAGE),
        (METAPACKAGE,),
        EVERYWHERE,
        brings=("argcomplete", "prompt-toolkit", "trio", "uvloop"),
    ),
}

# Each extra of each distribution, by itself.
EXTRAS: dict[str, Shape] = {
    "anyserial[uvloop]": Shape(
        ("anyserial[uvloop]",), SHAPES["full"].packages, brings=("uvloop",), probes=(("open_async", "uvloop"),)
    ),
    "anyserial[trio]": Shape(
        ("anyserial[trio]",), SHAPES["full"].packages, brings=("trio",), probes=(("open_async", "trio"),)
    ),
    "anyserial[discovery-pyudev]": Shape(
        ("anyserial[discovery-pyudev]",), SHAPES["full"].packages, brings=("pyudev",), probes=(("list_ports",),)
    ),
    "anyserial[discovery-pyserial]": Shape(
        ("anyserial[discovery-pyserial]",), SHAPES["full"].packages, brings=("pyserial",), probes=(("list_ports",),)
    ),
    "anyserial-discovery[pyudev]": Shape(
        ("anyserial-discovery[pyudev]",), (CORE, "anyserial-discovery"), ("anyserial-discovery",), brings=("pyudev",)
    ),
    "anyserial-discovery[pyserial]": Shape(
        ("anyserial-discovery[pyserial]",),
        (CORE, "anyserial-discovery"),
        ("anyserial-discovery",),
        brings=("pyserial",),
    ),
}


def floors() -> tuple[str, ...]:
    """Every requirement on others that a distribution states, extras included."""
    stated = [
        requirement
        for distribution in distributions().values()
        for group in (
            distribution.project["dependencies"],
            *distribution.project.get("optional-dependencies", {}).values(),
        )
        for requirement in group
    ]
    return tuple(sorted({entry for entry in stated if _name(entry) not in distributions()}))


def pinned(requirement: str) -> str:
    """Add the version of this workspace to a requirement of ours that names none."""
    found = distributions().get(_name(requirement))
    if found is None or "==" in requirement:
        return requirement
    return f"{requirement}=={found.project['version']}"


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None, requirement  # noqa: S101  # a requirement begins with a name
    return match[0]


# The oldest of everything that is allowed. What is listed is what uv takes the lowest version of.
LOWEST = Shape(
    (*floors(), f"{METAPACKAGE}[{','.join(distributions()[METAPACKAGE].project['optional-dependencies'])}]"),
    SHAPES["full"].packages,
    SHAPES["full"].packages,
    EVERYWHERE,
    brings=tuple(sorted({_name(entry) for entry in floors()})),
    resolution="lowest-direct",
)
