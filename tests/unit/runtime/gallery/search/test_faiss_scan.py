"""faiss as the scan: the same answers as the built-in one, to the last bit."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from gallery_rows import CONTRACT, DIM, KEY, unit

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery


class TestWithFaiss:
    @pytest.fixture(autouse=True)
    def needs_faiss(self) -> None:
        pytest.importorskip("faiss", reason="embedge[faiss] not installed")

    @pytest.mark.parametrize("rows", ["float32", "int8"])
    @pytest.mark.parametrize("count", [1, 5, 400])
    def test_the_answers_are_those_of_the_built_in_search(
        self, tmp_path: Path, rows: str, count: int
    ) -> None:
        path, people = tmp_path / "g", unit(0, 3000)
        people[2500:2600] = people[100]  # more ties than are asked for at first
        people[2600:2900] = people[150] + 0.03 * unit(5, 300)  # which coarse bytes cannot order
        people /= np.linalg.norm(people, axis=1, keepdims=True)
        names = [f"p{number * 7 % 900:03}" for number in range(3000)]
        near = people[::150] + 0.4 * unit(1, 20)
        near /= np.linalg.norm(near, axis=1, keepdims=True)
        queries = np.concatenate([people[100:101], near, unit(2, 20), np.eye(DIM)[:2]])
        with Gallery.create(path, CONTRACT, key=KEY, rows=rows) as gallery:
            gallery.enroll(names, people, CONTRACT)
            expected = gallery.identify(queries, CONTRACT, count=count)
            alone = gallery.identify(queries[0], CONTRACT, count=count)
        with Gallery.open(path, key=KEY, search="faiss", threads=2) as gallery:
            assert gallery.identify(queries, CONTRACT, count=count) == expected
            assert gallery.identify(queries[0], CONTRACT, count=count) == alone

    def test_whoever_is_enrolled_or_erased_comes_and_goes(self, tmp_path: Path) -> None:
        path, people = tmp_path / "g", unit(3, 3)
        create = Gallery.create(path, CONTRACT, key=KEY, search="faiss")
        with create as writer, Gallery.open(path, key=KEY, search="faiss") as reader:
            assert reader.identify(people[0], CONTRACT) == [[]]
            writer.enroll(["ann", "ben", "cem"], people, CONTRACT)
            for gallery in (writer, reader):
                assert gallery.identify(people[0], CONTRACT)[0][0].person == "ann"
            assert writer.erase("ann", prove=True).proven
            for gallery in (writer, reader):
                (found,) = gallery.identify(people[0], CONTRACT)
                assert sorted(each.person for each in found) == ["ben", "cem"]
            writer.renew()
            assert reader.identify(people[1], CONTRACT)[0][0].person == "ben"

    def test_threads_of_faiss_are_left_as_they_were(self, tmp_path: Path) -> None:
        import faiss

        before = faiss.omp_get_max_threads()
        with Gallery.create(
            tmp_path / "g", CONTRACT, key=KEY, search="faiss", threads=3
        ) as gallery:
            gallery.enroll("ann", unit(4, 1), CONTRACT)
            gallery.identify(unit(4, 1), CONTRACT)
        assert faiss.omp_get_max_threads() == before


def test_asked_for_and_missing_is_an_error_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_such(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", none_such)
    with pytest.raises(EmbedgeError, match=r"E-EXTRA.*faiss") as caught:
        Gallery.create(tmp_path / "g", CONTRACT, key=KEY, search="faiss")
    assert "embedge[faiss]" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_search_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match="E-SEARCH"):
        Gallery.create(tmp_path / "g", CONTRACT, key=KEY, search="annoy")
    assert list(tmp_path.iterdir()) == []
