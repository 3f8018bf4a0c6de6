"""Add pictures of one person or of many to a gallery, which is created when there is none.

With --folder every folder inside is one person, with --csv every line is `picture,person`. All
that can be read is enrolled in one transaction: after an interruption nothing is in, and the same
command again takes up nobody twice. Exit status 3 when any picture was refused.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.cli.device.gallery_options import add_gallery_options, say
from embedge.cli.device.matcher_options import add_matcher_options, matcher_from
from embedge.errors import EmbedgeError
from embedge.printed import JOINERS, counted, printable

if TYPE_CHECKING:
    from embedge.runtime.encoders import Embeddings
    from embedge.runtime.gallery.gallery import Gallery
    from embedge.runtime.matcher import FaceMatcher

_SAME_PICTURE = 0.9999  # of cosine: no two pictures of anybody are as near


@dataclass(slots=True)
class _Line:
    """One picture of the table: `record` once it is enrolled, else why it was refused."""

    person: str
    picture: Path
    record: str = ""
    refusal: str = ""
    matches: Sequence[str] = ()


def configure(parser: argparse.ArgumentParser) -> None:
    add_matcher_options(parser)
    add_gallery_options(parser)
    parser.add_argument("person", nargs="?", help="the person's name, the same every time")
    parser.add_argument("pictures", type=Path, nargs="*", help="one or more pictures")
    many = parser.add_mutually_exclusive_group()
    many.add_argument("--folder", type=Path, help="enrol many: one folder a person inside")
    many.add_argument("--csv", type=Path, help="enrol many: lines of picture,person")
    parser.add_argument(
        "--rows", choices=("float32", "int8"), default="float32", help="of a new gallery"
    )
    parser.add_argument(
        "--unencrypted", action="store_true", help="create a new gallery without a key"
    )


def run(options: argparse.Namespace) -> int:
    key = _key(options)
    if options.folder or options.csv:
        return _many(options, key)
    if not options.person or not options.pictures:
        raise EmbedgeError(
            "E-PERSON",
            "there is nobody to enrol",
            remedy="Give a name and pictures, or --folder PEOPLE, or --csv FILE",
        )
    from embedge.runtime.gallery.enrolment import checked_name

    with matcher_from(options) as matcher:
        embeddings = matcher.embed(options.pictures)  # before anything is written
        with _gallery(options, matcher, key) as gallery:
            records = gallery.enroll(
                options.person, embeddings, matcher.contract, source=matcher.artifact.name
            )
            info = gallery.info()
            people = [checked_name(options.person)] * len(embeddings)
            matches = _matches(gallery, people, embeddings, matcher)
    if options.json:
        others = sorted({name for some in matches for name in some})
        say(json.dumps({"person": options.person, "records": records, "matches": others}))
    else:
        say(
            f"enrolled {options.person}: {counted(len(set(records)), 'template')}; the gallery"
            f" holds {info.templates} of {counted(info.people, 'person', 'people')}"
            f" ({info.rows}, cipher {info.cipher})"
        )
    return 0


def _key(options: argparse.Namespace) -> bytes | None:
    """The key; whoever has one and asks for none as well may mean either."""
    from embedge.runtime.gallery.keys import KEY_VARIABLE, find_key

    key = find_key(options.key_file)
    if key is None or not options.unencrypted:
        return key
    given = "--key-file" if options.key_file else KEY_VARIABLE
    raise EmbedgeError(
        "E-KEY",
        f"--unencrypted asks for a gallery without a key, and {given} gives one",
        remedy=f"Leave out --unencrypted, or {given}",
    )


def _many(options: argparse.Namespace, key: bytes | None) -> int:
    from embedge.cli.people_tables import people_of_csv, people_of_folder

    if options.person:
        raise EmbedgeError(
            "E-PERSON",
            "a name was given beside --folder or --csv",
            remedy="Give one or the other: there the names are those of the folders or lines",
        )
    listed = people_of_csv(options.csv) if options.csv else people_of_folder(options.folder)
    lines = [_Line(person, picture) for person, picture in listed]
    with matcher_from(options) as matcher:
        taken, rows = _embedded(lines, matcher)
        if taken:
            with _gallery(options, matcher, key) as gallery:
                records = gallery.enroll(
                    [line.person for line in taken],
                    rows,
                    matcher.contract,
                    source=matcher.artifact.name,
                )
                matches = _matches(gallery, [line.person for line in taken], rows, matcher)
            for line, record, others in zip(taken, records, matches):
                line.record, line.matches = record, others
    _tell(lines, as_json=options.json)
    return 3 if len(taken) < len(lines) else 0


def _matches(
    gallery: "Gallery", people: Sequence[str], rows: "Embeddings", matcher: "FaceMatcher"
) -> list[list[str]]:
    """Who else each row is taken for; told on stderr, as whoever is asked for may be either."""
    from embedge.runtime.gallery.enrolment import folded

    own, told, found = matcher.artifact.threshold, set[frozenset[str]](), list[list[str]]()
    limit = min(own.value, _SAME_PICTURE) if own else _SAME_PICTURE
    for person, best in zip(people, gallery.identify(rows, matcher.contract, count=2)):
        others = [each for each in best if folded(each.person) != folded(person)]
        others = [each for each in others if each.cosine > limit]
        found.append([each.person for each in others])
        for each in others:
            same = each.cosine >= _SAME_PICTURE
            what = f"{person} and {each.person} share one picture"
            what = what if same else f"the face of {person} matches '{each.person}' already"
            if frozenset({person, each.person}) not in told:
                told.add(frozenset({person, each.person}))
                print(printable(f"embedge: {what}", keep=JOINERS), file=sys.stderr)
    return found


def _embedded(lines: list[_Line], matcher: "FaceMatcher") -> tuple[list[_Line], "Embeddings"]:
    import numpy as np

    from embedge.runtime.gallery.enrolment import checked_name

    rows = []
    for line in lines:
        try:
            line.person = checked_name(line.person)
            rows.append(matcher.embed(line.picture))
        except EmbedgeError as error:
            line.refusal = f"{error.code}: {error.what}"
    return [line for line in lines if not line.refusal], np.array(rows, np.float32)


def _tell(lines: list[_Line], *, as_json: bool) -> None:
    first: dict[str, Path] = {}
    for line in lines:
        again = first.setdefault(line.record, line.picture) if line.record else line.picture
        outcome = line.refusal or ("taken" if again == line.picture else f"the same as {again}")
        if as_json:
            record = line.record or None
            fields = {"person": line.person, "picture": str(line.picture), "record": record}
            refused = line.refusal or None
            say(json.dumps({**fields, "refused": refused, "matches": list(line.matches)}))
        else:
            say(f"{line.person}  {line.picture}  {outcome}")
    if not as_json:
        taken = [line for line in lines if not line.refusal]
        say(
            f"{counted(len(taken), 'picture')} of"
            f" {counted(len({line.person for line in taken}), 'person', 'people')} taken,"
            f" {len(lines) - len(taken)} refused"
        )


def _gallery(options: argparse.Namespace, matcher: "FaceMatcher", key: bytes | None) -> "Gallery":
    from embedge.runtime.gallery.gallery import Gallery

    return Gallery.for_enrolment(
        options.gallery,
        matcher.contract,
        key=key,
        rows=options.rows,
        unencrypted=options.unencrypted,
    )
