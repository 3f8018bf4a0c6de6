"""A parser whose refusals say what was probably meant."""

import argparse
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

__all__ = ["Parser", "choices_of", "options_of"]

_REQUIRED = "the following arguments are required: "
_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)$")


class Parser(argparse.ArgumentParser):
    _given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._given = args or ()
        return super().parse_known_args(args, namespace)

    def _print_message(self, message: str, file: Any = None) -> None:
        print(message, end="", file=file, flush=True)  # argparse's own is silent on a full disk

    def error(self, message: str) -> NoReturn:
        if message.startswith(_REQUIRED):
            message += self._misspelt(message.removeprefix(_REQUIRED).split(", "))
        if found := _CHOICE.search(message):
            message += meant(found[1], found[2].replace("'", "").split(", "))
        super().error(message)

    def _misspelt(self, required: list[str]) -> str:
        """What is required may be there under nearly its name."""
        known = options_of(self)
        words = [word.partition("=")[0] for word in self._given if word.startswith("--")]
        told = [meant(word, required) for word in words if word not in known]
        return next(filter(None, told), "")

    def refuse(self, extra: list[str]) -> NoReturn:
        """What is no option of this command, nor of any of its actions."""
        names = [word.partition("=")[0] for word in extra if word.startswith("-")]
        near = meant(names[0], options_of(self)) if names else ""
        self.error(f"unrecognized arguments: {' '.join(extra)}{near}")


def meant(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def choices_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The actions of a command, each with its parser."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:  # argparse tells its options nowhere else
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


def options_of(parser: argparse.ArgumentParser) -> list[str]:
    """All that may be told, its actions' options too."""
    own = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    found = [option for action in own for option in action.option_strings]
    return found + [more for inner in choices_of(parser).values() for more in options_of(inner)]
