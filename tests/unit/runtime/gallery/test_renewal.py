"""A renewed key makes older copies useless, and changes nothing else."""

import shutil
from pathlib import Path
from sqlite3 import Connection

import pytest
from gallery_rows import CONTRACT, KEY, create, top, unit

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.mirror import Seen


def sealed(gallery: Gallery) -> list[bytes]:
    def rows(connection: Connection, seen: Seen) -> list[bytes]:
        people = [number for number, _ in seen.ledger.people(connection)]
        return [row for each in people for row in seen.ledger.sealed_rows(connection, each)]

    return gallery.mirror.read(rows)


@pytest.mark.parametrize("rows", ["float32", "int8"])
def test_renewal_makes_older_copies_useless_and_changes_no_score(tmp_path: Path, rows: str) -> None:
    people = unit(18, 30)
    with create(tmp_path, rows=rows) as gallery:
        gallery.enroll([f"p{i}" for i in range(30)], people, CONTRACT)
        before, old = top(gallery, people[5], 5), sealed(gallery)
        copy = shutil.copy(gallery.mirror.path, tmp_path / "copy")
        gallery.renew(bytes(32))
        assert top(gallery, people[5], 5) == before
    whole = b"".join(each.read_bytes() for each in tmp_path.glob("people*"))
    assert len(old) == 60
    assert not any(row[at : at + 12] in whole for row in old for at in (0, len(row) - 12))
    with pytest.raises(EmbedgeError, match="E-KEY"):
        Gallery.open(copy, key=bytes(32))
    with pytest.raises(EmbedgeError, match="E-KEY"):
        Gallery.open(tmp_path / "people.gallery", key=KEY)
    with Gallery.open(tmp_path / "people.gallery", key=bytes(32)) as gallery:
        assert top(gallery, people[5], 5) == before


def test_many_renewals_leave_int8_rows_as_they_were(tmp_path: Path) -> None:
    row = unit(30)
    with create(tmp_path, rows="int8") as gallery:
        gallery.enroll("ann", row, CONTRACT)
        before = gallery.export("ann")["templates"]
        for _ in range(20):
            gallery.renew()
        assert gallery.export("ann")["templates"] == before
    Gallery.open(tmp_path / "people.gallery", key=KEY).close()


def test_after_a_renewal_an_export_still_has_the_whole_trail(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(0), CONTRACT)
        gallery.renew(bytes(32))
        gallery.enroll("ann", unit(1), CONTRACT)
        assert [entry["event"] for entry in gallery.export("ann")["audit"]] == ["enrol", "enrol"]
