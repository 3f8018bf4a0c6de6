"""The gallery: what is enrolled is found, what is erased is gone, what is damaged is refused."""

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery import file as gallery_file
from embedge.runtime.gallery import index as gallery_index

DIM = 64
CONTRACT = tiny_contract(DIM)
KEY = bytes(range(32))


def unit(seed: int, count: int = 1) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def near(rows: np.ndarray, seed: int, noise: float = 0.05) -> np.ndarray:
    rows = rows + noise * np.random.default_rng(seed).normal(size=rows.shape).astype(np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def create(folder: Path, key: bytes | None = KEY, rows: str = "float32") -> Gallery:
    path = folder / "people.gallery"
    return Gallery.create(path, CONTRACT, key=key, rows=rows, unencrypted=key is None)


def top(gallery: Gallery, query: np.ndarray, count: int = 3) -> list[tuple[str, float]]:
    (ranked,) = gallery.identify(query, CONTRACT, count=count)
    return [(each.person, each.cosine) for each in ranked]


@pytest.mark.parametrize("rows", ["float32", "int8"])
@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "plain"])
def test_what_is_enrolled_is_found_again_after_reopening(tmp_path, key, rows):
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


def test_identification_equals_the_naive_one_and_groups_people(tmp_path, monkeypatch):
    monkeypatch.setattr("embedge.runtime.gallery.scan._SEGMENT", 512)
    monkeypatch.setattr("embedge.runtime.gallery.scan._LOOSE", 40)
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


def test_ties_are_in_the_order_of_names(tmp_path):
    row = unit(3)[0]
    with create(tmp_path) as gallery:
        for name in ("carol", "alice", "bob", "alice"):
            gallery.enroll(name, row, CONTRACT)
        assert [name for name, _ in top(gallery, row)] == ["alice", "bob", "carol"]


def test_nobody_is_found_in_an_empty_gallery(tmp_path):
    with create(tmp_path) as gallery:
        assert gallery.identify(unit(0), CONTRACT) == [[]]
        assert gallery.identify(unit(0)[:0], CONTRACT) == []
        assert gallery.people() == []


def test_int8_rows_lose_little(tmp_path):
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


def test_a_reader_sees_what_a_writer_does(tmp_path):
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


def test_two_writers_are_refused(tmp_path):
    with create(tmp_path), pytest.raises(EmbedgeError, match="E-GALLERY-BUSY"):
        Gallery.open(tmp_path / "people.gallery", key=KEY, writable=True)
    Gallery.open(tmp_path / "people.gallery", key=KEY, writable=True).close()


def test_threads_share_a_gallery(tmp_path):
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


@pytest.mark.parametrize("rows", ["float32", "int8"])
@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "plain"])
def test_erasure_leaves_no_trace(tmp_path, key, rows):
    people = unit(8, 10)
    with create(tmp_path, key, rows) as gallery:
        gallery.enroll([f"p{i}" for i in range(10)], people, CONTRACT)
        gallery.enroll("p3", people[3], CONTRACT)
        old = gallery_file.GalleryFile.open(gallery._file.path, key, writable=False)
        proof = gallery.erase("p3", prove=True)
        assert proof.proven
        assert proof.templates == 2
        assert proof.patterns >= 10
        assert proof.searched_bytes == (tmp_path / "people.gallery").stat().st_size
        assert set(old.pread(100_000, 0)) == {0}  # the replaced file was overwritten too
        old.close()
        assert "p3" not in gallery.people()
        assert len(gallery) == 9
        assert top(gallery, people[4])[0][0] == "p4"
        with pytest.raises(EmbedgeError, match="E-PERSON"):
            gallery.erase("p3")


@pytest.mark.parametrize("rows", ["float32", "int8"])
def test_the_proof_finds_what_was_left_behind(tmp_path, rows):
    with create(tmp_path, None, rows) as gallery:
        gallery.enroll("ann", unit(9)[0], CONTRACT)
        gallery.enroll("ben", unit(10)[0], CONTRACT)
        copy = (tmp_path / "people.gallery").read_bytes()
        (tmp_path / "people.gallery.backup").write_bytes(b"x" + copy)
        proof = gallery.erase("ann", prove=True)
    assert not proof.proven
    assert all("people.gallery.backup" in hit for hit in proof.found)
    assert len(proof.files) == 2


def test_the_proof_finds_encrypted_copies(tmp_path):
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(9)[0], CONTRACT)
        copy = (tmp_path / "people.gallery").read_bytes()
        (tmp_path / ".people.gallery.old").write_bytes(copy[7:])
        assert not gallery.erase("ann", prove=True).proven


def test_an_erasure_that_was_not_searched_is_not_called_proven(tmp_path):
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(9)[0], CONTRACT)
        assert not gallery.erase("ann").proven


def test_nothing_plain_is_in_an_encrypted_file(tmp_path):
    row = unit(11)[0]
    with create(tmp_path) as gallery:
        gallery.enroll("Zebulon Quartermain", row, CONTRACT)
    data = (tmp_path / "people.gallery").read_bytes()
    assert b"Zebulon" not in data
    assert row.tobytes()[:16] not in data
    assert (tmp_path / "people.gallery").stat().st_mode & 0o077 == 0


def test_compaction_keeps_everything_and_shrinks(tmp_path):
    people = unit(12, 50)
    with create(tmp_path) as gallery:
        for number, row in enumerate(people):
            gallery.enroll(f"p{number}", row, CONTRACT)
        before, size = top(gallery, people[20], 10), gallery.info().bytes
        trail = list(gallery.audit())
        gallery.compact()
        assert top(gallery, people[20], 10) == before
        assert gallery.info().bytes < size
        assert list(gallery.audit())[:-1] == trail
        gallery.enroll("later", unit(13)[0], CONTRACT)
    with Gallery.open(tmp_path / "people.gallery", key=KEY) as gallery:
        assert len(gallery) == 51


