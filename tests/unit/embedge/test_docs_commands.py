"""Every command that a page shows is one that the command line takes."""

import importlib

import pytest
from shown_commands import PAGES, REPOSITORY, commands_of, one_command

from embedge.cli import COMMANDS, parser_of

SHOWN = [
    pytest.param(line, id=f"{page.relative_to(REPOSITORY)}:{number}")
    for page in PAGES
    for number, line in enumerate(commands_of(page))
]


def test_pages_show_commands() -> None:
    assert len(SHOWN) > 80
    assert sum(str(param.id).startswith("docs/runtime.md") for param in SHOWN) == 10


@pytest.mark.parametrize("line", SHOWN)
def test_the_command_line_takes_it(
    line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
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
