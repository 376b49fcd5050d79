"""The documentation's Python as a reader's type checker sees it: mypy, strict."""

import json
import os
import subprocess
import sys
from pathlib import Path

from doc_blocks import blocks, free_names, missing_framework
from source_tree import ROOT

# mypy knows no program that awaits at its top level; the runner does.
OPTIONS = (
    "--strict",
    "--disable-error-code=top-level-await",
    "--disable-error-code=import-untyped",  # qasync
    "--output=json",
    f"--config-file={ROOT / 'pyproject.toml'}",
)


def test_every_block_passes_a_strict_type_checker(tmp_path: Path) -> None:
    ours = [block for block in blocks("python") if not missing_framework(block)]
    found = {f"block_{number}.py": block for number, block in enumerate(ours)}
    for name, block in found.items():
        # A fragment's open port, as the runner provides it.
        port = "from anyserial import SerialPort\nport: SerialPort\n" if "port" in free_names(block) else ""
        (tmp_path / name).write_text(block.text + port)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *OPTIONS, *(str(tmp_path / name) for name in found)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in {"PYTHONWARNINGS", "PYTHONDEVMODE"}},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    problems: list[str] = []
    for problem in map(json.loads, done.stdout.splitlines()):
        if problem["severity"] != "error":
            continue
        block = found[Path(problem["file"]).name]
        # Where a page shows how a wrong value is refused, the type checker refuses it as well.
        if problem["code"] != "arg-type" or "ConfigurationError" not in block.text:
            problems.append(f"{block.page.name}:{block.line + problem['line']}: {problem['message']}")
    assert problems == []
