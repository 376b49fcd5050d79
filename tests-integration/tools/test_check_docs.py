from pathlib import Path

import pytest
from check_docs import ROOT, anchors, pages, problems


def found(tmp_path: Path, text: str, name: str = "page.md") -> list[str]:
    page = tmp_path / name
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"# Title\n\n{text}\n")
    (tmp_path / "other.md").write_text("# Other\n\n## The `first` one, it is\n\n## Twice\n\n## Twice\n")
    return [problem for _, problem in problems(tmp_path, page)]


@pytest.mark.parametrize(
    "text",
    [
        "[other](other.md)",
        "[other](other.md#the-first-one-it-is)",
        "[other](<other.md#twice-1>)",
        "[self](#title)",
        "[out](https://example.com/nowhere)",
        "[label][]\n\n[label]: other.md",
        '![picture](other.md "a title")',
        "`[code](missing.md)`",
        "```python\n[code](missing.md)\n```",
        "~~~sh\n```\n~~~",
        "1. a list\n\n   ```sh\n   ls\n   ```",
    ],
)
def test_what_is_right_is_not_reported(text: str, tmp_path: Path) -> None:
    assert found(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gone](missing.md)", "no such file"),
        ("[gone](other.md#third)", "no heading for #third"),
        ("[gone](#nowhere)", "no heading for #nowhere"),
        ("[gone](/other.md)", "relative to the page"),
        ("[gone](../outside.md)", "no such file"),
        ("[gone][label]", "no definition"),
        ("[label]: missing.md", "no such file"),
        ("![gone](missing.png)", "no such file"),
        ("```\nls\n```", "missing"),
        ("```pyhton\nls\n```", "'pyhton'"),
        ("```python\nls", "never closed"),
        ("# Second title", "one title"),
    ],
)
def test_what_is_wrong_is_reported_once(text: str, said: str, tmp_path: Path) -> None:
    (problem,) = found(tmp_path, text)
    assert said in problem


def test_a_packages_readme_links_nowhere_in_the_tree(tmp_path: Path) -> None:
    (problem,) = found(tmp_path, "[root](../../other.md)", "packages/one/README.md")
    assert "stands alone" in problem


def test_repeated_headings_are_numbered() -> None:
    assert anchors("# A b\n## C\n## C\n## C\n```sh\n# no heading\n```\n") == ["a-b", "c", "c-1", "c-2"]


def test_the_pages_of_this_checkout_are_found_and_right() -> None:
    names = {str(page.relative_to(ROOT)) for page in pages(ROOT)}
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "packages/anyserial-core/README.md"} <= names
    assert [(page, problem) for page in pages(ROOT) for problem in problems(ROOT, page)] == []
