"""Pages that point at each other agree, and every link leads somewhere."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from imports import module_paths

REPOSITORY = Path(__file__).parents[3]
DOCS = REPOSITORY / "docs"
GLOSSARY = (DOCS / "glossary.md").read_text()
STABILITY = (DOCS / "stability.md").read_text()
MODULES = module_paths(REPOSITORY / "src")
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


def _carriers() -> list[str]:
    rows = re.findall(r"^\|[^|\n]+\|[^|\n]+\| (`[^|]+`) \|", GLOSSARY, re.MULTILINE)
    return sorted({name for row in rows for name in re.findall(r"`([\w.]+)`", row)})


@pytest.mark.parametrize("name", _carriers())
def test_the_glossary_names_what_there_is(name: str) -> None:
    parts = ["embedge", *name.split(".")]
    assert ".".join(parts) in MODULES or _defined(MODULES[".".join(parts[:-1])], parts[-1]), name


def test_a_word_has_one_row_in_the_glossary() -> None:
    words = [
        word.strip()
        for row in re.findall(r"^\| ([^|]+) \|[^|\n]+\| `", GLOSSARY, re.MULTILINE)
        for word in row.split(",")
    ]
    assert len(words) > 40
    assert sorted(words) == sorted(set(words))


def _defined(path: Path, name: str) -> bool:
    """Said by the module itself: a class, a function, a constant, or something it imports."""
    for node in ast.parse(path.read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        said = {getattr(node, "name", None), *(ast.unparse(target) for target in targets)}
        if name in said | {alias.name for alias in getattr(node, "names", [])}:
            return True
    return False


def test_the_formats_promised_are_those_written() -> None:
    """And none is written that the page does not list."""
    rows = "".join(re.findall(r"^\| (`embedge\.[^|]+) \|", STABILITY, re.MULTILINE))
    promised = re.findall(r"`(embedge\.[\w-]+)/(\d+)`", rows)
    code = "".join(path.read_text() for path in MODULES.values())
    newest: dict[str, int] = {}
    for name, number in re.findall(r'"(embedge\.[\w-]+)/(\d+)"', code):
        newest[name] = max(newest.get(name, 0), int(number))
    assert {name: int(number) for name, number in promised} == newest
