"""Every edit of one leaf of a report's JSON that is read as something else."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from embedge.errors import EmbedgeError
from embedge.report.read import report_from_json

__all__ = ["HARMLESS", "accepted", "at"]

# what may be edited, and why nothing comes of it
HARMLESS = {
    "name": "words for people: gates are told apart by what they measure, the name of another gate"
    " is refused, and a policy that asks for the old name finds no gate and fails",
    "what": "words for people: those that tell another rate, fault or comparison are refused",
}
KEY = {"gallery": {"model": "teacher", "artifact": None}, "probe": {"model": "x", "artifact": None}}
Path = tuple[str | int, ...]


def _leaves(found: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if not isinstance(found, (dict, list)) or not found:
        yield path, found
        return
    for key, one in found.items() if isinstance(found, dict) else enumerate(found):
        yield from _leaves(one, (*path, key))


def _others(path: Path, leaf: Any) -> list[Any]:
    """A little more and less, which turns no outcome, and what is of the same type or absent."""
    by_name: dict[str, list[Any]] = {
        "direction": ["min", "max"],
        "figure": ["eer", "tar-lost", "cosine-min", "other"],
        "key": [KEY],
        "worst": [KEY],
        "checked": [["leaks"], ["pairs"]],
        "value": [0.0, 1.0],
        "at_best": [0.0, 1.0],
        "needs": [1, 10**6],
        "fmr": [0.5],
    }
    some = by_name.get(str(path[-1]), [])
    if isinstance(leaf, bool):
        some = [not leaf]
    elif isinstance(leaf, (int, float)):
        some = [*some, leaf + 1e-4, leaf - 1e-4, 0.99 * leaf, 1.01 * leaf, None]
    elif isinstance(leaf, str):
        some = [*some, "", "leaks", "fp16"]
    return [one for one in some if one != leaf and not _rounded(one, leaf)]


def _rounded(one: Any, leaf: Any) -> bool:
    return type(one) is type(leaf) is float and abs(one - leaf) < 1e-8


def accepted(value: Any, inside: Path) -> Iterator[tuple[Path, Any]]:
    """Every edit of a leaf there that is read, and read as something else."""
    written = report_from_json(value)
    for path, leaf in list(_leaves(at(value, inside))):
        for other in _others(path or inside, leaf):
            *folder, last = (*inside, *path)
            place = at(value, tuple(folder))
            place[last] = other
            read = written
            with suppress(EmbedgeError):
                read = report_from_json(value)
            place[last] = leaf
            if read != written:
                yield path, other


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value
