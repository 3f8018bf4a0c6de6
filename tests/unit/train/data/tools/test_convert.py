"""Every format to every format: the same faces, labels and names come out."""

from pathlib import Path

import numpy as np
import pytest
from face_sets import EACH, PEOPLE, converted, face_folder, face_set

from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.train.data.dataset import FaceDataset
from embedge.train.data.open import open_faces
from embedge.train.data.tools.inspect import inspect
from embedge.train.data.tools.verify import verify
from embedge.train.data.tools.writers import WRITERS
from embedge.train.render import FaceRenderer

QUIET = Progress(quiet=True)


def by_person(faces: FaceDataset) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {label: [] for label in range(faces.classes)}
    for row in range(len(faces)):
        found[int(faces.labels[row])].append(faces.read(row).tobytes())
    return {label: sorted(pictures) for label, pictures in found.items()}


@pytest.mark.parametrize("first", sorted(WRITERS))
@pytest.mark.parametrize("second", sorted(WRITERS))
def test_pixels_survive_two_conversions(tmp_path: Path, first: str, second: str) -> None:
    source = open_faces(face_folder(tmp_path / "source"))
    converted(source, tmp_path / "one", first, QUIET, per_shard=7)
    one = open_faces(tmp_path / "one")
    assert by_person(one) == by_person(source)
    assert one.classes == PEOPLE
    done = converted(one, tmp_path / "two", second, QUIET, quality=100)
    assert done.written == PEOPLE * EACH
    two = open_faces(tmp_path / "two")
    if first == "pixels":  # there was no stored picture to copy: the second one is a JPEG of it
        ours, theirs = (
            np.array([list(map(list, v)) for v in by_person(f).values()]) for f in (two, one)
        )
        assert np.abs(ours.astype(int) - theirs).max() <= 3
    else:
        assert by_person(two) == by_person(source)


def test_names_survive_where_the_format_has_names(tmp_path: Path) -> None:
    source = open_faces(face_folder(tmp_path / "source"))
    for form in ("folder", "shards", "pixels"):
        converted(source, tmp_path / form, form, QUIET)
        assert open_faces(tmp_path / form).identities == source.identities


def test_stored_pictures_are_copied_byte_by_byte(tmp_path: Path) -> None:
    source = open_faces(face_folder(tmp_path / "source"))
    converted(source, tmp_path / "rec", "recordio", QUIET)
    copy = open_faces(tmp_path / "rec")
    assert {copy.encoded(i) for i in range(len(copy))} == {
        source.encoded(i) for i in range(len(source))
    }


def test_shards_are_full_and_mixed(tmp_path: Path) -> None:
    converted(open_faces(face_folder(tmp_path / "s")), tmp_path / "t", "shards", QUIET, per_shard=8)
    assert len(list((tmp_path / "t").glob("*.tar"))) == 3
    first = open_faces(tmp_path / "t" / "faces-000000.tar")
    assert len(first) == 8
    assert first.classes > 2


def test_conversion_is_repeatable_byte_by_byte(tmp_path: Path) -> None:
    source = open_faces(face_folder(tmp_path / "source"))
    for form in sorted(WRITERS):
        for place in ("a", "b"):
            converted(source, tmp_path / place / "same-name", form, QUIET)
        files = sorted(p for p in (tmp_path / "a").rglob("*") if p.is_file())
        assert files
        for path in files:
            twin = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == twin.read_bytes()
        for place in ("a", "b"):
            (tmp_path / place / "same-name").rename(tmp_path / f"{form}-{place}")


