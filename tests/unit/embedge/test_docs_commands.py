"""Every command that a page shows is one that the command line takes."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from embedge.cli import COMMANDS, parser_of

REPOSITORY = Path(__file__).parents[3]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
_SHOWN = re.compile(r"^(?:    )?(?:\$ )?((?:embedge|distill-and-export)\s.*)$", re.MULTILINE)
_TABLE = " | "  # a list of commands side by side, not one to type


def commands_of(page: Path) -> list[str]:
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    fenced = re.findall(r"^```(?:console|sh|bash)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    indented = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    return [
        line
        for block in [*fenced, *indented]
        for line in _SHOWN.findall(block)
        if _TABLE not in line
    ]


SHOWN = [
    pytest.param(line, id=f"{page.relative_to(REPOSITORY)}:{number}")
    for page in PAGES
    for number, line in enumerate(commands_of(page))
]


def test_pages_show_commands():
    assert len(SHOWN) > 40


def one_command(line: str) -> list[str]:
    """Its words up to the first sign that the shell reads."""
    words = shlex.split(re.split(r"; | && | > | 2>", line)[0], comments=True)
    for count in (2, 1):
        if (command := " ".join(words[1 : 1 + count])) in COMMANDS:
            return [command, *words[1 + count :]]
    return words


@pytest.mark.parametrize("line", SHOWN)
def test_the_command_line_takes_it(line, capsys, monkeypatch):
    command, *arguments = one_command(line)
    if command not in COMMANDS:
        assert arguments in (
            ["--help"],
            ["--version"],
            ["--version", "--json"],
            ["COMMAND", "--help"],
        )
        return
    module = importlib.import_module(f"embedge.cli.{COMMANDS[command][0]}")
    parser = parser_of(module, command)
    arguments = getattr(module, "spelled_out", list)(arguments)
    monkeypatch.setattr(parser, "exit", lambda status=0, message=None: None)
    _, extra = parser.parse_known_args(arguments)
    assert capsys.readouterr().err == ""
    assert getattr(module, "TAKES_OVERRIDES", False) or not extra
