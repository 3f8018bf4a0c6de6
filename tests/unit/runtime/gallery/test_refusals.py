"""What a gallery does not take is refused by its code: keys, spaces, names, counts."""

import numpy as np
import pytest
from gallery_rows import CONTRACT, DIM, KEY, create, unit
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.keys import key_from_file, new_key_file
from embedge.runtime.gallery.mending import check


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


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x1b[2Jb", "a\0", "\x7f", "\x9b1m", "a\u2028b", "\u202eann", "\ud800", " "]
)
def test_names_that_would_write_on_the_screen_are_refused(tmp_path, name):
    with create(tmp_path) as gallery:
        with pytest.raises(EmbedgeError, match="E-PERSON") as caught:
            gallery.enroll(name, unit(0), CONTRACT)
        assert str(caught.value).isprintable()
        assert len(gallery) == 0


def test_less_than_one_candidate_is_an_error(tmp_path):
    with create(tmp_path) as gallery:
        gallery.enroll("ann", unit(0), CONTRACT)
        with pytest.raises(EmbedgeError, match="E-COUNT"):
            gallery.identify(unit(0), CONTRACT, count=0)


def test_int8_rows_refuse_what_a_byte_cannot_hold(tmp_path):
    loud = np.eye(DIM, dtype=np.float32)[:1]
    with (
        Gallery.create(
            tmp_path / "g", CONTRACT, key=None, rows="int8", unencrypted=True
        ) as gallery,
        pytest.raises(EmbedgeError, match=r"E-EMBEDDING.*one byte"),
    ):
        gallery.enroll("ann", loud, CONTRACT)


def test_a_closed_gallery_says_so(tmp_path):
    gallery = create(tmp_path)
    gallery.close()
    gallery.close()
    with pytest.raises(EmbedgeError, match="E-CLOSED"):
        gallery.people()


@pytest.mark.parametrize("name", ["new\0key", ""])
def test_a_key_file_that_can_have_no_name(tmp_path, name):
    with pytest.raises(EmbedgeError, match="E-KEY: the key file cannot be read"):
        key_from_file(tmp_path / name)
    with pytest.raises(EmbedgeError, match="E-WRITE: cannot write the key file"):
        new_key_file(tmp_path / name)


@pytest.mark.parametrize("text", ["", "\n", "00" * 31, "\ufeff" + "00" * 32, "0x" + "00" * 32])
def test_a_key_file_without_a_key_is_none(tmp_path, text):
    (tmp_path / "key").write_text(text)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(EmbedgeError, match=r"E-KEY: the key (has|is not)"):
        key_from_file(tmp_path / "key")


@pytest.mark.parametrize("name", [None, 5, b"ann", [None], [["ann"]], [b"ann"]])
def test_what_is_no_name_is_refused_by_its_code(tmp_path, name):
    with create(tmp_path) as gallery:
        for call in (
            lambda: gallery.enroll(name, unit(1), CONTRACT),
            lambda: gallery.erase(name),
            lambda: gallery.export(name),
        ):
            with pytest.raises(EmbedgeError, match="E-PERSON"):
                call()


@pytest.mark.parametrize("source", [None, 5, b"x", "\udc80"])
def test_what_is_no_source_is_refused_by_its_code(tmp_path, source):
    with create(tmp_path) as gallery:
        with pytest.raises(EmbedgeError, match="E-SOURCE"):
            gallery.enroll("ann", unit(1), CONTRACT, source=source)
        assert gallery.people() == []


@pytest.mark.parametrize("key", ["a" * 32, memoryview(KEY), 5, list(KEY)])
def test_what_is_no_key_is_refused_by_its_code(tmp_path, key):
    for call in (lambda: create(tmp_path, key), lambda: check(tmp_path / "g", key)):
        with pytest.raises(EmbedgeError, match="E-KEY"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_count_is_refused_and_cosines_end_at_one(tmp_path):
    with create(tmp_path, rows="int8") as gallery:
        rows = unit(3, 200)
        gallery.enroll([f"p{each}" for each in range(200)], rows, CONTRACT)
        for count in (2.5, None, float("nan"), "3", 0):
            with pytest.raises(EmbedgeError, match="E-COUNT"):
                gallery.identify(rows[0], CONTRACT, count=count)
        found = gallery.identify(rows, CONTRACT, count=1)
        assert max(best.cosine for (best,) in found) == 1.0