def test_names_that_cannot_be_folders(tmp_path: Path) -> None:
    faces = face_set()
    names = ("../../etc", "a/b", "a_b", "", "Zoë")
    odd = type(faces)("odd", faces.images, faces.labels, names, "x")
    converted(odd, tmp_path / "safe", "folder", QUIET)
    assert len([p for p in (tmp_path / "safe").iterdir() if p.is_dir()]) == 5
    assert len(open_faces(tmp_path / "safe")) == len(faces)
    assert not (tmp_path.parent / "etc").exists()


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_corrupt_records_stop_it_or_are_left_out(tmp_path: Path, form: str) -> None:
    folder = face_folder(tmp_path / "source")
    (folder / "p2" / "1.jpg").write_bytes(b"spoilt")
    source = open_faces(folder)
    with pytest.raises(EmbedgeError, match=r"E-DATA-CORRUPT.*p2/1.jpg"):
        converted(source, tmp_path / "out", form, QUIET)
    assert [p.name for p in tmp_path.iterdir()] == ["source"]
    done = converted(source, tmp_path / "out", form, QUIET, skip_corrupt=True)
    assert (done.written, [e.name for e in done.left_out]) == (19, ["p2/1.jpg"])
    assert len(open_faces(tmp_path / "out")) == 19


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("x")
    with pytest.raises(EmbedgeError, match="E-DATA-EXISTS"):
        converted(face_set(), tmp_path / "out", "pixels", QUIET)
    assert (tmp_path / "out" / "precious").read_text() == "x"


def test_inspect_counts(tmp_path: Path) -> None:
    folder = face_folder(tmp_path)
    (folder / "p0" / "0.jpg").unlink()
    (folder / "p2" / "1.jpg").write_bytes(b"spoilt")
    facts = inspect(open_faces(folder))
    assert facts["kind"] == "folder"
    assert (facts["pictures"], facts["identities"]) == (19, 5)
    assert facts["pictures_per_identity"] == {"least": 3, "median": 4.0, "mean": 3.8, "most": 4}
    assert facts["sample"]["read"] == 18
    assert facts["sample"]["corrupt"][0].startswith("p2/1.jpg")


def test_verify_finds_corrupt_records_and_twins(tmp_path: Path) -> None:
    folder = face_folder(tmp_path / "a")
    (folder / "p2" / "1.jpg").write_bytes(b"spoilt")
    (folder / "p3" / "9.jpg").write_bytes((folder / "p1" / "0.jpg").read_bytes())
    (folder / "p0" / "9.jpg").write_bytes((folder / "p0" / "0.jpg").read_bytes())
    facts = verify(open_faces(folder), QUIET)
    assert facts["corrupt"] == 1
    assert facts["corrupt_records"][0]["record"] == "p2/1.jpg"
    assert facts["equal_pictures"] == 2
    assert facts["equal_across_identities"] == 1
    assert facts["equal_pictures_of_different_identities"] == [
        {"records": ["p1/0.jpg", "p3/9.jpg"], "identities": ["p1", "p3"]}
    ]


def test_the_content_digest_is_that_of_the_pixels(tmp_path: Path) -> None:
    source = open_faces(face_folder(tmp_path / "source"))
    converted(source, tmp_path / "rec", "recordio", QUIET)
    contents = [verify(open_faces(tmp_path / name), QUIET)["content"] for name in ("source", "rec")]
    assert contents[0] == contents[1]


@pytest.mark.parametrize("name", ["nothing", "file.txt", "empty"])
def test_paths_that_are_no_data_sets(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmbedgeError, match=r"E-DATA-(MISSING|FORMAT|EMPTY)"):
        open_faces(tmp_path / name)


def test_a_damaged_face_set_is_one_clear_error(tmp_path: Path) -> None:
    face_set().save(tmp_path)
    (tmp_path / "labels.npy").write_bytes(b"spoilt")
    with pytest.raises(EmbedgeError, match="E-DATA-FORMAT"):
        open_faces(tmp_path)


def test_rendered_people_are_a_source_like_any_other(tmp_path: Path) -> None:
    people = open_faces("rendered:3x2@5")
    expected = FaceRenderer(5).render(np.repeat(np.arange(3), 2), np.tile(np.arange(2), 3)).images
    assert np.array_equal(people.images[:], expected)
    assert people.labels.tolist() == [0, 0, 1, 1, 2, 2]
    converted(people, tmp_path / "set", "pixels", QUIET)
    assert np.array_equal(open_faces(tmp_path / "set").images, expected)
    assert open_faces("rendered:3x2").fingerprint != people.fingerprint


@pytest.mark.parametrize("text", ["rendered:", "rendered:3", "rendered:0x4", "rendered:3x4@x"])
def test_rendered_people_want_numbers(text: str) -> None:
    with pytest.raises(EmbedgeError, match=r"E-DATA-FORMAT.*rendered:500x40"):
        open_faces(text)
