"""Run one package's tests in an environment that holds no other part of the workspace.

The gate starts this with ``uv run --isolated --package NAME``; it first makes sure that the
environment is what it should be, since a test that passes only thanks to a sibling proves
nothing. For core it also measures branch coverage.
"""

import os
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def distributions() -> dict[str, tuple[str, set[str]]]:
    """Per distribution of the workspace: its import name and the siblings it depends on."""
    found: dict[str, tuple[str, set[str]]] = {}
    for path in ROOT.glob("packages/*/pyproject.toml"):
        project = tomllib.loads(path.read_text())["project"]
        (source,) = (folder for folder in (path.parent / "src").iterdir() if (folder / "__init__.py").exists())
        siblings = {dependency.partition("==")[0] for dependency in project["dependencies"]}
        found[project["name"]] = source.name, siblings
    return {name: (source, siblings & found.keys()) for name, (source, siblings) in found.items()}


def main(package: str) -> int:
    """Check what is installed, then run the tests; the exit status is pytest's."""
    known = distributions()
    _, siblings = known[package]
    wanted = {package} | siblings
    for name, (source, _) in known.items():
        if (find_spec(source) is not None) != (name in wanted):
            state = "missing from" if name in wanted else "installed in"
            print(f"isolated_tests: {name} is {state} the environment of {package}: {sys.prefix}", file=sys.stderr)
            return 1
    print(f"    only {', '.join(sorted(wanted))} here", flush=True)
    tests = ROOT / "packages" / package / "tests"
    if not any(tests.rglob("test_*.py")):
        print(f"isolated_tests: {package} has no tests in {tests.relative_to(ROOT)}", file=sys.stderr)
        return 1
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
    if package != "anyserial-core":
        return subprocess.run([sys.executable, *pytest], cwd=ROOT, check=False).returncode
    data = {**os.environ, "COVERAGE_FILE": str(ROOT / ".coverage.core")}
    coverage = [sys.executable, "-m", "coverage"]
    if status := subprocess.run([*coverage, "run", *pytest], cwd=ROOT, env=data, check=False).returncode:
        return status
    return subprocess.run([*coverage, "report"], cwd=ROOT, env=data, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
