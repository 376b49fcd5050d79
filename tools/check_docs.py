"""Check the Markdown that is read as it stands: links, headings and code fences.

Every internal link and anchor must lead somewhere, every fenced block must be closed and name
a language that is known here, and a package's README, which is shown alone on its index page,
must not link into the tree. What the code blocks do is for the tests to prove, not for this.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = frozenset(
    {"{toctree}", "c", "console", "diff", "ini", "json", "mermaid", "pycon", "python", "sh", "text", "toml", "yaml"}
)
SKIPPED = frozenset({"node_modules", "build", "dist", "site"})

FENCE = re.compile(r"^\s*(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
HEADING = re.compile(r"^(?P<level>#{1,6}) +(?P<text>.+?)(?: +#+)?$")
INLINE = re.compile(
    r"\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target><[^>]*>|[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+\"[^\"]*\")?\)"
)
DEFINITION = re.compile(r"^ {0,3}\[(?P<label>[^\]]+)\]:\s*(?P<target>\S+)")
REFERENCE = re.compile(r"\[(?P<text>[^\[\]]+)\]\[(?P<label>[^\]]*)\]")
CODE = re.compile(r"(`+)(?:(?!\1).)*\1")


def pages(root: Path) -> list[Path]:
    """Every Markdown file of the checkout that a person is meant to read."""
    return sorted(
        path
        for path in root.rglob("*.md")
        if not any(part.startswith(".") or part in SKIPPED for part in path.relative_to(root).parts)
    )


def anchor(heading: str) -> str:
    """The fragment that a heading gets: lower case, punctuation dropped, spaces as hyphens."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines outside fenced code, numbered, with inline code blanked out."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        match = FENCE.match(line)
        if fence:
            if match and match["fence"].startswith(fence) and not match["info"].strip():
                fence = ""
        elif match:
            fence = match["fence"]
        else:
            yield number, line


def anchors(text: str) -> list[str]:
    """The anchors of a page, a repeated one numbered as the usual renderers do."""
    found: list[str] = []
    for _, line in prose(text):
        if match := HEADING.match(line):
            name = anchor(match["text"])
            seen = sum(1 for other in found if other == name or re.fullmatch(rf"{re.escape(name)}-\d+", other))
            found.append(f"{name}-{seen}" if seen else name)
    return found


def fence_problems(text: str) -> Iterator[tuple[int, str]]:
    """Fences that stay open, or whose language is missing or unknown."""
    fence, opened = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        match = FENCE.match(line)
        if fence:
            if match and match["fence"].startswith(fence) and not match["info"].strip():
                fence = ""
        elif match:
            fence, opened = match["fence"], number
            language = match["info"].strip().partition(" ")[0]
            if language not in LANGUAGES:
                known = ", ".join(sorted(LANGUAGES))
                yield number, f"a code block's language is {language or 'missing'!r}; known are {known}"
    if fence:
        yield opened, "a code block is never closed"


def targets(text: str) -> Iterator[tuple[int, str]]:
    """Every link target with its line; an undefined reference is given as ``[label]``."""
    lines = [(number, CODE.sub("", line)) for number, line in prose(text)]
    defined = {match["label"].lower() for _, line in lines if (match := DEFINITION.match(line))}
    for number, line in lines:
        if match := DEFINITION.match(line):
            yield number, match["target"]
            continue
        for match in INLINE.finditer(line):
            yield number, match["target"].strip("<>")
        for match in REFERENCE.finditer(line):
            if (match["label"] or match["text"]).lower() not in defined:
                yield number, match[0]


def link_problem(root: Path, page: Path, target: str) -> str | None:
    """What is wrong with a link of ``page``, or None."""
    if re.match(r"(https?://|mailto:)", target):
        return None
    if target.startswith(("[", "/")):
        return f"{target} has no definition" if target.startswith("[") else f"{target}: give it relative to the page"
    name, _, fragment = unquote(target).partition("#")
    if name and page.parent.parent == root / "packages":
        return f"{target}: a package's README stands alone on its index page and cannot link into the tree"
    wanted = (page.parent / name).resolve() if name else page
    if not wanted.is_relative_to(root.resolve()) or not wanted.exists():
        return f"{target}: there is no such file"
    if fragment and wanted.suffix == ".md" and fragment not in anchors(wanted.read_text()):
        return f"{target}: {wanted.name} has no heading for #{fragment}"
    return None


def problems(root: Path, page: Path) -> Iterator[tuple[int, str]]:
    """Everything wrong with one page, with line numbers."""
    text = page.read_text()
    yield from fence_problems(text)
    titles = [number for number, line in prose(text) if (match := HEADING.match(line)) and match["level"] == "#"]
    if len(titles) != 1:
        yield titles[1] if titles else 1, f"a page has one title (# ...), this one has {len(titles)}"
    for number, target in targets(text):
        if problem := link_problem(root, page, target):
            yield number, problem


def main() -> int:
    """Check every page below the root; 1 if any has a problem."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    root: Path = parser.parse_args().root.resolve()
    found = pages(root)
    bad = [
        f"{page.relative_to(root)}:{number}: {problem}"
        for page in found
        for number, problem in sorted(problems(root, page))
    ]
    print("\n".join(bad), file=sys.stderr, end="\n" if bad else "")
    if not found:
        print(f"check_docs: no Markdown below {root}", file=sys.stderr)
    print(f"{len(found)} pages, {len(bad)} problems")
    return 1 if bad or not found else 0


if __name__ == "__main__":
    sys.exit(main())