def test_many_templates_are_written_in_several_blocks(tmp_path):
    rows = unit(14, 9000)
    with create(tmp_path, rows="int8") as gallery:
        gallery.enroll([f"p{i}" for i in range(9000)], rows, CONTRACT)
        assert sum(1 for _ in gallery._file.blocks()) == 3
        gallery.compact()
    with Gallery.open(tmp_path / "people.gallery", key=KEY) as gallery:
        assert len(gallery) == 9000
        assert top(gallery, rows[8999])[0][0] == "p8999"


def test_export_gives_a_person_everything(tmp_path):
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


def test_the_audit_trail_names_no_one_and_holds_no_embedding(tmp_path):
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


@pytest.mark.parametrize("rows", ["float32", "int8"])
def test_renewal_makes_older_copies_useless_and_changes_no_score(tmp_path, rows):
    people = unit(18, 30)
    with create(tmp_path, rows=rows) as gallery:
        gallery.enroll([f"p{i}" for i in range(30)], people, CONTRACT)
        before = top(gallery, people[5], 5)
        stored = next(iter(gallery._file.blocks())).matrix.astype(np.float32)
        gallery.renew(bytes(32))
        after = top(gallery, people[5], 5)
        renewed = next(iter(gallery._file.blocks())).matrix.astype(np.float32)
    assert [name for name, _ in after] == [name for name, _ in before]
    assert np.allclose([c for _, c in after], [c for _, c in before], atol=2e-2)
    lengths = np.linalg.norm(stored, axis=1) * np.linalg.norm(renewed, axis=1)
    assert np.abs((stored * renewed).sum(axis=1) / lengths).max() < 0.7  # unrelated vectors
    with pytest.raises(EmbedgeError, match="E-KEY"):
        Gallery.open(tmp_path / "people.gallery", key=KEY)
    with Gallery.open(tmp_path / "people.gallery", key=bytes(32)) as gallery:
        assert top(gallery, people[5], 5) == after


def test_keys(tmp_path):
    path = tmp_path / "people.gallery"
    with pytest.raises(EmbedgeError, match=r"E-KEY.*personal data"):
        Gallery.create(path, CONTRACT, key=None)
    assert not path.exists()
    create(tmp_path).close()
    with pytest.raises(EmbedgeError, match=r"E-KEY.*no key"):
        Gallery.open(path)
    with pytest.raises(EmbedgeError, match=r"E-KEY.*not this gallery's"):
        Gallery.open(path, key=bytes(32))
    with pytest.raises(EmbedgeError, match="E-GALLERY-EXISTS"):
        Gallery.create(path, CONTRACT, key=KEY)
    with pytest.raises(EmbedgeError, match="E-GALLERY-MISSING"):
        Gallery.open(tmp_path / "absent", key=KEY)


def test_only_embeddings_of_the_same_space_enter(tmp_path):
    row = unit(19)[0]
    with create(tmp_path) as gallery:
        with pytest.raises(EmbedgeError, match=r"E-SPACE"):
            gallery.enroll("ann", row, tiny_contract(DIM, space="another"))
        with pytest.raises(EmbedgeError, match="E-SPACE"):
            gallery.identify(row, tiny_contract(DIM, space="another"))
        for wrong in (row * 2, row[:10], row[None, None], np.full(DIM, np.nan), np.zeros(DIM)):
            with pytest.raises(EmbedgeError, match="E-EMBEDDING"):
                gallery.enroll("ann", wrong, CONTRACT)
        for name in ("", "x" * 300):
            with pytest.raises(EmbedgeError, match="E-PERSON"):
                gallery.enroll(name, row, CONTRACT)
        with pytest.raises(EmbedgeError, match="E-PERSON"):
            gallery.enroll(["a", "b"], row, CONTRACT)
        gallery.enroll("same space, other student", row, tiny_contract(DIM, model="another"))
        assert len(gallery) == 1


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    real = os.pwrite
    budget = [0]

    def limited(descriptor, data, offset):
        if budget[0] <= 0:
            raise OSError(28, "No space left on device")
        part = bytes(data)[: budget[0]]
        budget[0] -= len(part)
        return real(descriptor, part, offset)

    people = unit(20, 3)
    with create(tmp_path) as gallery:
        gallery.enroll("ann", people[0], CONTRACT)
        monkeypatch.setattr(os, "pwrite", limited)
        for room in (0, 3, 100, 500):
            budget[0] = room
            with pytest.raises(EmbedgeError, match=r"E-WRITE.*as it was before"):
                gallery.enroll("ben", people[1], CONTRACT)
            budget[0] = room
            with pytest.raises(EmbedgeError, match="E-WRITE"):
                gallery.erase("ann")
            assert gallery.people() == ["ann"]
        monkeypatch.setattr(os, "pwrite", real)
        gallery.enroll("ben", people[1], CONTRACT)
    with Gallery.open(tmp_path / "people.gallery", key=KEY) as gallery:
        assert gallery.people() == ["ann", "ben"]
    assert [path.name for path in tmp_path.iterdir()] == ["people.gallery"]


def test_an_interrupted_rewriting_is_wiped(tmp_path):
    create(tmp_path).close()
    left = tmp_path / ".people.gallery.part"
    left.write_bytes(b"somebody's template")
    Gallery.open(tmp_path / "people.gallery", key=KEY, writable=True).close()
    assert not left.exists()
