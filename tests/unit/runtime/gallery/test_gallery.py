"""The gallery: what is enrolled is found, what is erased is gone, what one person is stays one."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from gallery_rows import CONTRACT, KEY, create, near, top, unit

from embedge.errors import EmbedgeError
from embedge.runtime import NIST_800_63B, Gallery
from embedge.runtime.gallery.attempts import AttemptGuard
from embedge.runtime.gallery.mending import check
from embedge.runtime.gallery.search import index as gallery_index


@pytest.mark.parametrize("rows", ["float32", "int8"])
@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "plain"])
def test_what_is_enrolled_is_found_again_after_reopening(
    tmp_path: Path, key: bytes | None, rows: str
) -> None:
    people = unit(0, 20)
    with create(tmp_path, key, rows) as gallery:
        for number, row in enumerate(people):
            (record,) = gallery.enroll(f"person {number:02}", row, CONTRACT, source="fp32")
            assert len(record) == 32
        before = top(gallery, people[7])
    with Gallery.open(tmp_path / "people.gallery", key=key) as gallery:
        assert len(gallery) == 20
        assert gallery.people() == [f"person {number:02}" for number in range(20)]
        assert top(gallery, people[7]) == before
        assert before[0][0] == "person 07"
        assert before[0][1] == pytest.approx(1, abs=1e-5 if rows == "float32" else 2e-2)


def test_identification_equals_the_naive_one_and_groups_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedge.runtime.gallery.search.scan._SEGMENT", 512)
    monkeypatch.setattr("embedge.runtime.gallery.search.scan._LOOSE", 40)
    monkeypatch.setattr(gallery_index, "_QUERIES", 4)
    rows = unit(1, 1500)
    names = [f"p{number % 300:03}" for number in range(1500)]
    queries = near(rows[::150], 2, 0.3)
    with create(tmp_path) as gallery:
        gallery.enroll(names[:700], rows[:700], CONTRACT)
        gallery.identify(queries, CONTRACT)
        gallery.enroll(names[700:], rows[700:], CONTRACT)
        found = gallery.identify(queries, CONTRACT, count=7)
    for query, ranked in zip(queries, found):
        cosines = rows @ query
        best = {f"p{person:03}": float(cosines[person::300].max()) for person in range(300)}
        expected = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:7]
        assert [each.person for each in ranked] == [name for name, _ in expected]
        assert np.allclose([each.cosine for each in ranked], [c for _, c in expected], atol=1e-5)


def test_ties_are_in_the_order_of_names(tmp_path: Path) -> None:
    row = unit(3)[0]
    with create(tmp_path) as gallery:
        for name in ("carol", "alice", "bob", "alice"):
            gallery.enroll(name, row, CONTRACT)
        assert [name for name, _ in top(gallery, row)] == ["alice", "bob", "carol"]


def test_nobody_is_found_in_an_empty_gallery(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        assert gallery.identify(unit(0), CONTRACT) == [[]]
        assert gallery.identify(unit(0)[:0], CONTRACT) == []
        assert gallery.people() == []


def test_int8_rows_lose_little(tmp_path: Path) -> None:
    people = unit(4, 400)
    queries = near(people, 5, 0.08)
    with create(tmp_path, rows="int8") as gallery:
        gallery.enroll([f"{i}" for i in range(400)], people, CONTRACT)
        found = gallery.identify(queries, CONTRACT, count=1)
    assert [int(ranked[0].person) for ranked in found] == list(range(400))
    exact = (people * queries).sum(axis=1)
    lost = np.abs([r[0].cosine - c for r, c in zip(found, exact)])
    assert np.median(lost) < 0.002
    assert lost.max() < 0.05  # a coordinate beyond 3.9 standard deviations is cut


def test_a_reader_sees_what_a_writer_does(tmp_path: Path) -> None:
    people = unit(6, 3)
    path = tmp_path / "people.gallery"
    with create(tmp_path) as writer, Gallery.open(path, key=KEY) as reader:
        assert len(reader) == 0
        writer.enroll("ann", people[0], CONTRACT)
        writer.enroll("ben", people[1], CONTRACT)
        assert reader.people() == ["ann", "ben"]
        writer.erase("ann")
        writer.enroll("cem", people[2], CONTRACT)
        assert reader.people() == ["ben", "cem"]
        assert top(reader, people[2])[0][0] == "cem"
        with pytest.raises(EmbedgeError, match="E-READ-ONLY"):
            reader.enroll("x", people[0], CONTRACT)
        with pytest.raises(EmbedgeError, match="E-READ-ONLY"):
            reader.erase("ben")


def test_threads_share_a_gallery(tmp_path: Path) -> None:
    people = unit(7, 40)
    with create(tmp_path) as gallery:

        def work(number: int) -> None:
            gallery.enroll(f"p{number}", people[number], CONTRACT)
            assert top(gallery, people[number])[0][0] == f"p{number}"

        threads = [threading.Thread(target=work, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(gallery) == 40


def test_nothing_plain_is_in_an_encrypted_file(tmp_path: Path) -> None:
    row = unit(11)[0]
    with create(tmp_path) as gallery:
        gallery.enroll("Zebulon Quartermain", row, CONTRACT)
    data = (tmp_path / "people.gallery").read_bytes()
    assert b"Zebulon" not in data
    assert row.tobytes()[:16] not in data
    assert (tmp_path / "people.gallery").stat().st_mode & 0o077 == 0


def test_compaction_gives_back_what_the_erased_have_left(tmp_path: Path) -> None:
    people = unit(12, 400)
    with create(tmp_path) as gallery:
        gallery.enroll([f"p{number // 20:03}" for number in range(400)], people, CONTRACT)
        for number in range(0, 20, 2):
            gallery.erase(f"p{number:03}")
        before, size = top(gallery, people[21], 10), gallery.info().bytes
        trail = list(gallery.audit())
        gallery.compact()
        assert top(gallery, people[21], 10) == before
        assert gallery.info().bytes < 0.7 * size
        assert list(gallery.audit())[:-1] == trail
        gallery.enroll("later", unit(13)[0], CONTRACT)
    with Gallery.open(tmp_path / "people.gallery", key=KEY) as gallery:
        assert len(gallery) == 201
        assert check(tmp_path / "people.gallery", KEY) == []


def test_space_of_the_erased_is_used_again(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        sizes = []
        for number in range(12):
            gallery.enroll("ann", unit(number, 200), CONTRACT)
            gallery.erase("ann")
            sizes.append(gallery.info().bytes)
    assert sizes[-1] - sizes[2] < 9 * 2 * 300  # the audit trail alone stays


def test_many_templates_of_one_person_are_several_records(tmp_path: Path) -> None:
    rows = unit(14, 9000)
    with create(tmp_path, rows="int8") as gallery:
        gallery.enroll("somebody", rows, CONTRACT)
        gallery.enroll([f"p{i}" for i in range(9000)], rows, CONTRACT)
    with Gallery.open(tmp_path / "people.gallery", key=KEY) as gallery:
        assert len(gallery) == 18000
        assert top(gallery, rows[8999])[0][0] == "p8999"
        assert len(gallery.export("somebody")["templates"]) == 9000


def test_export_gives_a_person_everything(tmp_path: Path) -> None:
    rows = unit(15, 2)
    with create(tmp_path) as gallery:
        gallery.enroll("ann", rows[0], CONTRACT, source="int8-cpu")
        gallery.enroll("ben", rows[1], CONTRACT)
        data = json.loads(json.dumps(gallery.export("ann")))
        assert np.allclose(data["templates"][0]["embedding"], rows[0], atol=1e-6)
        assert data["templates"][0]["source"] == "int8-cpu"
        assert [entry["event"] for entry in data["audit"]] == ["enrol"]
        with pytest.raises(EmbedgeError, match="E-PERSON"):
            gallery.export("nobody")


def test_the_audit_trail_names_no_one_and_holds_no_embedding(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(16)[0], CONTRACT)
        gallery.enroll("ben", unit(17)[0], CONTRACT)
        gallery.erase("ann")
        trail = list(gallery.audit())
    assert [entry["event"] for entry in trail] == ["enrol", "enrol", "erase"]
    assert trail[0]["who"] == trail[2]["who"] != trail[1]["who"]
    assert trail[2]["templates"] == 1
    text = json.dumps(trail)
    assert "ann" not in text
    assert len(text) < 600


def test_one_call_is_one_transaction(tmp_path: Path) -> None:
    """Half of a call is never there: the last name cannot be enrolled."""
    with create(tmp_path) as gallery:
        with pytest.raises(EmbedgeError, match="E-PERSON"):
            gallery.enroll([*(f"p{i}" for i in range(9000)), ""], unit(3, 9001), CONTRACT)
        assert len(gallery) == 0


@pytest.mark.parametrize("rows", ["float32", "int8"])
def test_the_same_picture_is_kept_once(tmp_path: Path, rows: str) -> None:
    people = unit(21, 6)
    last_digits = people * np.float32(1 + 2e-7)
    with create(tmp_path, rows=rows) as gallery:
        first = gallery.enroll("ann", people[:3], CONTRACT)
        again = gallery.enroll("ann", np.concatenate([people[3:4], last_digits[:3]]), CONTRACT)
        assert again[1:] == first
        assert len(gallery) == 4
        same = gallery.enroll(["ben", "cem", "ben"], people[[4, 4, 4]], CONTRACT)
        assert same[0] == same[2] != same[1]
        assert len(gallery) == 6
        near_by = near(people[5:6], 0, 0.004)
        gallery.enroll("dan", np.concatenate([people[5:6], near_by]), CONTRACT)
        assert len(gallery) == 8


def test_two_spellings_of_a_name_are_one_person(tmp_path: Path) -> None:
    composed, decomposed = "Zo\u00eb", "Zoe\u0308"
    with create(tmp_path) as gallery:
        gallery.enroll(composed, unit(0), CONTRACT)
        gallery.enroll(decomposed, unit(1), CONTRACT)
        assert gallery.people() == [composed]
        assert len(gallery.export(decomposed)["templates"]) == 2
        gallery.erase(decomposed)
        assert gallery.people() == []


def test_joiners_join_letters_and_emoji_and_tell_nobody_apart(tmp_path: Path) -> None:
    spelled, bare = "\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u062e\u0648"
    other = "\u0645\u200d\u06cc\u062e\u0648"
    with create(tmp_path) as gallery:
        gallery.enroll(spelled, unit(0), CONTRACT)
        gallery.enroll([bare, other], unit(1, 2), CONTRACT)
        gallery.enroll("\U0001f469\U0001f3fd\u200d\U0001f52c", unit(3), CONTRACT)
        gallery.enroll(["no\u200del", "noel"], unit(4, 2), CONTRACT)
        assert len(gallery.people()) == 3
        assert spelled in gallery.people()
    with Gallery.open(tmp_path / "people.gallery", key=KEY, writable=True) as gallery:
        assert len(gallery.export(bare)["templates"]) == 3
        assert {entry["event"] for entry in gallery.export(other)["audit"]} == {"enrol"}
        guard = AttemptGuard(gallery, NIST_800_63B)
        for subject in (spelled, bare, other, spelled, bare):
            guard.begin(subject)
        with pytest.raises(EmbedgeError, match="E-ATTEMPTS: 5 attempts"):
            guard.begin(other)
        gallery.erase(other)
        assert spelled not in gallery.people()


@pytest.mark.parametrize(
    "name",
    [
        *("ann\ufe0f", "ann\u034f", "ann\u115f", "\u1160ann", "an\u3164n", "ann\uffa0", "\u3164"),
        *("\u2800", "ann\u2800", "ann\ufe00", "ann\u180b", "ann\u17b4", "ann\U000e0100", "\ufe0f"),
        *("ann\U00016fe4", "\U0001d159", "ann \ufe0f"),
    ],
)
def test_characters_that_nobody_sees_are_refused_with_that_word(tmp_path: Path, name: str) -> None:
    with create(tmp_path) as gallery, pytest.raises(EmbedgeError, match=r"E-PERSON.*nobody sees"):
        gallery.enroll(name, unit(0), CONTRACT)


def test_an_emoji_in_colour_or_not_is_one_person(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll(["\u2764\ufe0f ann", "\u2764 ann"], unit(0, 2), CONTRACT)
        assert gallery.people() == ["\u2764\ufe0f ann"]


@pytest.mark.parametrize(
    "name",
    [
        *("\u200cann", "ann\u200d", "an\u200c\u200dn", "a \u200cb", "a\u200c b", "1\u200c2"),
        *("e\u200d\u0301", "a\u200b b", "ann\u202e", "an\u2060n", "an\u200fn", "\u200d"),
    ],
)
def test_joiners_elsewhere_and_other_invisible_letters_are_refused(
    tmp_path: Path, name: str
) -> None:
    with create(tmp_path) as gallery, pytest.raises(EmbedgeError, match="E-PERSON"):
        gallery.enroll(name, unit(0), CONTRACT)
