"""Check finds what is wrong; recover saves what still opens, whatever page is gone."""

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gallery_rows import CONTRACT, KEY, sql, unit
from two_galleries import NEW, OLD, bridge

from embedge.errors import EmbedgeError
from embedge.runtime import NIST_800_63B, Gallery
from embedge.runtime.gallery import mending
from embedge.runtime.gallery.attempts import AttemptGuard
from embedge.runtime.gallery.copies.workplace import Workplace, left_behind, workplace
from embedge.runtime.gallery.mending import check, recover
from embedge.runtime.gallery.migration.going import forget, go_back, migrate
from embedge.runtime.gallery.storage.database import PAGE

PEOPLE = 30


@pytest.fixture(params=[KEY, None], ids=["encrypted", "plain"])
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, bytes | None]:
    path, key = tmp_path / "g", request.param
    with Gallery.create(path, CONTRACT, key=key, unencrypted=key is None) as gallery:
        for number in range(PEOPLE):
            gallery.enroll(f"p{number:02}", unit(number, 2), CONTRACT, source="fp32")
        gallery.enroll("many", unit(99, 300), CONTRACT)
    return path, key


def test_a_whole_gallery_is_whole_and_saved_whole(
    whole: tuple[Path, bytes | None], tmp_path: Path
) -> None:
    path, key = whole
    assert check(path, key) == []
    with Gallery.open(path, key=key) as gallery:
        before, trail = gallery.export("p07"), list(gallery.audit())
    saved = recover(path, tmp_path / "new", key)
    assert saved.whole
    assert (saved.people, saved.templates) == (PEOPLE + 1, 2 * PEOPLE + 300)
    with Gallery.open(tmp_path / "new", key=key) as gallery:
        after = gallery.export("p07")
        for old, new in zip(before["templates"], after["templates"]):
            assert np.allclose(old.pop("embedding"), new.pop("embedding"), atol=1e-6)
            assert old == new
        assert list(gallery.audit())[: len(trail)] == trail
    assert check(tmp_path / "new", key) == []
    assert sorted(each.name for each in tmp_path.iterdir() if "journal" not in each.name) == [
        "g",
        "new",
    ]


def test_whatever_page_is_gone_only_its_own_rows_are_lost(
    whole: tuple[Path, bytes | None], tmp_path: Path
) -> None:
    path, key = whole
    data = path.read_bytes()
    pages = len(data) // 4096
    saved_all = 0
    for page in range(pages):
        broken = bytearray(data)
        broken[page * 4096 : (page + 1) * 4096] = os.urandom(4096)
        path.write_bytes(broken)
        Path(f"{path}-journal").unlink(missing_ok=True)
        target = tmp_path / f"new{page}"
        saved = recover(path, target, key)
        saved_all += saved.whole
        lost = set(saved.lost)
        with Gallery.open(target, key=key) as gallery:
            found = gallery.people()
            assert len(found) == saved.people
            assert len(found) + len(lost - set(found)) + saved.lost_people == PEOPLE + 1
            for name in found:
                if name != "many":
                    query = unit(int(name[1:]), 2)
                    for best, *_ in gallery.identify(query, CONTRACT, count=1)[: len(lost) == 0]:
                        assert best.person == name
    assert saved_all >= 5  # the first page, inner pages, the index, the trail, the spare header


def test_a_page_of_rows_without_columns_takes_nothing_along(
    whole: tuple[Path, bytes | None], tmp_path: Path
) -> None:
    path, key = whole
    page = bytearray(PAGE)
    page[:10] = b"\x0d\0\0\0\1\0\0\0" + (PAGE - 3).to_bytes(2, "big")
    page[-3:] = b"\1\1\1"  # a row of one byte, its number, a header of nothing but its length
    path.write_bytes(path.read_bytes() + page)
    assert recover(path, tmp_path / "new", key).whole


def test_check_says_what_is_wrong_and_changes_nothing(whole: tuple[Path, bytes | None]) -> None:
    path, key = whole
    data = bytearray(path.read_bytes())
    data[-3000] ^= 1
    path.write_bytes(data)
    assert check(path, key)
    assert path.read_bytes() == bytes(data)


