"""Whether type checkers know the type of everything public, in the packages as they are installed.

pyright's own measure: every name that a public module exports, and whatever those lead to, has a type that is
stated and not guessed. It reads the wheels, not the checkout, as a user's type checker does.
"""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from archives import ReleaseError, plain_environment, run, uv
from source_tree import ROOT, distributions

__all__ = ("check_types",)

SCORE = re.compile(r"^Type completeness score: (?P<score>[\d.]+)%$", re.MULTILINE)
# What pyright says of one name: the name, where it stands and what is unknown of it.
PROBLEM = re.compile(r"^\S+\n(?:  .* - error: .*\n(?:    .*\n)*)+", re.MULTILINE)
FULL = 100.0
TYPED = ROOT / "tests-integration" / "typed"
# What the public modules import beside what is installed with everything: the pytest plugin's pytest.
BESIDE = ("pytest",)


def check_types(dist: Path, scratch: Path) -> None:
    """Install everything from *dist*, and ask pyright about each package; then check the tests of the types there.

    Raises:
        ReleaseError: A public type is unknown, or pyright and mypy disagree with ``tests-integration/typed``.
    """
    folder = scratch / "typed"
    uv("venv", "--quiet", "--clear", "--python", sys.executable, folder)
    everything = [
        f"{name}[{','.join(found.project.get('optional-dependencies', {}))}]" for name, found in distributions().items()
    ]
    python = folder / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, "--find-links", dist, "--reinstall", *everything, *BESIDE)
    # pyright asks the first python on PATH here, whatever --pythonpath says.
    path = os.pathsep.join((str(folder / "bin"), os.environ["PATH"]))
    pyright = Path(sys.executable).with_name("pyright")

    def ask(package: str) -> str:
        command = [str(pyright), "--verifytypes", package, "--ignoreexternal"]
        done = subprocess.run(
            command,
            cwd=folder,
            env=plain_environment(PATH=path, VIRTUAL_ENV=str(folder)),
            capture_output=True,
            text=True,
            check=False,
        )
        score = SCORE.search(done.stdout)
        if score is None or float(score["score"]) < FULL or 'py.typed file: "' not in done.stdout:
            wrong = PROBLEM.findall(done.stdout) or [done.stdout + done.stderr]
            return f"{package}: not every public type is known\n" + "\n".join(wrong)
        return ""

    with ThreadPoolExecutor(2) as pool:
        problems = [
            found for found in pool.map(ask, (found.import_name for found in distributions().values())) if found
        ]
    if problems:
        raise ReleaseError(*problems)
    # Copied, so that neither checker takes the checkout's settings or its sources.
    tests = folder / "typed"
    shutil.copytree(TYPED, tests, ignore=shutil.ignore_patterns("__pycache__"))
    (tests / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    variables = {"PATH": path, "VIRTUAL_ENV": str(folder)}
    run(pyright, "--pythonpath", python, cwd=tests, **variables)
    run(sys.executable, "-m", "mypy", "--strict", "--python-executable", python, ".", cwd=tests, **variables)
