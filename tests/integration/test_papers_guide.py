"""Every command of the pages on certificates and dossiers runs, in the order of the page."""

import re
import shlex
from pathlib import Path

import pytest
from called import called, started
from enrolled_people import enrolled_people

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The files that both pages name."""
    kinds = "\n".join(f"p{n:03d}\t{'ab'[n % 2]}" for n in range(60))
    (tmp_path / "groups.tsv").write_text(f"NAME\tkind\n{kinds}\n")
    (statement,) = blocks("dossier", "json")
    (tmp_path / "statement.json").write_text(statement)
    return enrolled_people(tmp_path)


def blocks(page: str, kind: str) -> list[str]:
    text = (REFERENCE / f"{page}.md").read_text()
    found: list[str] = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    assert found
    return found


@pytest.mark.parametrize("page", ["certificate", "dossier"])
def test_the_commands(page: str, place: Path) -> None:
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    assert len(lines) >= 4
    for line in lines:
        _, program, *arguments = shlex.split(line)
        assert program == "embedge"
        done = (started if line == lines[0] else called)(*arguments, cwd=place)
        assert done.returncode == 0, line + done.stderr
    assert (place / "paper" / f"{page}.html").exists()
    assert (place / "paper" / f"{page}.json.ed25519").exists()


def test_the_pages_name_every_code_that_refuses() -> None:
    source = Path(__file__).parents[2] / "src" / "embedge" / "report"
    raised = {
        code
        for folder in ("papers", "certificate", "dossier")
        for path in (source / folder).glob("*.py")
        for code in re.findall(r'"(E-[A-Z-]+)"', path.read_text())
    }
    told = "".join((REFERENCE / f"{name}.md").read_text() for name in ("certificate", "dossier"))
    assert {code for code in raised if code not in told} <= {"E-PEOPLE", "E-DOSSIER-STATEMENT"}
