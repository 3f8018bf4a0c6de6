import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np
import pytest
from two_galleries import NEW, OLD, bridge, carried, rows

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery import gallery as gallery_module
from embedge.runtime.gallery.mending import check, recover
from embedge.runtime.gallery.migration.going import forget, go_back, migrate
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.sealed.templates import Group, Template

KEY = bytes(range(32))
PEOPLE = {"ann": rows(1, 2), "ben": rows(2, 1), "cem": rows(3, 8), "dan": rows(4, 3)}
KINDS = pytest.mark.parametrize("kind", ["float32", "int8"])


def create(folder: Path, key: bytes | None = KEY, kind: str = "float32") -> Gallery:
    path = folder / "g"
    gallery = Gallery.create(path, OLD, key=key, rows=kind, unencrypted=key is None)
    for name, templates in PEOPLE.items():
        if name != "dan":
            gallery.enroll(name, templates, OLD)
    for row in PEOPLE["dan"]:  # a record for each, in different steps
        gallery.enroll("dan", row, OLD)
    return gallery


def require_found(
    gallery: Gallery, people: dict[str, np.ndarray] = PEOPLE, near: float = 0.999
) -> None:
    """Each template finds its own person, as the map foretells it."""
    for name, templates in people.items():
        if gallery.contract == NEW and templates.shape[1] == OLD.dim:
            templates = carried(templates)
        for best, *_ in gallery.identify(templates, gallery.contract):
            assert best.person == name
            assert best.cosine > near


@KINDS
@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "plain"])
def test_there_and_back_and_there_again_for_good(
    tmp_path: Path, key: bytes | None, kind: str
) -> None:
    near = 0.999 if kind == "float32" else 0.98
    with create(tmp_path, key, kind) as gallery:
        before = gallery.export("cem")
        told = []
        migrate(gallery, bridge(), NEW, records=2, on_step=lambda *counts: told.append(counts))
        assert told[-1] == (14, 14)
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert len(told) == 4
        assert gallery.contract == NEW
        assert gallery.info().bridged == len(gallery) == 14
        require_found(gallery, near=near)
        assert all(each.bridged for each in gallery.identify(rows(9, 1, NEW.dim), NEW)[0])
        go_back(gallery)
        assert gallery.contract == OLD
        require_found(gallery, near=near)
        kept = gallery.export("cem")["templates"]
        assert [each["embedding"] for each in kept] == [
            each["embedding"] for each in before["templates"]
        ]
        migrate(gallery, bridge(), NEW)
        forget(gallery)
        assert gallery.info().bridged == len(gallery) == 14
    assert check(tmp_path / "g", key) == []
    with Gallery.open(tmp_path / "g", key=key, writable=True) as gallery:
        require_found(gallery, near=near)
        assert "other_embedding" not in gallery.export("cem")["templates"][0]
        assert gallery.export("cem")["templates"][0]["bridged"] is True
        with pytest.raises(EmbedgeError, match="E-MIGRATION"):
            go_back(gallery)
        with pytest.raises(EmbedgeError, match="bridged before"):
            migrate(gallery, bridge(), NEW)
        if key is not None:
            gallery.renew()
            require_found(gallery, near=near)
        for name in PEOPLE:
            gallery.erase(name)
        assert gallery.crossing() is None
        assert len(gallery) == 0


