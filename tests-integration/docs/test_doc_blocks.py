import re
import tomllib
from pathlib import Path

import pytest
from doc_blocks import Block, Kind, blocks, compiled, does_something, free_names, kind_of
from source_tree import ROOT

# What `pip install anyserial` does not bring.
EXTRAS = re.compile(r"uvloop|\btrio\b|\bpyudev\b|\bimport serial\b")

PAGE = """# A page

```python
a = 1
```

- item

  ```python
  if a:
      b = 2
  ```

~~~sh
ls
~~~
"""


def block(text: str) -> Block:
    return Block(Path("page.md"), 1, "python", text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("print(1)\n", Kind.BLOCKING),
        ("await port.send(b'x')\n", Kind.AWAITS),
        ("async with port:\n    pass\n", Kind.AWAITS),
        ("async def main():\n    await x()\n\nanyio.run(main)\n", Kind.ANYIO),
        ("asyncio.run(main())\n", Kind.ASYNCIO),
        ("trio.run(main)\n", Kind.TRIO),
        ("uvloop.run(main())\n", Kind.UVLOOP),
        ("from anyio import run, sleep\n\nrun(sleep, 0)\n", Kind.ANYIO),
        ("async def main():\n    pass\n\nmain().close()\n", Kind.NOT_RUN),
        ("class Backend:\n    async def open(self):\n        pass\n\nBackend()\n", Kind.BLOCKING),
        ("async def test_it():\n    pass\n", Kind.PYTEST),
        ("subprocess.run(['true'])\n", Kind.BLOCKING),
    ],
)
def test_kind(text: str, kind: Kind) -> None:
    assert kind_of(block(text)) is kind


def test_block_that_only_defines_does_nothing() -> None:
    assert not does_something(block("import anyio\n\nasync def main():\n    pass\n"))
    assert does_something(block("import anyio\n\nasync def main():\n    pass\n\nanyio.run(main)\n"))


def test_names_that_a_fragment_takes_from_its_reader() -> None:
    assert free_names(block("data = await port.receive()\nprint(data)\n")) == {"port", "print"}
    assert free_names(block("with open(port) as port:\n    pass\n")) == {"open"}
    assert free_names(block("def f(port):\n    return port\n")) == set()


def test_every_block_is_found_with_its_place(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n```python\na = 1\n```\n\n- item\n\n  ```python\n  if a:\n      b = 2\n  ```\n\n~~~sh\nls\n~~~\n"
    )
    found = [*blocks("python", "sh", root=tmp_path)]
    assert [(one.line, one.language, one.text) for one in found] == [
        (3, "python", "a = 1\n"),
        (9, "python", "if a:\n    b = 2\n"),
        (14, "sh", "ls\n"),
    ]


def test_text_right_below_a_block_is_its_output(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        "```python\nprint(1)\n```\n\n```text\n1\n```\n\n```python\npass\n```\nThen:\n\n```text\n2\n```\n"
    )
    assert [(block.text, block.output) for block in blocks("python", root=tmp_path)] == [
        ("print(1)\n", "1\n"),
        ("pass\n", None),
    ]
    assert [block.text for block in blocks("text", root=tmp_path)] == ["2\n"]


def test_failing_block_is_reported_with_the_pages_own_line() -> None:
    code = compiled(Block(Path("page.md"), 40, "python", "a = 1\nraise LookupError\n"))
    with pytest.raises(LookupError) as caught:
        exec(code, {})  # noqa: S102  # this test's own words
    assert (str(caught.traceback[-1].path), caught.traceback[-1].lineno + 1) == ("page.md", 42)


def test_toml_is_toml() -> None:
    for found in blocks("toml"):
        tomllib.loads(found.text)


def test_no_page_has_python_in_a_form_that_is_not_run() -> None:
    assert [one.name for one in blocks("pycon", "py", "python3", "ipython")] == []


def test_every_program_runs_after_a_plain_install() -> None:
    # The page on runtimes says above each such block what to install for it. After `install()`, `serial` is ours.
    texts = {
        block.name: re.sub(r"^install\(\)$.*", "", block.text, flags=re.MULTILINE | re.DOTALL)
        for block in blocks("python")
        if block.page.name != "runtimes.md"
    }
    assert [name for name, text in texts.items() if EXTRAS.search(text)] == []


def test_every_page_is_on_the_map() -> None:
    folder = ROOT / "docs"
    linked = set(re.findall(r"\]\(([\w./-]+\.md)\)", (folder / "index.md").read_text()))
    pages = {str(page.relative_to(folder)) for page in folder.rglob("*.md")} - {"index.md"}
    assert pages - linked == set(), "add a row for it to the table in docs/index.md"
