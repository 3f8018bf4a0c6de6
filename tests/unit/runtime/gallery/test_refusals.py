"""What a gallery does not take is refused by its code: keys, spaces, names, counts."""

import os
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery_rows import CONTRACT, DIM, KEY, create, unit
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.keys import key_from_file, new_key_file
from embedge.runtime.gallery.mending import check


def test_keys(tmp_path: Path) -> None:
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


def test_only_embeddings_of_the_same_space_enter(tmp_path: Path) -> None:
    row = unit(19)[0]
    with create(tmp_path) as gallery:
        with pytest.raises(EmbedgeError, match=r"E-SPACE"):
            gallery.enroll("ann", row, tiny_contract(DIM, space="another"))
        with pytest.raises(EmbedgeError, match="E-SPACE"):
            gallery.identify(row, tiny_contract(DIM, space="another"))
        wrongs: tuple[Any, ...] = (row * 2, row[:10], row[None, None])
        for wrong in (*wrongs, np.full(DIM, np.nan), np.zeros(DIM)):
            with pytest.raises(EmbedgeError, match="E-EMBEDDING"):
                gallery.enroll("ann", wrong, CONTRACT)
        for name in ("", "x" * 300):
            with pytest.raises(EmbedgeError, match="E-PERSON"):
                gallery.enroll(name, row, CONTRACT)
        with pytest.raises(EmbedgeError, match="E-PERSON"):
            gallery.enroll(["a", "b"], row, CONTRACT)
        gallery.enroll("same space, other student", row, tiny_contract(DIM, model="another"))
        assert len(gallery) == 1


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x1b[2Jb", "a\0", "\x7f", "\x9b1m", "a\u2028b", "\u202eann", "\ud800", " "]
)
def test_names_that_would_write_on_the_screen_are_refused(tmp_path: Path, name: str) -> None:
    with create(tmp_path) as gallery:
        with pytest.raises(EmbedgeError, match="E-PERSON") as caught:
            gallery.enroll(name, unit(0), CONTRACT)
        assert str(caught.value).isprintable()
        assert len(gallery) == 0


def test_less_than_one_candidate_is_an_error(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(0), CONTRACT)
        with pytest.raises(EmbedgeError, match="E-COUNT"):
            gallery.identify(unit(0), CONTRACT, count=0)


def test_int8_rows_refuse_what_a_byte_cannot_hold(tmp_path: Path) -> None:
    loud = np.eye(DIM, dtype=np.float32)[:1]
    with (
        Gallery.create(
            tmp_path / "g", CONTRACT, key=None, rows="int8", unencrypted=True
        ) as gallery,
        pytest.raises(EmbedgeError, match=r"E-EMBEDDING.*one byte"),
    ):
        gallery.enroll("ann", loud, CONTRACT)


def test_a_closed_gallery_says_so(tmp_path: Path) -> None:
    gallery = create(tmp_path)
    gallery.close()
    gallery.close()
    with pytest.raises(EmbedgeError, match="E-CLOSED"):
        gallery.people()


@pytest.mark.parametrize("name", ["new\0key", ""])
def test_a_key_file_that_can_have_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(EmbedgeError, match="E-KEY: the key file cannot be read"):
        key_from_file(tmp_path / name)
    with pytest.raises(EmbedgeError, match="E-WRITE: cannot write the key file"):
        new_key_file(tmp_path / name)


@pytest.mark.parametrize("text", ["", "\n", "00" * 31, "\ufeff" + "00" * 32, "0x" + "00" * 32])
def test_a_key_file_without_a_key_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(EmbedgeError, match=r"E-KEY: the key (has|is not)"):
        key_from_file(tmp_path / "key")


@pytest.mark.parametrize("name", [None, 5, b"ann", [None], [["ann"]], [b"ann"]])
def test_what_is_no_name_is_refused_by_its_code(tmp_path: Path, name: Any) -> None:
    with create(tmp_path) as gallery:
        for call in (
            lambda: gallery.enroll(name, unit(1), CONTRACT),
            lambda: gallery.erase(name),
            lambda: gallery.export(name),
        ):
            with pytest.raises(EmbedgeError, match="E-PERSON"):
                call()


@pytest.mark.parametrize("source", [None, 5, b"x", "\udc80"])
def test_what_is_no_source_is_refused_by_its_code(tmp_path: Path, source: Any) -> None:
    with create(tmp_path) as gallery:
        with pytest.raises(EmbedgeError, match="E-SOURCE"):
            gallery.enroll("ann", unit(1), CONTRACT, source=source)
        assert gallery.people() == []


