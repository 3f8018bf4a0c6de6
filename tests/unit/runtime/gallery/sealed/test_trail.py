"""The audit trail, the state and what a running process saw are of one history."""

import shutil
from functools import partial
from pathlib import Path

import gallery_rows
import pytest
from gallery_rows import KEY, enrolled, sql
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.mending import check

DIM = 32
unit = partial(gallery_rows.unit, dim=DIM)
CONTRACT = tiny_contract(DIM)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return enrolled(tmp_path, CONTRACT)


def refused(path: Path, words: str) -> None:
    for writable in (False, True):
        with pytest.raises(EmbedgeError) as caught:
            Gallery.open(path, key=KEY, writable=writable)
        assert caught.value.code == "E-GALLERY", caught.value
        assert words in caught.value.what


def rows_from(path: Path, other: Path, *tables: str) -> None:
    """As somebody puts them back who has a copy and no key."""
    for table in tables:
        there = f"ATTACH '{other}' AS o", f"DELETE FROM main.{table}"
        sql(path, *there, f"INSERT INTO main.{table} SELECT * FROM o.{table}")


PEOPLE = "person", "record", "state", "spare"


def test_people_and_their_state_put_back_under_a_trail_that_goes_on(
    path: Path, tmp_path: Path
) -> None:
    shutil.copyfile(path, tmp_path / "old")
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.erase("p1")
    rows_from(path, tmp_path / "old", *PEOPLE)
    refused(path, "not of one time")
    assert any("not of one time" in text for text in check(path, KEY))


def test_a_trail_that_ends_before_its_state_does(path: Path) -> None:
    sql(path, "DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)")
    refused(path, "not of one time")


def test_the_trail_of_a_copy_that_went_another_way(path: Path, tmp_path: Path) -> None:
    shutil.copyfile(path, tmp_path / "old")
    for each, person in ((path, "p1"), (tmp_path / "old", "p2")):
        with Gallery.open(each, key=KEY, writable=True) as gallery:
            gallery.erase(person)
    rows_from(path, tmp_path / "old", "audit")
    refused(path, "not of one time")


@pytest.mark.parametrize("spliced", [False, True], ids=["as it is", "with the trail that was seen"])
def test_an_older_copy_that_others_have_written_on(
    path: Path, tmp_path: Path, spliced: bool
) -> None:
    """Its counter is past what the running process saw, but not its history."""
    shutil.copyfile(path, tmp_path / "old")
    with Gallery.open(path, key=KEY) as door:
        with Gallery.open(path, key=KEY, writable=True) as desk:
            desk.erase("p1")
        assert "p1" not in door.people()
        erasure = sql(path, "SELECT max(id), hex(sealed) FROM audit")
        shutil.copyfile(tmp_path / "old", path)
        with Gallery.open(path, key=KEY, writable=True) as desk:
            for number in range(9):
                desk.enroll(f"q{number}", unit(50 + number), CONTRACT)
            desk.renew() if not spliced else None
        for number, row in erasure if spliced else ():
            sql(path, f"UPDATE audit SET sealed = x'{row}' WHERE id = {number}")
        for _ in range(3):
            with pytest.raises(EmbedgeError, match=r"E-GALLERY:.*a copy was put in its place"):
                door.identify(unit(1), CONTRACT)


def test_a_running_process_follows_whatever_others_do(path: Path, tmp_path: Path) -> None:
    with Gallery.open(path, key=KEY) as door:
        for act in ("renew", "compact", "renew"):
            with Gallery.open(path, key=KEY, writable=True) as desk:
                getattr(desk, act)()
                desk.enroll(act, unit(60), CONTRACT)
            assert act in door.people()


@pytest.mark.parametrize("value", ["5", "'text'"])
def test_a_row_in_the_way_of_the_next_note(path: Path, value: str) -> None:
    sql(path, f"INSERT INTO audit SELECT max(id) + 1, {value} FROM audit")
    refused(path, "audit")


def test_a_dropped_entry_of_the_audit_trail(path: Path) -> None:
    sql(path, "DELETE FROM audit WHERE id = 3")
    with Gallery.open(path, key=KEY) as gallery:
        with pytest.raises(EmbedgeError, match=r"E-GALLERY.*audit"):
            gallery.audit()
        with pytest.raises(EmbedgeError, match=r"E-GALLERY.*audit"):
            gallery.export("p1")
    assert any("audit" in text for text in check(path, KEY))
