"""What goes into the archives that are published: the sources, the licence, the pins; and nothing else."""

import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from source_tree import Distribution, distributions


def _wheel(dist: Path, distribution: Distribution) -> zipfile.ZipFile:
    (path,) = dist.glob(f"{distribution.name.replace('-', '_')}-*.whl")
    return zipfile.ZipFile(path)


def _metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


@pytest.mark.parametrize("name", distributions())
def test_a_wheel_holds_its_package_and_nothing_else(name: str, dist: Path) -> None:
    distribution = distributions()[name]
    sources = {
        str(path.relative_to(distribution.source.parent))
        for path in distribution.source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with _wheel(dist, distribution) as wheel:
        names = wheel.namelist()
    assert {entry for entry in names if ".dist-info/" not in entry} == sources
    assert f"{distribution.import_name}/py.typed" in sources
    assert [entry for entry in names if entry.endswith(".dist-info/licenses/LICENSE")] != []


@pytest.mark.parametrize("name", distributions())
def test_an_sdist_holds_what_builds_and_tests_it(name: str, dist: Path) -> None:
    distribution = distributions()[name]
    (path,) = dist.glob(f"{name.replace('-', '_')}-*.tar.gz")
    with tarfile.open(path) as archive:
        names = {entry.partition("/")[2] for entry in archive.getnames()}
    assert {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml"} <= names
    assert f"src/{distribution.import_name}/__init__.py" in names
    assert {entry.partition("/")[0] for entry in names} <= {
        ".gitignore",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
        "src",
        "tests",
    }


@pytest.mark.parametrize("name", distributions())
def test_a_wheels_metadata(name: str, dist: Path) -> None:
    distribution = distributions()[name]
    version = distribution.project["version"]
    with _wheel(dist, distribution) as wheel:
        metadata = _metadata(wheel)
    assert (metadata["Name"], metadata["Version"]) == (name, version)
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.13"
    assert metadata["Description-Content-Type"] == "text/markdown"
    siblings = [entry for entry in metadata.get_all("Requires-Dist", []) if entry.startswith("anyserial")]
    assert [entry for entry in siblings if f"=={version}" not in entry] == []
    assert len(siblings) >= (name != "anyserial-core")
