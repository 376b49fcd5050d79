"""Every module's ``__all__`` is what the module really exports, and the public surface is the contract's."""

import ast
import importlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from types import ModuleType

import pytest
from source_tree import Module, distributions, imports, modules

OWN = tuple(distribution.import_name for distribution in distributions().values())
BY_NAME = {module.name: module for module in modules()}
PUBLIC = [module for module in modules() if module.is_public]
# Started as programs, and imported by nobody.
PROGRAMS = ("__main__",)

# What anyserial 0.2.0 exported, which published libraries import.
SURFACE_0_2_0 = (  # noqa: SIM905  # a list would be thirty-three lines
    "ByteSize BytesLike Capability CommEvent ConfigurationError ControlLines DiscoveryBackend FlowControl "
    "ModemLines Parity PortBusyError PortInfo PortNotFoundError RS485Config SerialCapabilities SerialClosedError "
    "SerialConfig SerialConnectable SerialDisconnectedError SerialError SerialPort SerialStreamAttribute StopBits "
    "UnsupportedAsyncBackendError UnsupportedConfigurationError UnsupportedFeatureError UnsupportedPlatformError "
    "UnsupportedPolicy __version__ canonical_port_name find_serial_port list_serial_ports open_serial_port"
).split()
SUBMODULES_0_2_0 = ("capabilities", "config", "discovery", "exceptions", "stream", "sync", "testing")
MOVED_NAMES = (
    ("anyserial.exceptions", "errno_to_exception"),
    ("anyserial.stream", "SerialConnectable"),
    ("anyserial.stream", "open_serial_port"),
    ("anyserial.sync", "_get_provider"),
    ("anyserial.sync", "SerialConnectable"),
    ("anyserial.sync", "SerialPort"),
    ("anyserial.sync", "configure_portal"),
    ("anyserial.sync", "get_portal_provider"),
    ("anyserial.sync", "open_serial_port"),
    ("anyserial.testing", "FaultPlan"),
    ("anyserial.testing", "MockBackend"),
    ("anyserial.testing", "faults_of"),
    ("anyserial.testing", "serial_port_pair"),
)


def declared(module: Module) -> tuple[str, ...] | None:
    """The ``__all__`` of a module as it stands in the source, or None."""
    for node in module.tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=value)
                | ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.expr() as value)
            ):
                assert isinstance(value, ast.Tuple), f"{module.name}.__all__ is not a tuple"
                return tuple(str(ast.literal_eval(entry)) for entry in value.elts)
            case _:
                pass
    return None


def defined(module: Module) -> set[str]:
    """The public names that a module's own statements bind, and what it re-exports of ours."""
    found: set[str] = set()
    for node in module.tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=targets):
                found.update(target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.TypeAlias(name=ast.Name(id=name)):
                found.add(name)
            case _:
                pass
    return {name for name in found if not name.startswith("_")}


def taken(module: Module) -> set[str]:
    """The names that other modules of the workspace import from this one."""
    return {
        entry.name
        for other in modules()
        for entry in imports(other)
        if entry.module == module.name and entry.name is not None and f"{module.name}.{entry.name}" not in BY_NAME
    }


def load(module: Module) -> ModuleType:
    return importlib.import_module(module.name)


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_all_is_a_tuple_of_names_that_exist(module: Module) -> None:
    names = declared(module)
    if names is None:
        assert module.name.rpartition(".")[2] in PROGRAMS or not defined(module)
        return
    assert len(names) == len(set(names))  # ruff sees to the order
    missing = [name for name in names if not hasattr(load(module), name)]
    assert missing == []


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.name)
def test_a_public_module_hides_nothing_that_it_defines(module: Module) -> None:
    assert defined(module) - set(declared(module) or ()) == set()


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_what_others_import_is_exported(module: Module) -> None:
    private = {name for name in taken(module) if not name.startswith("__")} - set(declared(module) or ())
    assert private == set()


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.name)
def test_a_star_import_gives_all_and_nothing_else(module: Module) -> None:
    namespace: dict[str, object] = {}
    exec(f"from {module.name} import *", namespace)  # noqa: S102
    assert namespace.keys() - {"__builtins__"} == set(declared(module) or ())