def test_who_comes_while_it_is_under_way_is_carried_too(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        with pytest.raises(KeyboardInterrupt):
            migrate(gallery, bridge(), NEW, records=2, on_step=interrupt)
        assert gallery.contract == OLD
        require_found(gallery)
        gallery.enroll("eve", rows(5, 1), OLD)
        gallery.erase("ann")
    with Gallery.open(tmp_path / "g", key=KEY, writable=True) as gallery:
        told = []
        migrate(gallery, bridge(), NEW, records=2, on_step=lambda *counts: told.append(counts))
        assert told[0][0] > 2  # not from the beginning
        left = {**PEOPLE, "eve": rows(5, 1)}
        del left["ann"]
        require_found(gallery, left)
        assert gallery.people() == sorted(left)
    assert check(tmp_path / "g", KEY) == []


def interrupt(_done: int, _total: int) -> None:
    raise KeyboardInterrupt


@KINDS
def test_who_comes_afterwards_is_native_and_stays_when_one_goes_back(
    tmp_path: Path, kind: str
) -> None:
    native = rows(6, 2, NEW.dim)
    near = 0.999 if kind == "float32" else 0.98
    with create(tmp_path, kind=kind) as gallery:
        migrate(gallery, bridge(), NEW)
        gallery.enroll("fay", native[:1], NEW)
        gallery.enroll("ann", native[1:], NEW)
        assert gallery.info().bridged == 14
        ((best, *_),) = gallery.identify(native[:1], NEW)
        assert (best.person, best.bridged) == ("fay", False)
        gallery.renew()
        require_found(gallery, {"fay": native[:1], **PEOPLE}, near)
        go_back(gallery)
        assert "fay" in gallery.people()
        assert len(gallery) == 14
        require_found(gallery, near=near)
        assert "embedding" not in gallery.export("fay")["templates"][0]
        gallery.renew()
        gallery.enroll("gus", rows(8, 1), OLD)
        require_found(gallery, {**PEOPLE, "gus": rows(8, 1)}, near)
        migrate(gallery, bridge(), NEW)
        require_found(gallery, {"fay": native[:1], "gus": rows(8, 1), **PEOPLE}, near)
        assert gallery.erase("fay", prove=True).proven
        assert gallery.erase("ann", prove=True).proven
        forget(gallery)
        assert gallery.people() == ["ben", "cem", "dan", "gus"]
    assert check(tmp_path / "g", KEY) == []


def test_gone_back_the_new_ones_can_be_erased(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        migrate(gallery, bridge(), NEW)
        gallery.enroll("fay", rows(6, 1, NEW.dim), NEW)
        with pytest.raises(EmbedgeError, match="Go back first"):
            forget(gallery, new=True)
        go_back(gallery)
        with pytest.raises(EmbedgeError, match="the old model's"):
            forget(gallery)
        forget(gallery, new=True)
        assert gallery.crossing() is None
        assert gallery.people() == sorted(PEOPLE)
        require_found(gallery)
    assert check(tmp_path / "g", KEY) == []


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        with pytest.raises(EmbedgeError, match="E-SPACE"):
            migrate(gallery, bridge(), OLD)
        with pytest.raises(EmbedgeError, match="E-SPACE"):
            migrate(gallery, bridge(NEW, NEW), NEW)
        with pytest.raises(EmbedgeError, match="one space"):
            migrate(gallery, bridge(OLD, OLD), OLD)
        with pytest.raises(EmbedgeError, match="no threshold"):
            migrate(gallery, bridge().with_threshold(None), NEW)
        assert gallery.crossing() is None
        migrate(gallery, bridge(), NEW)
        other = bridge().with_threshold(bridge().threshold)
        other.linear[0, 0] += 1
        with pytest.raises(EmbedgeError, match="another map"):
            migrate(gallery, other, NEW)
        with pytest.raises(EmbedgeError, match="E-SPACE"):
            gallery.enroll("eve", rows(5, 1), OLD)


def test_old_templates_are_nowhere_in_the_file_once_they_are_forgotten(tmp_path: Path) -> None:
    with create(tmp_path, key=None) as gallery:
        migrate(gallery, bridge(), NEW)
        assert PEOPLE["ben"].tobytes() in (tmp_path / "g").read_bytes()
        forget(gallery)
    for file in tmp_path.iterdir():
        assert PEOPLE["ben"].tobytes()[:32] not in file.read_bytes()
    assert not np.allclose(bridge().apply(PEOPLE["ben"])[:, : OLD.dim], PEOPLE["ben"])


@pytest.mark.parametrize("back", [False, True])
def test_what_is_recovered_is_as_far_as_it_was(tmp_path: Path, back: bool) -> None:
    native = rows(6, 1, NEW.dim)
    with create(tmp_path) as gallery:
        migrate(gallery, bridge(), NEW)
        gallery.enroll("fay", native, NEW)
        if back:
            go_back(gallery)
    saved = recover(tmp_path / "g", tmp_path / "saved", KEY)
    assert saved.whole
    assert saved.templates == 15
    assert check(tmp_path / "saved", KEY) == []
    with Gallery.open(tmp_path / "saved", key=KEY, writable=True) as gallery:
        assert gallery.info().bridged == 14
        require_found(gallery)
        migrate(gallery, bridge(), NEW)
        require_found(gallery, {**PEOPLE, "fay": native})
        forget(gallery)
        require_found(gallery, {**PEOPLE, "fay": native})
    assert recover(tmp_path / "saved", tmp_path / "again", KEY).whole
    with Gallery.open(tmp_path / "again", key=KEY) as gallery:
        assert gallery.info().bridged == 14


def test_where_the_state_is_lost_only_native_templates_are_saved(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        migrate(gallery, bridge(), NEW)
        gallery.enroll("fay", rows(6, 1, NEW.dim), NEW)
    lose_state(tmp_path / "g")
    recover(tmp_path / "g", tmp_path / "saved", KEY, keep_doubtful=True)
    with Gallery.open(tmp_path / "saved", key=KEY) as gallery:
        assert gallery.contract == OLD
        assert gallery.people() == sorted(PEOPLE)
        require_found(gallery)


def lose_state(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE state SET sealed = ?", (bytes(200),))
        connection.execute("UPDATE spare SET value = ? WHERE id = 2", (bytes(200),))


def test_two_may_carry_it_at_once_and_a_third_searches_meanwhile(tmp_path: Path) -> None:
    people = rows(11, 300)
    names = [f"p{n:03}" for n in range(300)]
    with create(tmp_path) as gallery:
        gallery.enroll(names, people, OLD)
    failed, answered, done = [], [], threading.Event()

    def carry() -> None:
        try:
            with Gallery.open(tmp_path / "g", key=KEY, writable=True) as gallery:
                migrate(gallery, bridge(), NEW, records=10)
        except Exception as error:  # told below, in the thread that may fail the test
            failed.append(error)

    def search() -> None:
        try:
            with Gallery.open(tmp_path / "g", key=KEY) as gallery:
                while not done.is_set():
                    contract = gallery.contract
                    asked = people if contract == OLD else bridge().apply(people)
                    try:
                        found = gallery.identify(asked, contract, count=1)
                    except EmbedgeError as error:
                        if error.code != "E-SPACE":  # it went over in between
                            raise
                        continue
                    assert [best.person for (best,) in found] == names
                    answered.append(contract.space)
        except Exception as error:
            failed.append(error)

    searching, *carrying = (threading.Thread(target=what) for what in (search, carry, carry))
    searching.start()
    for each in carrying:
        each.start()
    for each in carrying:
        each.join()
    while answered.count(NEW.space) < 2 and not failed:
        time.sleep(0.01)
    done.set()
    searching.join()
    assert not failed
    assert answered == sorted(answered, key=[OLD.space, NEW.space].index)
    assert check(tmp_path / "g", KEY) == []
    with Gallery.open(tmp_path / "g", key=KEY) as gallery:
        assert gallery.info().bridged == 314
        events = [entry["event"] for entry in gallery.audit()]
        assert events.count("migrate") == 1


@KINDS
@pytest.mark.parametrize("noise", [0, 2e-7])
def test_who_was_equal_before_is_equal_after(tmp_path: Path, kind: str, noise: float) -> None:
    """One picture under several names: drawn to each one's own mean, it would tell them apart."""
    own, theirs = rows(1, 3), rows(2, 2)
    again = (own[:1] + noise * rows(3, 1)).astype(np.float32)
    with Gallery.create(tmp_path / "g", OLD, key=KEY, rows=kind) as gallery:
        gallery.enroll("ann", own, OLD)
        gallery.enroll(["eve", "fay", "fay"], np.concatenate([again, again, theirs[:1]]), OLD)
        gallery.enroll("gus", theirs[1:], OLD)
        (before,) = gallery.identify(own[:1], OLD, count=3)
        migrate(gallery, bridge(), NEW, records=1)
        (after,) = gallery.identify(carried(own[:1]), NEW, count=3)
        ((other, *_),) = gallery.identify(carried(own)[1:2], NEW)
    for best in (before, after):
        assert sorted(each.person for each in best) == ["ann", "eve", "fay"]
        assert max(each.cosine for each in best) - min(each.cosine for each in best) < 1e-4
    assert (other.person, other.cosine > 0.98) == ("ann", True)  # the others are drawn still


@pytest.mark.parametrize("records", [0, -1, float("nan"), 2.5, None, True, 10**30])
def test_steps_of_so_many_records_are_refused(tmp_path: Path, records: Any) -> None:
    with create(tmp_path) as gallery:
        with pytest.raises(EmbedgeError, match="E-OPTION: records is"):
            migrate(gallery, bridge(), NEW, records=records)
        with pytest.raises(EmbedgeError, match="E-OPTION: limit is"):
            migrate(gallery, bridge(), NEW, limit=float("nan"))
        assert gallery.crossing() is None


@pytest.mark.parametrize("flip", [migrate, lambda gallery, *_: go_back(gallery)])
def test_who_waited_for_the_lock_is_held_to_the_model_that_is_searched_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flip: Callable[..., object]
) -> None:
    """Between the first look at the contract and the lock the gallery goes over, or back."""
    with create(tmp_path) as gallery:
        if flip is not migrate:
            migrate(gallery, bridge(), NEW)
        before = gallery.contract
        other = Gallery.open(tmp_path / "g", key=KEY, writable=True)
        checked = gallery_module.checked_names

        def late(*given: Any) -> Any:
            flip(other, bridge(), NEW)
            return checked(*given)

        monkeypatch.setattr(gallery_module, "checked_names", late)
        with other, pytest.raises(EmbedgeError) as refused:
            gallery.enroll("zoe", rows(9, 1, before.dim), before)
        assert refused.value.code == "E-SPACE"
        assert gallery.people() == sorted(PEOPLE)
        require_found(gallery)


def test_what_could_not_be_searched_is_not_recovered_but_named(tmp_path: Path) -> None:
    """A template of the old dimension on the new side, as a waiting enrolment once left it."""
    with create(tmp_path) as gallery:
        migrate(gallery, bridge(), NEW)

        def add(connection: Connection, seen: Seen) -> None:
            stray = Template("0" * 32, "2026-01-01T00:00:00Z", "", None, rows(9, 1)[0])
            state = seen.ledger.add(connection, seen.state, [Group(None, "zoe", [stray])])
            gallery.mirror.put(connection, state)

        gallery.mirror.write(add)
    saved = recover(tmp_path / "g", tmp_path / "saved", KEY)
    assert (saved.lost, saved.unopened, saved.whole) == (("zoe",), 1, False)
    with Gallery.open(tmp_path / "saved", key=KEY) as gallery:
        assert gallery.people() == sorted(PEOPLE)
        require_found(gallery)
