"""Pages that point at each other agree, and every link leads somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
DOCS = REPOSITORY / "docs"
PAGES = sorted([*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"```.*?```", re.DOTALL)
ENTRY = re.compile(r"^\| \[(\d{4})\]\((\S+)\) \| (.*) \|$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [found[1] for found in LINK.finditer(FENCE.sub("", page.read_text()))]
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("folder", ["decisions", "notes"])
def test_the_index_says_what_the_pages_say(folder: str) -> None:
    index = (DOCS / folder / "README.md").read_text()
    assert [found.groups() for found in ENTRY.finditer(index)] == list(_pages(DOCS / folder))


def test_no_number_is_used_twice() -> None:
    numbers = [path.name[:4] for path in DOCS.rglob("[0-9]*.md")]
    assert sorted(numbers) == sorted(set(numbers))


def _pages(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Number, file and the cells of its row: title, date, and of a decision the status."""
    for path in sorted(folder.glob("[0-9]*.md")):
        title, _, facts = path.read_text().splitlines()[:3]
        number, words = re.fullmatch(r"# (\d{4})\. (.+)", title).groups()
        cells = re.fullmatch(r"Date: (\d{4}-\d\d-\d\d)(?: · Status: (.+))?", facts).groups()
        assert path.name.startswith(f"{number}-"), path
        yield number, path.name, " | ".join([words, *filter(None, cells)])
