"""Erasure: nothing stays in the gallery and its journal, and the proof says what it knows."""

import os
from pathlib import Path

import numpy as np
import pytest
from gallery_rows import CONTRACT, DIM, KEY, create, unit

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.storage.database import Database


@pytest.mark.parametrize("rows", ["float32", "int8"])
@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "plain"])
def test_nothing_is_left(tmp_path: Path, key: bytes | None, rows: str) -> None:
    people = unit(8, 40)
    with create(tmp_path, key, rows) as gallery:
        gallery.enroll([f"p{i}" for i in range(40)], people, CONTRACT)
        gallery.enroll("p3", unit(9), CONTRACT)
        proof = gallery.erase("p3", prove=True, embeddings=people[3])
        assert proof.proven, proof.to_json()
        assert proof.templates == 2
        assert proof.patterns >= 20
        assert str(tmp_path / "people.gallery") in proof.files
        assert proof.searched_bytes >= (tmp_path / "people.gallery").stat().st_size
        assert "p3" not in gallery.people()
        assert len(gallery) == 39
        with pytest.raises(EmbedgeError, match="E-PERSON"):
            gallery.erase("p3")


def test_everybody_goes_one_by_one_in_any_order_and_none_leaves_a_trace(tmp_path: Path) -> None:
    people = unit(1, 60)
    with create(tmp_path) as gallery:
        for half in (0, 1):
            names = [f"p{i % 30}" for i in range(60) if i % 2 == half]
            gallery.enroll(names, people[half::2], CONTRACT)
        gallery.renew()
        for count, number in enumerate(np.random.default_rng(0).permutation(30)[:14]):
            assert gallery.erase(f"p{number}", prove=True).proven
            if count % 5 == 4:
                gallery.compact()


def test_the_proof_says_what_for_where_and_what_it_cannot_know(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(0), CONTRACT)
        said = gallery.erase("ann", prove=True).to_json()
    for form in ("the templates (float32)", "float16", "int8", "wrapped key"):
        assert any(form in text for text in said["forms"])
    assert any("snapshots" in text for text in said["unknown"])
    assert said["proven"] is True


def test_nothing_to_search_for_is_no_proof(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        proof = gallery.erase("nobody", prove=True, embeddings=np.zeros((0, DIM), np.float32))
    assert proof.patterns == 0
    assert not proof.proven


def test_an_erasure_that_was_not_searched_is_not_called_proven(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(9), CONTRACT)
        assert not gallery.erase("ann").proven


def test_an_interrupted_erasure_is_finished_and_can_be_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "people.gallery"

    def fails(self: Database) -> None:
        raise EmbedgeError("E-WRITE", "no power", remedy="Wait")

    with create(tmp_path) as gallery:
        gallery.enroll(["ann", "ben"], unit(9, 2), CONTRACT)
        wrapped, *_ = gallery.mirror.read(
            lambda file, seen: seen.ledger.sealed_rows(file, seen.number("ann") or 0)
        )
        with monkeypatch.context() as patch:
            patch.setattr(Database, "scrub", fails)
            with pytest.raises(EmbedgeError, match="what was done is in the file"):
                gallery.erase("ann")
            with pytest.raises(
                EmbedgeError, match="nothing was done now: what an earlier call did"
            ):
                Gallery.open(path, key=KEY, writable=True)
    journal = Path(f"{path}-journal")
    assert wrapped in journal.read_bytes()
    Gallery.open(path, key=KEY).close()
    assert wrapped in journal.read_bytes()  # a reader changes nothing
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        assert not journal.exists() or wrapped not in journal.read_bytes()
        assert gallery.people() == ["ben"]
        assert gallery.erase("ann", prove=True, embeddings=unit(9, 2)[0]).proven


def test_the_journal_is_overwritten_before_it_goes(tmp_path: Path) -> None:
    """Its bytes, read through a descriptor that was opened before."""
    path = tmp_path / "people.gallery"
    with create(tmp_path) as gallery:
        gallery.enroll(["ann", "ben"], unit(9, 2), CONTRACT)
        descriptor = os.open(f"{path}-journal", os.O_RDONLY)
        gallery.erase("ann")
        size = os.fstat(descriptor).st_size
        assert size > 4096
        assert os.pread(descriptor, size, 0) == bytes(size)
        os.close(descriptor)


@pytest.mark.parametrize("rows", ["float32", "int8"])
@pytest.mark.parametrize("erased", ["ann", "Anne"])
def test_the_same_picture_under_another_name_is_found(
    tmp_path: Path, rows: str, erased: str
) -> None:
    with create(tmp_path, rows=rows) as gallery:
        gallery.enroll(["ann", "anna"], unit(9)[[0, 0]], CONTRACT)
        proof = gallery.erase(erased, prove=True, embeddings=unit(9))
    assert any("enrolled also as 'anna'" in hit for hit in proof.found)
    assert not proof.proven


@pytest.mark.parametrize(
    "rows", [np.ones((1, DIM // 2)), np.full((1, DIM), np.nan), np.ones((1, DIM))]
)
def test_embeddings_that_no_encoder_of_the_gallery_makes_are_refused(
    tmp_path: Path, rows: np.ndarray
) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(9), CONTRACT)
        with pytest.raises(EmbedgeError, match="E-EMBEDDING"):
            gallery.erase("ann", prove=True, embeddings=rows)
        assert gallery.people() == ["ann"]
