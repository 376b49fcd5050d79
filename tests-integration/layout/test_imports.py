"""The layout's rules on who may import whom, read from the source and seen in a fresh interpreter."""

import ast
import re
import subprocess
import sys

import pytest
from source_tree import CORE, METAPACKAGE, Distribution, Module, distributions, imports, modules

PARTS = tuple(name for name in distributions() if name not in {CORE, METAPACKAGE})
PART_IMPORTS = {distributions()[name].import_name: name for name in PARTS}
# Core's aliases re-export a part by explicit names; _parts.py imports one by name when it is needed.
FACADES = {
    "anyserial.pyserial": "anyserial_sync",
    "anyserial.sync": "anyserial_sync",
    "anyserial.testing": "anyserial_testing",
}
# The one function that names parts in import statements, because programs that freeze an application
# see no other mention. Nothing may call it.
FOR_FREEZERS = ("anyserial._parts", "parts_for_freezers")
REACHED_BY_NAME_ALONE = {"anyserial_discovery", "anyserial_posix", "anyserial_sync"}
NOT_ON_THE_IMPORT_PATH = ("anyio.streams.file", "ctypes", "importlib.metadata", *PART_IMPORTS)

IMPORT_NAMES = {"prompt-toolkit": "prompt_toolkit", "pyserial": "serial"}
# The application brings one of these; anyserial imports it only where it is the one that runs.
RUNTIMES = {"trio", "uvloop"}
# The same holds for pytest, in the one module that is a plugin of it.
PYTEST_PLUGIN = "anyserial_testing.pytest_plugin"


def _name(requirement: str) -> str:
    return re.split(r"[\[=<>!~; ]", requirement, maxsplit=1)[0]


def _requirements(distribution: Distribution, *, extras: bool) -> set[str]:
    found = list(distribution.project["dependencies"])
    if extras:
        found += [entry for extra in distribution.project.get("optional-dependencies", {}).values() for entry in extra]
    return {_name(entry) for entry in found}


def test_the_workspace_is_the_six_packages() -> None:
    assert {name: distribution.import_name for name, distribution in distributions().items()} == {
        "anyserial": "anyserial_cli",
        "anyserial-core": "anyserial",
        "anyserial-discovery": "anyserial_discovery",
        "anyserial-posix": "anyserial_posix",
        "anyserial-sync": "anyserial_sync",
        "anyserial-testing": "anyserial_testing",
    }


@pytest.mark.parametrize(
    "module", [module for module in modules() if module.distribution in PARTS], ids=lambda m: m.name
)
def test_a_part_imports_no_other_part(module: Module) -> None:
    own = distributions()[module.distribution].import_name
    foreign = {*PART_IMPORTS, "anyserial_cli"} - {own}
    found = [entry for entry in imports(module) if entry.module.partition(".")[0] in foreign]
    assert found == []


@pytest.mark.parametrize(
    "module", [module for module in modules() if module.distribution in PARTS], ids=lambda m: m.name
)
def test_a_part_uses_the_one_private_layer_of_core(module: Module) -> None:
    """What a part may use beside the public modules is listed in anyserial._spi."""
    names = {entry.module for entry in imports(module)} | {f"{e.module}.{e.name}" for e in imports(module)}
    private = {name for name in names if name.startswith("anyserial._") and not name.startswith("anyserial._spi")}
    assert private == set()


@pytest.mark.parametrize(
    "module", [module for module in modules() if module.distribution in PARTS], ids=lambda m: m.name
)
def test_a_part_takes_no_part_through_a_facade(module: Module) -> None:
    facades = {name: part.replace("_", "-") for name, part in FACADES.items()}
    found = [
        entry
        for entry in imports(module)
        for facade in (entry.module, f"{entry.module}.{entry.name}")
        if facades.get(facade, module.distribution) != module.distribution
    ]
    assert found == []


