"""The site that Sphinx builds from this folder: ``python -m sphinx docs site``.

The pages are Markdown, the reference is made from the docstrings. The build fails on a link that leads
nowhere, on a reference to a name that is not documented, and on a public name that the reference
leaves out. Only what concerns the site belongs here; what a page says is tested elsewhere.
"""

import importlib
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyserial
import anyserial.sync
import anyserial.testing
from docutils import nodes
from sphinx.errors import ExtensionError

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

# Annotations name classes that are imported for type checkers alone; give each module its own.
vars(importlib.import_module("anyserial_testing._ports"))["SerialPort"] = anyserial.SerialPort
vars(importlib.import_module("anyserial_testing._ports"))["SimulatedDevice"] = anyserial.testing.SimulatedDevice
vars(importlib.import_module("anyserial_testing._replay"))["SerialPort"] = anyserial.SerialPort
vars(importlib.import_module("anyserial_sync._connectable"))["SerialPort"] = anyserial.sync.SerialPort

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
METADATA = tomllib.loads((ROOT / "packages" / "anyserial" / "pyproject.toml").read_text())["project"]
REPOSITORY = METADATA["urls"]["Repository"]

# The public modules: every name of each has its entry in the reference.
PUBLIC_MODULES = (
    "anyserial",
    "anyserial.asyncio",
    "anyserial.backend",
    "anyserial.capabilities",
    "anyserial.config",
    "anyserial.discovery",
    "anyserial.exceptions",
    "anyserial.framing",
    "anyserial.network",
    "anyserial.stream",
    "anyserial.sync",
    "anyserial.tap",
    "anyserial.testing",
)

project = "anyserial"
copyright = "The anyserial developers"  # noqa: A001 - Sphinx asks for this name
version = release = METADATA["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "sphinxcontrib.mermaid"]
nitpicky = True
# The names of other projects, and of the standard library, stay plain text: the build needs no network.
nitpick_ignore_regex = [
    ("py:(class|exc|func|data|attr|meth|mod)", r"(?!anyserial).*"),
    ("py:obj", r"(anyio|asyncio|logging|math|os|time|trio|typing)\..*"),
    ("py:obj", r'".*"'),  # a value, not a name
    ("py:class", r"anyserial\._port\.face\.Face"),  # what both ports are
    ("py:class", r"anyserial_testing\._wire\.Wire"),  # ports come in pairs: `MockBackend.pair` makes it
    ("py:class", r"anyserial\._reconnecting\.presence\.Presence"),  # `reconnect` makes it
]

html_theme = "furo"
html_title = "anyserial"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "source_repository": REPOSITORY,
    "source_branch": "main",
    "source_directory": "docs/",
}
html_copy_source = False
copybutton_prompt_text = "$ "

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Cancellation", "Cancellation"), ("Source", "notes")]

# In docstrings `name` is a name of anyserial's, written as the reader of that module sees it.
default_role = "py:obj"


def resolve_short_name(
    app: "Sphinx", env: "BuildEnvironment", node: "pending_xref", contnode: nodes.Element
) -> nodes.Element | None:
    """Lead a name without its module, or with a private one, to its entry under the public name."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"].removesuffix("()")
    name = target.rpartition(".")[2] if target.startswith("anyserial") else target
    objects = env.domains.python_domain.objects
    candidates = [full for full in objects if full.endswith(f".{name}")]
    if not candidates:
        return None
    # The nearest home: the class that the text stands in, its module, then the shortest name.
    near = [node.get("py:class") or "-", node.get("py:module") or "-"]
    here = ".".join(near[::-1])
    best = min(candidates, key=lambda full: (not full.startswith(here), not full.startswith(near[1] + "."), len(full)))
    entry = objects[best]
    uri = app.builder.get_relative_uri(env.docname, entry.docname)
    return nodes.reference("", "", contnode, internal=True, refuri=f"{uri}#{entry.node_id}", reftitle=best)


def hide_private_bases(app: "Sphinx", name: str, obj: object, options: object, bases: list[type]) -> None:
    """Leave out of a class's bases those that readers cannot look up."""
    bases[:] = [base for base in bases if "._" not in f"{base.__module__}.{base.__qualname__}"] or [object]


def check_completeness(app: "Sphinx", env: "BuildEnvironment") -> None:
    """Fail if a public name has no entry in the reference.

    Raises:
        ExtensionError: Names are missing; the message lists them.
    """
    documented = {full.rpartition(".")[2] for full in env.domains.python_domain.objects}
    missing = [
        f"{module}.{name}"
        for module in PUBLIC_MODULES
        for name in importlib.import_module(module).__all__
        if name not in documented
    ]
    if missing:
        raise ExtensionError(f"docs/reference has no entry for: {', '.join(missing)}")


def link_sources(app: "Sphinx", docname: str, source: list[str]) -> None:
    """Send a page's links to files outside this folder to the repository."""
    folder = (DOCS / docname).parent

    def replaced(match: re.Match[str]) -> str:
        target = match["target"]
        path, _, fragment = target.partition("#")
        if urlsplit(target).scheme or not path:
            return match[0]
        file = Path(os.path.normpath(folder / path))
        if file.is_relative_to(DOCS):
            return match[0]
        kind = "tree" if file.is_dir() else "blob"
        return f"]({REPOSITORY}/{kind}/main/{file.relative_to(ROOT)}{'#' if fragment else ''}{fragment})"

    source[0] = re.sub(r"\]\((?P<target>[^()\s]+)\)", replaced, source[0])


def setup(app: "Sphinx") -> dict[str, Any]:
    """Connect the checks to the build."""
    app.connect("source-read", link_sources)
    app.connect("missing-reference", resolve_short_name)
    app.connect("autodoc-process-bases", hide_private_bases)
    app.connect("env-check-consistency", check_completeness)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
