"""Who of a gallery is still known by bridged templates, and of whom those are uncertain."""

from dataclasses import dataclass
from sqlite3 import Connection

from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.migration.crossing import Crossing
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.sealed.templates import BRIDGED, UNCERTAIN, Template

__all__ = ["Standing", "standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """`bridged` people have no native template yet; `enrol_again` are those of them all of whose
    templates the map itself foretells badly.
    """

    crossing: Crossing | None
    templates: int
    people: int
    bridged: tuple[str, ...]
    enrol_again: tuple[str, ...]


def standing(gallery: Gallery) -> Standing:
    """Every record is opened: a look for whoever runs the gallery, not for every visit."""
    return gallery.mirror.read(_standing)


def _standing(connection: Connection, seen: Seen) -> Standing:
    marks: dict[str, set[int]] = {}
    crossing, ledger = seen.state.crossing, seen.ledger
    for number, name in ledger.people(connection) if crossing else ():
        templates = ledger.templates(connection, number)
        marks[name] = {each.mark for each in templates if _is_of_new(each, crossing)}
    bridged = sorted(name for name, found in marks.items() if found and min(found) >= BRIDGED)
    again = [name for name in bridged if min(marks[name]) >= UNCERTAIN]
    count, people = len(seen.index), len(seen.index.names)
    return Standing(crossing, count, people, tuple(bridged), tuple(again))


def _is_of_new(each: Template, crossing: Crossing | None) -> bool:
    return crossing is not None and each.at(across=crossing.kept) is not None