@pytest.mark.parametrize(
    "module", [module for module in modules() if module.distribution == CORE], ids=lambda m: m.name
)
def test_core_imports_a_part_only_in_its_facades(module: Module) -> None:
    found = [entry for entry in imports(module) if entry.module.partition(".")[0] in {*PART_IMPORTS, "anyserial_cli"}]
    if module.name in FACADES:
        assert {entry.module.partition(".")[0] for entry in found} <= {FACADES[module.name]}
    elif module.name == FOR_FREEZERS[0]:
        functions = (node for node in module.tree.body if isinstance(node, ast.FunctionDef))
        (function,) = (node for node in functions if node.name == FOR_FREEZERS[1])
        assert {entry.module for entry in found} == REACHED_BY_NAME_ALONE
        inside = range(function.lineno, (function.end_lineno or 0) + 1)
        assert [entry for entry in found if entry.line not in inside] == []
    else:
        assert [entry for entry in found if not entry.typing_only] == []


def test_nothing_calls_the_function_that_names_the_parts_for_freezers() -> None:
    mentions = {
        module.name
        for module in modules()
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Name) and node.id == FOR_FREEZERS[1])
        or (isinstance(node, ast.Attribute) and node.attr == FOR_FREEZERS[1])
        or (isinstance(node, ast.alias) and node.name == FOR_FREEZERS[1])
    }
    assert mentions == set()


def test_every_part_is_seen_by_a_freezer() -> None:
    """By an import statement in core: of the function above, or of the part's own facade."""
    seen = {
        entry.module
        for module in modules()
        if module.distribution == CORE
        for entry in imports(module)
        if not entry.typing_only and entry.module in PART_IMPORTS
    }
    assert seen == set(PART_IMPORTS)


def test_core_depends_on_anyio_alone() -> None:
    core = distributions()[CORE]
    assert _requirements(core, extras=True) == {"anyio"}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_depends_on_core_and_no_sibling(name: str) -> None:
    assert _requirements(distributions()[name], extras=True) & distributions().keys() == {CORE}


def test_the_metapackage_depends_on_every_sibling_and_on_what_the_command_is_built_with() -> None:
    libraries = {"argcomplete", "prompt-toolkit"}
    assert _requirements(distributions()[METAPACKAGE], extras=False) == {CORE, *PARTS} | libraries


def test_the_metapackages_extras() -> None:
    extras = distributions()[METAPACKAGE].project["optional-dependencies"]
    version = distributions()[METAPACKAGE].project["version"]
    assert set(extras) == {"discovery-pyserial", "discovery-pyudev", "trio", "uvloop"}
    assert extras["discovery-pyserial"] == [f"anyserial-discovery[pyserial]=={version}"]
    assert extras["discovery-pyudev"] == [f"anyserial-discovery[pyudev]=={version}"]


@pytest.mark.parametrize("name", distributions())
def test_what_is_imported_is_declared(name: str) -> None:
    declared = _requirements(distributions()[name], extras=True)
    if CORE in declared:
        declared |= _requirements(distributions()[CORE], extras=False)
    allowed = {IMPORT_NAMES.get(entry, entry) for entry in declared} | RUNTIMES | set(sys.stdlib_module_names)
    allowed |= {distribution.import_name for distribution in distributions().values()}  # the tests above see to these
    undeclared = {
        f"{module.name}:{entry.line} imports {entry.module}"
        for module in modules()
        if module.distribution == name
        for entry in imports(module)
        if entry.module.partition(".")[0] not in allowed
        and not (module.name == PYTEST_PLUGIN and entry.module == "pytest")
    }
    assert undeclared == set()


def test_opening_a_port_imports_no_part_and_nothing_slow() -> None:
    program = f"""
import sys
from anyserial import open_serial_port
print([name for name in {NOT_ON_THE_IMPORT_PATH!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_the_check_above_would_see_a_part() -> None:
    program = "import sys, anyserial_posix; print('anyserial_posix' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    assert "anyserial_posix" in NOT_ON_THE_IMPORT_PATH
