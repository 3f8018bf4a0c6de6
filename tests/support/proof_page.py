"""A page of proof names tests by `file::name` or `::name`, and benchmarks: they are all there."""

import re
from pathlib import Path

__all__ = ["named_benchmarks", "page", "require_named_tests"]

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    return (ROOT / f"docs/reference/{name}.md").read_text()


def require_named_tests(text: str, *, more_than: int) -> None:
    named, file = re.findall(r"`(tests/[\w/.]+)?::(\w+)`", text), ""
    assert len(named) > more_than
    for where, name in named:
        file = where or file
        assert f"def {name}(" in (ROOT / file).read_text(), (file, name)


def named_benchmarks(text: str) -> set[str]:
    found = set(re.findall(r"`(?:python )?(benchmarks/\w+\.py)", text))
    assert all((ROOT / one).is_file() for one in found)
    return found