def test_mistakes_are_named(whole: tuple[Path, bytes | None], tmp_path: Path) -> None:
    path, key = whole
    other = bytes(32)
    with pytest.raises(EmbedgeError, match="E-KEY"):
        check(path, other)
    with pytest.raises(EmbedgeError, match="E-KEY"):
        recover(path, tmp_path / "new", other)
    with pytest.raises(EmbedgeError, match="E-GALLERY-EXISTS"):
        recover(path, path, key)
    with pytest.raises(EmbedgeError, match="E-GALLERY-MISSING"):
        recover(tmp_path / "absent", tmp_path / "new", key)
    with pytest.raises(EmbedgeError, match="E-WRITE"):
        recover(path, tmp_path / "no folder" / "new", key)
    for size in (0, 10, 5000):
        (tmp_path / "rubbish").write_bytes(os.urandom(size))
        with pytest.raises(EmbedgeError, match="E-GALLERY:"):
            recover(tmp_path / "rubbish", tmp_path / "new", key)
    assert not (tmp_path / "new").exists()


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_recovery_that_was_killed_is_swept_by_the_next(
    whole: tuple[Path, bytes | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, key = whole
    target = tmp_path / "saved" / "new"
    target.parent.mkdir()
    for room, step in ((mending, "_copied"), (mending, "_saved"), (Workplace, "publish")):
        child = os.fork()
        if child == 0:
            real = getattr(room, step)
            monkeypatch.setattr(room, step, lambda *its, real=real: (real(*its), os._exit(9)))
            try:
                recover(path, target.with_name(f"other {step}"), key)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left, *others = names_in(target.parent)
    assert left.startswith(".embedge-recovering-")
    assert others == ["other publish"]
    target.touch()  # killed between the name and the file
    (tmp_path / "saved" / "new-journal").write_bytes(bytes(512) + b"left by another of this name")
    assert recover(path, target, key).whole
    assert check(target, key) == []
    assert names_in(target.parent) == ["new", "other publish"]


def test_two_recoveries_in_one_folder_leave_each_other_alone(
    whole: tuple[Path, bytes | None], tmp_path: Path
) -> None:
    path, key = whole
    with workplace(tmp_path / "new") as place:
        place.create("half").close()
        assert recover(path, tmp_path / "new", key).whole
        assert left_behind(tmp_path) == [place.path]
        assert names_in(place.path) == ["half"]
        with pytest.raises(EmbedgeError, match="E-GALLERY-EXISTS"):
            place.publish("half", tmp_path / "new", 0o600)
    assert left_behind(tmp_path) == []
    assert check(tmp_path / "new", key) == []


def put_back(path: Path, old: Path, *then: str) -> None:
    """As somebody does who has no key, but a copy from before."""
    with closing(sqlite3.connect(path)) as there:
        there.execute("ATTACH ? AS o", (str(old),))
        for table in ("person", "record"):
            there.execute(f"INSERT OR IGNORE INTO {table} SELECT * FROM o.{table}")
        for statement in then:
            there.execute(statement)
        there.commit()


@pytest.fixture
def erased(tmp_path: Path) -> Path:
    """Ann stays, Bob is erased, Cid was erased and is back; `old` holds all of them."""
    path = tmp_path / "g"
    with Gallery.create(path, CONTRACT, key=KEY) as gallery:
        for seed, name in enumerate(("ann", "bob", "cid")):
            gallery.enroll(name, unit(seed), CONTRACT)
        shutil.copy(path, tmp_path / "old")
        gallery.erase("bob")
        gallery.erase("cid")
        gallery.enroll("cid", unit(9), CONTRACT)
    return path


@pytest.mark.parametrize(
    "then",
    [(), ("DELETE FROM person WHERE id = 1", "DELETE FROM record WHERE person = 1")],
    ids=["more rows", "as many rows"],
)
@pytest.mark.parametrize("state", ["", "DELETE FROM state", "DELETE FROM spare"])
def test_nobody_who_was_erased_is_saved(
    erased: Path, tmp_path: Path, then: tuple[str, ...], state: str
) -> None:
    put_back(erased, tmp_path / "old", *then, *([state] if state else []))
    saved = recover(erased, tmp_path / "new", KEY)
    assert not saved.whole
    assert saved.erased == ("bob", "cid")
    with Gallery.open(tmp_path / "new", key=KEY) as gallery:
        assert gallery.people() == (["cid"] if then else ["ann", "cid"])
        ((best, *_),) = gallery.identify(unit(2), CONTRACT, count=1)
        assert best.cosine < 0.9  # what Cid had before


def test_where_nothing_tells_who_was_erased_only_a_flag_saves(erased: Path, tmp_path: Path) -> None:
    put_back(erased, tmp_path / "old", "DELETE FROM audit WHERE id = 4")
    saved = recover(erased, tmp_path / "new", KEY)
    assert (saved.people, saved.doubtful) == (0, ("ann", "bob", "cid"))
    kept = recover(erased, tmp_path / "kept", KEY, keep_doubtful=True)
    assert (kept.people, kept.whole, kept.doubtful) == (3, False, ("ann", "bob", "cid"))


STATELESS = "DELETE FROM state", "DELETE FROM spare WHERE id = 2"


def test_without_a_state_a_trail_that_was_cut_brings_nobody_back(
    erased: Path, tmp_path: Path
) -> None:
    """The rest of the trail looks whole, and says that Bob is enrolled."""
    put_back(erased, tmp_path / "old", *STATELESS, "DELETE FROM audit WHERE id > 3")
    saved = recover(erased, tmp_path / "new", KEY)
    assert (saved.people, saved.adds_up) == (0, False)
    assert saved.doubtful == ("ann", "bob", "cid")


@pytest.mark.parametrize("then", [(), ("DELETE FROM person", "DELETE FROM record")])
def test_an_older_state_under_a_trail_that_goes_on_is_not_believed(
    erased: Path, tmp_path: Path, then: tuple[str, ...]
) -> None:
    """Not even that nobody was ever there; and it does not say who was erased."""
    with closing(sqlite3.connect(erased)) as there:
        there.execute("ATTACH ? AS o", (str(tmp_path / "old"),))
        for table in ("person", "record", "state", "spare"):
            there.execute(f"DELETE FROM main.{table}")
            there.execute(f"INSERT INTO main.{table} SELECT * FROM o.{table}")
        for statement in then:
            there.execute(statement)
        there.commit()
    saved, everybody = recover(erased, tmp_path / "new", KEY), ("ann", "bob", "cid")
    assert (saved.people, saved.erased, saved.whole, saved.adds_up) == (0, (), False, False)
    assert saved.doubtful == (() if then else everybody)
    kept = recover(erased, tmp_path / "kept", KEY, keep_doubtful=True)
    assert (kept.people, kept.whole, kept.doubtful) == (len(saved.doubtful), False, saved.doubtful)


def test_whoever_had_to_wait_still_has_to(erased: Path, tmp_path: Path) -> None:
    clock, policy = (lambda: 1000.0), replace(NIST_800_63B, attempts=2)
    with Gallery.open(erased, key=KEY, writable=True) as gallery:
        guard = AttemptGuard(gallery, policy, clock)
        for subject in ("ann", "ann", "cid"):
            guard.begin(subject)
    lost = tmp_path / "lost"
    shutil.copy(erased, lost)
    assert recover(erased, tmp_path / "new", KEY).whole
    with Gallery.open(tmp_path / "new", key=KEY, writable=True) as gallery:
        guard = AttemptGuard(gallery, policy, clock)
        with pytest.raises(EmbedgeError, match="E-ATTEMPTS: 2 attempts"):
            guard.begin("ann")
        guard.begin("cid")
    with closing(sqlite3.connect(lost)) as there:
        there.execute("DELETE FROM attempt WHERE id = (SELECT max(id) FROM attempt)")
        there.commit()
    saved = recover(lost, tmp_path / "newer", KEY)
    assert (saved.people, saved.adds_up, saved.attempts, saved.whole) == (2, True, False, False)


@pytest.mark.parametrize(
    ("name", "why"),
    [("pipe", "it is not a file"), ("none", "No such file"), ("n" * 300, "name too long")],
)
def test_what_cannot_be_recovered_is_told_why(tmp_path: Path, name: str, why: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EmbedgeError, match=f"E-GALLERY-MISSING.*{why}"):
        recover(tmp_path / name, tmp_path / "new", KEY)
    assert not (tmp_path / "new").exists()


def test_who_leaves_with_the_old_model_is_known_to_have_left(tmp_path: Path) -> None:
    path = tmp_path / "g"
    with Gallery.create(path, OLD, key=KEY) as gallery:
        gallery.enroll("ann", unit(1, dim=OLD.dim), OLD)
        migrate(gallery, bridge(), NEW)
        gallery.enroll("bob", unit(2, dim=NEW.dim), NEW)
        go_back(gallery)
        forget(gallery, new=True)
        gallery.enroll("cid", unit(3, dim=OLD.dim), OLD)
        assert gallery.people() == ["ann", "cid"]
        row = gallery.mirror.read(lambda file, seen: seen.ledger.sealed_rows(file, 1)[1])
    path.write_bytes(path.read_bytes().replace(row[-8:], bytes(8)))
    saved = recover(path, tmp_path / "new", KEY)
    assert (saved.people, saved.lost, saved.doubtful) == (1, ("ann",), ())


def test_after_a_recovery_the_trail_still_tells_who_was_erased(
    erased: Path, tmp_path: Path
) -> None:
    between, new = tmp_path / "between", tmp_path / "new"
    assert recover(erased, between, KEY).whole
    shutil.copy(between, tmp_path / "old")
    with Gallery.open(between, key=KEY, writable=True) as gallery:
        gallery.erase("ann")
        gallery.enroll("dan", unit(7), CONTRACT)
        gallery.compact()
    put_back(between, tmp_path / "old")
    saved = recover(between, new, KEY)
    assert (saved.people, saved.erased, saved.lost) == (2, ("ann",), ())


@pytest.mark.parametrize(
    "forged",
    [
        "INSERT INTO state SELECT -5, sealed FROM state",
        "INSERT INTO header VALUES (-1, x'00')",
        "INSERT INTO header SELECT 2, value FROM header",
        "DELETE FROM spare",
        "UPDATE spare SET value = x'00'",
        "INSERT INTO spare SELECT 3, value FROM spare WHERE id = 2",
        "UPDATE spare SET value = x'00' WHERE id = 2",
    ],
)
def test_rows_beside_the_only_one_are_found_and_break_no_writing(
    tmp_path: Path, forged: str
) -> None:
    path = tmp_path / "g"
    with Gallery.create(path, CONTRACT, key=KEY) as gallery:
        gallery.enroll("ann", unit(1), CONTRACT)
    with closing(sqlite3.connect(path)) as there:
        there.execute(forged)
        there.commit()
    assert check(path, KEY)
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.enroll("bob", unit(2), CONTRACT)
        gallery.erase("ann")
    with Gallery.open(path, key=KEY) as gallery:
        assert gallery.people() == ["bob"]


def replace_tables(path: Path, old: Path, *tables: str) -> None:
    with closing(sqlite3.connect(path)) as there:
        there.execute("ATTACH ? AS o", (str(old),))
        for table in tables:
            there.execute(f"DELETE FROM main.{table}")
            there.execute(f"INSERT INTO main.{table} SELECT * FROM o.{table}")
        there.commit()


def test_whoever_is_newer_than_the_state_is_in_doubt_and_not_called_erased(tmp_path: Path) -> None:
    path, old = tmp_path / "g", tmp_path / "old"
    with Gallery.create(path, CONTRACT, key=KEY) as gallery:
        gallery.enroll(["ann", "bob"], unit(1, 2), CONTRACT)
        gallery.erase("bob")
        shutil.copy(path, old)
        gallery.enroll("cid", unit(3), CONTRACT)
    put_back(path, old)
    replace_tables(path, old, "state", "spare", "audit")
    saved = recover(path, tmp_path / "new", KEY)
    assert (saved.people, saved.erased, saved.doubtful, saved.whole) == (1, (), ("cid",), False)
    kept = recover(path, tmp_path / "kept", KEY, keep_doubtful=True)
    assert (kept.people, kept.erased, kept.doubtful, kept.whole) == (2, (), ("cid",), False)
    with Gallery.open(tmp_path / "kept", key=KEY) as gallery:
        assert gallery.people() == ["ann", "cid"]


def test_rows_that_do_not_open_are_counted_and_not_well(tmp_path: Path) -> None:
    """Under the header of an earlier epoch nothing is missing: an empty gallery adds up."""
    path, old = tmp_path / "g", tmp_path / "old"
    with Gallery.create(path, CONTRACT, key=KEY) as gallery:
        shutil.copy(path, old)
        gallery.enroll(["ann", "bob"], unit(1, 2), CONTRACT)
        gallery.renew()
    replace_tables(path, old, "header", "state", "spare")
    saved = recover(path, tmp_path / "new", KEY)
    assert (saved.people, saved.adds_up, saved.unopened, saved.whole) == (0, True, 6, False)


def test_a_trail_that_lost_its_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "g"
    with Gallery.create(path, CONTRACT, key=KEY) as gallery:
        for seed in range(3):
            gallery.enroll(f"p{seed}", unit(seed), CONTRACT)
    sql(path, "DELETE FROM audit WHERE id > 1")
    saved = recover(str(path), str(tmp_path / "new"), KEY)
    assert (saved.people, saved.adds_up, saved.trail, saved.whole) == (3, True, False, False)
