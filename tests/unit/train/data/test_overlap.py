"""People to be judged on whose pictures are learnt from, whatever keeps them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from face_sets import EACH, PEOPLE, converted, encoded, face_folder, face_set

from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.train.data import open_faces, overlap
from embedge.train.data.overlap import require_apart
from embedge.train.data.sources.joined import JoinedFaces
from embedge.train.data.splits import split_by_identity


def halves(tmp_path: Path) -> tuple[Path, Path, str]:
    """A set, one more folder with one picture of somebody held out, and who that is."""
    main, more = face_folder(tmp_path / "main"), tmp_path / "more"
    _, judged = split_by_identity(open_faces(main), 2)
    who = judged.identities[1]
    (more / "x").mkdir(parents=True)
    shutil.copy(main / who / "2.jpg", more / "x" / "other.jpg")
    return main, more, who


def test_the_same_bytes_under_another_name_are_refused(tmp_path: Path) -> None:
    main, more, who = halves(tmp_path)
    learn, judged = split_by_identity(open_faces(main), 2)
    with pytest.raises(EmbedgeError, match=rf"E-DATA-SHARED.*{who}/2\.jpg is also x/other\.jpg"):
        require_apart(judged, open_faces(more), "no")
    with pytest.raises(EmbedgeError, match=rf"{who}/2\.jpg is also more: x/other\.jpg"):
        require_apart(judged, JoinedFaces([learn, open_faces(more)]), "no")
    require_apart(judged, learn, "no")


def test_shards_are_looked_at_and_what_is_stored_otherwise_is_not(tmp_path: Path) -> None:
    main, more, who = halves(tmp_path)
    _, judged = split_by_identity(open_faces(main), 2)
    converted(open_faces(more), tmp_path / "shards", "shards", Progress(quiet=True))
    with pytest.raises(EmbedgeError, match=rf"{who}/2\.jpg is also "):
        require_apart(judged, open_faces(tmp_path / "shards"), "no")
    require_apart(judged, face_set(), "no")


def test_what_shows_nobody_is_nobody_in_common(tmp_path: Path) -> None:
    main, more, who = halves(tmp_path)
    black = encoded(np.zeros((112, 112, 3), np.uint8))
    for content in (black, b"", b"no picture"):
        (main / who / "2.jpg").write_bytes(content)
        (more / "x" / "other.jpg").write_bytes(content)
        _, judged = split_by_identity(open_faces(main), 2)
        require_apart(judged, open_faces(more), "no")


def test_only_so_many_are_read_one_of_every_person_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_faces(face_folder(tmp_path / "faces"))
    monkeypatch.setattr(overlap, "_READ", PEOPLE)
    asked = overlap._affordable(whole.labels, np.arange(1, 21), np.arange(1, 21))
    assert asked == [EACH * person for person in range(PEOPLE)]
    alike = np.full(len(whole), 7)
    assert len(overlap._affordable(whole.labels, alike, alike)) == PEOPLE