@pytest.mark.parametrize("key", ["a" * 32, memoryview(KEY), 5, list(KEY)])
def test_what_is_no_key_is_refused_by_its_code(tmp_path: Path, key: Any) -> None:
    for call in (lambda: create(tmp_path, key), lambda: check(tmp_path / "g", key)):
        with pytest.raises(EmbedgeError, match="E-KEY"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_count_is_refused_and_cosines_end_at_one(tmp_path: Path) -> None:
    with create(tmp_path, rows="int8") as gallery:
        rows = unit(3, 200)
        gallery.enroll([f"p{each}" for each in range(200)], rows, CONTRACT)
        counts: tuple[Any, ...] = (2.5, None, float("nan"), "3", 0)
        for count in counts:
            with pytest.raises(EmbedgeError, match="E-COUNT"):
                gallery.identify(rows[0], CONTRACT, count=count)
        found = gallery.identify(rows, CONTRACT, count=1)
        assert max(best.cosine for (best,) in found) == 1.0


@pytest.mark.parametrize("threads", [-5, 0, None, "2", 1.5])
def test_a_number_of_threads_that_is_none_is_refused_before_anything_is_made(
    tmp_path: Path, threads: Any
) -> None:
    for opening in (Gallery.open, partial(Gallery.create, contract=CONTRACT)):
        with pytest.raises(EmbedgeError, match="E-THREADS"):
            opening(tmp_path / "g", key=KEY, threads=threads)
    assert not list(tmp_path.iterdir())


def test_a_gallery_of_nobody_is_one(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        assert gallery
        assert len(gallery) == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["complex", "masked"])
def test_embeddings_of_which_a_part_would_be_lost_are_refused(tmp_path: Path, kind: str) -> None:
    given: Any = (
        unit(1) + 5j if kind == "complex" else np.ma.masked_array(unit(1), mask=unit(1) > 0)
    )
    with create(tmp_path) as gallery:
        with pytest.raises(EmbedgeError, match="E-EMBEDDING"):
            gallery.enroll("ann", given, CONTRACT)
        with pytest.raises(EmbedgeError, match="E-EMBEDDING"):
            gallery.identify(given, CONTRACT)
        gallery.enroll("ann", np.ma.masked_array(unit(1)), CONTRACT)  # nothing is masked


@pytest.mark.parametrize("bytes_of_it", [248, 255])
def test_a_name_too_long_for_a_journal_beside_it_leaves_nothing(
    tmp_path: Path, bytes_of_it: int
) -> None:
    with pytest.raises(EmbedgeError, match=r"E-GALLERY-NAME: .*at most 247 bytes"):
        Gallery.create(tmp_path / ("g" * bytes_of_it), CONTRACT, key=KEY)
    assert not list(tmp_path.iterdir())
    with Gallery.create(tmp_path / ("g" * 247), CONTRACT, key=KEY) as gallery:
        gallery.enroll("ann", unit(1), CONTRACT)


def test_a_relative_path_in_a_folder_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for opening in (Gallery.open, partial(Gallery.create, contract=CONTRACT)):
        with pytest.raises(EmbedgeError, match=r"E-GALLERY-MISSING: .*current folder is gone"):
            opening("g", key=KEY)
    with pytest.raises(EmbedgeError, match="current folder is gone"):
        check("g", KEY)


def _told_in_a_child(act: Callable[[], object]) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = "nothing"
        try:
            act()
        except EmbedgeError as error:
            said = str(error)
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read().decode()
    os.waitpid(child, 0)
    return said


def _enrolling(path: Path, count: int = 1) -> None:
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.enroll([f"p{each}" for each in range(count)], unit(7, count), CONTRACT)


def test_a_limit_of_the_process_is_not_called_the_disks_failure(tmp_path: Path) -> None:
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(1), CONTRACT)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60 << 10, 60 << 10))
        _enrolling(tmp_path / "people.gallery", 900)

    told = _told_in_a_child(limited)
    assert told.startswith("E-WRITE: cannot write the gallery: no file may grow beyond 61440 bytes")
    assert "nothing was changed" in told


def test_a_journal_that_this_user_may_not_write_is_named(tmp_path: Path) -> None:
    path = tmp_path / "people.gallery"
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(1), CONTRACT)
    path.chmod(0o666)
    Path(f"{path}-journal").chmod(0o444)
    tmp_path.chmod(0o755)

    def as_somebody_else() -> None:
        if os.getuid() == 0:
            os.setgroups([])
            os.setuid(65534)
        _enrolling(path)

    told = _told_in_a_child(as_somebody_else)
    assert "E-WRITE" in told
    assert "this user may not write its journal, people.gallery-journal" in told
