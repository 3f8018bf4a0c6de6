"""The commands that the pages show, as a reader would type them."""

import re
import shlex
from pathlib import Path

from embedge.cli import COMMANDS

__all__ = ["PAGES", "REPOSITORY", "commands_of", "one_command"]

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SHELLS = ("", "console", "sh", "bash")
_SHOWN = re.compile(r"^(?:    )?(?:\$ )?((?:embedge|distill-and-export)\s.*)$", re.MULTILINE)
_TABLE = " | "  # a list of commands side by side, not one to type


def commands_of(page: Path) -> list[str]:
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    fenced = [block for language, block in _FENCED.findall(text) if language in _SHELLS]
    indented = re.findall(r"(?:^    .*\n)+", _FENCED.sub("", text), re.MULTILINE)
    return [
        line
        for block in [*fenced, *indented]
        for line in _SHOWN.findall(block)
        if _TABLE not in line
    ]


def one_command(line: str) -> list[str]:
    """Its words up to the first sign that the shell reads."""
    words = shlex.split(re.split(r"; | && | > | 2>", line)[0], comments=True)
    for count in (2, 1):
        if (command := " ".join(words[1 : 1 + count])) in COMMANDS:
            return [command, *words[1 + count :]]
    return words
