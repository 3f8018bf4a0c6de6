"""Who is on which picture: a folder of people's folders, or a table."""

import csv
import io
import os
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.printed import printable
from embedge.runtime.reading import read_bytes

__all__ = ["people_of_csv", "people_of_folder"]

People = list[tuple[str, Path]]
_HEADER = ["picture", "person"]
_LARGEST_TABLE = 64 << 20  # a million lines


def people_of_folder(folder: Path) -> People:
    """Each folder inside is a person, each file in it a picture; hidden ones are left out.

    A link out of the folder is refused: its pictures are of somebody whom nobody put there. One to
    nothing counts as a picture, so that it is listed with its refusal.
    """
    try:
        found = [
            (person.name, picture)
            for person in sorted(folder.iterdir())
            if not person.name.startswith(".")
            for picture in (sorted(person.iterdir()) if person.is_dir() else [person])
            if not picture.name.startswith(".")
            if (picture.is_file() and picture is not person)
            or (picture.is_symlink() and not picture.exists())
        ]
    except OSError as error:
        raise _unreadable(folder, f"cannot be read: {error.strerror}") from error
    inside = Path(os.path.realpath(folder))
    for _, picture in found:
        if not Path(os.path.realpath(picture)).is_relative_to(inside):
            name = printable(picture.relative_to(folder))
            raise _unreadable(folder, f"{name} is behind a link that leads out of it")
    return _some(found, folder, "no folder with pictures in it is inside")


def people_of_csv(table: Path) -> People:
    """Lines of `picture,person`, as the first may say; a path begins where the table lies."""
    try:
        text = read_bytes(table, _LARGEST_TABLE).decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except (OSError, ValueError, csv.Error) as error:  # ValueError: no UTF-8; a null byte in names
        why = getattr(error, "strerror", None) or str(error)
        raise _unreadable(table, f"cannot be read: {why}") from error
    wrong = [number for number, row in enumerate(rows, 1) if len(row) != 2]
    if wrong:
        raise _unreadable(table, f"row {wrong[0]} is not picture,person")
    if rows and [cell.strip().casefold() for cell in rows[0]] == _HEADER:
        del rows[0]
    return _some([(name, table.parent / picture) for picture, name in rows], table, "it is empty")


def _some(people: People, where: Path, nothing: str) -> People:
    if people:
        return people
    raise _unreadable(where, nothing)


def _unreadable(where: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-PEOPLE",
        f"nobody can be enrolled from here: {what}",
        where=where,
        remedy="Give one folder a person, or a table with lines of picture,person in UTF-8",
    )
