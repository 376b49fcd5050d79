"""What goes into the archives that are published: the sources, the licence, the pins; and nothing else."""

import re
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


@pytest.mark.parametrize("name", distributions())
def test_what_an_index_shows_of_a_wheel(name: str, dist: Path) -> None:
    project = distributions()[name].project
    with _wheel(dist, distributions()[name]) as wheel:
        metadata = _metadata(wheel)
    assert metadata["Summary"] == project["description"]
    assert metadata["Author"] == "The anyserial developers"
    assert {"serial", "asyncio", "trio"} <= set(metadata["Keywords"].split(","))
    classifiers = metadata.get_all("Classifier", [])
    assert [entry for entry in classifiers if entry.startswith("Programming Language :: Python :: 3.")] == [
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
    ]
    assert "Typing :: Typed" in classifiers
    # The index shows the README alone: a link to another file of the checkout would lead nowhere.
    description = str(metadata.get_payload())
    assert f"# {name}\n" in description
    assert [link for link in re.findall(r"\]\(([^)]*)\)", description) if not link.startswith("https://")] == []


def test_every_wheel_names_the_same_places(dist: Path) -> None:
    """Home, documentation, sources: where one distribution says where they are, every one does."""
    named: dict[str, list[str]] = {}
    for name, distribution in distributions().items():
        with _wheel(dist, distribution) as wheel:
            named[name] = sorted(_metadata(wheel).get_all("Project-URL", []))
    urls = sorted(f"{label}, {url}" for label, url in distributions()["anyserial"].project.get("urls", {}).items())
    assert named == dict.fromkeys(distributions(), urls)
    assert [url for url in urls if ", https://" not in url] == []