def test_the_lazy_names_of_the_facade_are_those_it_shows_to_type_checkers() -> None:
    facade = BY_NAME["anyserial"]
    typed = {entry.name: entry.module for entry in imports(facade) if entry.typing_only}
    assert set(typed) | {"__version__"} == set(declared(facade) or ())
    module = load(facade)
    for name, home in typed.items():
        assert name is not None
        assert getattr(module, name) is getattr(importlib.import_module(home), name)


def test_dir_of_the_facade_names_what_can_be_had() -> None:
    module = load(BY_NAME["anyserial"])
    listed = set(dir(module))
    assert set(declared(BY_NAME["anyserial"]) or ()) <= listed
    assert [name for name in sorted(listed) if not hasattr(module, name)] == []


# What stands in public signatures and is written by no user of them.
NOT_WRITTEN = {
    "Face",  # of both ports: a user writes SerialPort
    "Line",  # between a simulated device and its backend
    "Due",  # between a fault plan and its backend
    "Wire",  # between the two ends of a pair
    "Opener",  # what an opener returns, to be awaited or entered
    "PortSource",  # of a server, which `serve` makes
    "Presence",  # of a reconnection, which `reconnect` makes
    "SerialKeywords",  # unpacked into parameters
    "RS485Settings",  # in `anyserial.pyserial`, as in pySerial, a name of its module rs485
    "Watcher",  # of a watch, which `watch_serial_ports` makes
}


@cache
def origin(module: str, name: str) -> tuple[str, str] | None:
    """The module that defines a name of ours, followed through the imports, and the name."""
    found = BY_NAME.get(module)
    if found is None:
        return None
    bound = {node.name.id: node for node in found.tree.body if isinstance(node, ast.TypeAlias)}
    if name in bound or name in defined(found):
        return module, name
    homes = (origin(entry.module, name) for entry in imports(found) if entry.name == name)
    return next((home for home in homes if home is not None), None)


def annotations(module: str, name: str) -> Iterator[ast.expr]:
    """What the signatures and attributes of one public name are annotated with."""
    for node in BY_NAME[module].tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name != name:
            continue
        for inner in node.body if isinstance(node, ast.ClassDef) else [node]:
            match inner:
                case ast.FunctionDef(name=method, args=args) | ast.AsyncFunctionDef(name=method, args=args):
                    if not method.startswith("_") or method.startswith("__"):
                        every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
                        stated = [arg.annotation for arg in every if arg is not None]
                        yield from (found for found in [*stated, inner.returns] if found is not None)
                case ast.AnnAssign(target=ast.Name(id=attribute), annotation=annotation):
                    if not attribute.startswith("_"):
                        yield annotation
                case _:
                    pass


def written(annotation: ast.expr) -> Iterator[str]:
    """The names in an annotation, those in quotes too."""
    for node in ast.walk(annotation):
        match node:
            case ast.Name(id=name):
                yield name
            case ast.Constant(value=str() as text):
                with suppress(SyntaxError):  # a Literal
                    yield from written(ast.parse(text, mode="eval").body)
            case _:
                pass


def test_what_public_signatures_name_is_public() -> None:
    homes = [module for module in PUBLIC if module.name.split(".")[0] == "anyserial"]
    public = {origin(module.name, name) for module in homes for name in declared(module) or ()} - {None}
    hidden = {
        name: f"{module}.{owner}"
        for module, owner in filter(None, public)
        for annotation in annotations(module, owner)
        for name in written(annotation)
        if (home := origin(module, name)) is not None and home not in public
    }
    assert hidden.keys() - NOT_WRITTEN == set(), hidden
    assert NOT_WRITTEN - hidden.keys() == set()


@pytest.mark.parametrize("name", SURFACE_0_2_0)
def test_the_names_of_0_2_0_are_there(name: str) -> None:
    assert name in importlib.import_module("anyserial").__all__
    assert hasattr(importlib.import_module("anyserial"), name)


@pytest.mark.parametrize("name", SUBMODULES_0_2_0)
def test_the_submodules_of_0_2_0_are_there(name: str) -> None:
    assert importlib.import_module(f"anyserial.{name}").__name__ == f"anyserial.{name}"


@pytest.mark.parametrize(("module", "name"), MOVED_NAMES)
def test_a_name_that_is_imported_from_a_submodule_is_there(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = importlib.import_module("anyserial").no_such_name


def test_every_distribution_is_typed() -> None:
    assert [name for name, found in distributions().items() if not (found.source / "py.typed").is_file()] == []
