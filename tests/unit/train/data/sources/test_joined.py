"""More faces beside a data set."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from face_sets import EACH, PEOPLE, face_folder, face_set

from embedge.errors import EmbedgeError
from embedge.train.data import open_faces
from embedge.train.data.dataset import CorruptRecord
from embedge.train.data.sources.joined import JoinedFaces
from embedge.train.data.view import View


def test_people_of_two_sets_are_different_people() -> None:
    first, second = face_set(), replace(face_set(), name="more")
    both = JoinedFaces([first, second])
    assert both.classes == 2 * PEOPLE
    assert len(set(both.identities)) == 2 * PEOPLE
    assert both.identities[PEOPLE] == "more/p0"
    assert np.array_equal(both.labels[PEOPLE * EACH :], first.labels + PEOPLE)
    assert np.array_equal(both.images[PEOPLE * EACH + 3], second.images[3])
    assert both.record_name(PEOPLE * EACH + 3).startswith("more: ")
    assert both.fingerprint != JoinedFaces([second, first, first]).fingerprint


def test_a_spoilt_record_keeps_its_place_and_its_name(tmp_path: Path) -> None:
    folder = face_folder(tmp_path / "more")
    (folder / "p1" / "0.jpg").write_bytes(b"spoilt")
    both = JoinedFaces([face_set(), open_faces(folder)])
    row = PEOPLE * EACH + EACH
    with pytest.raises(CorruptRecord) as caught:
        both.read(row)
    assert caught.value.index == row
    assert caught.value.name == "p1/0.jpg"


def test_a_note_opens_the_split_and_what_stands_beside_it(tmp_path: Path) -> None:
    main, more = face_folder(tmp_path / "main"), face_folder(tmp_path / "more")
    prints = [open_faces(path).fingerprint for path in (main, more)]
    (tmp_path / "note").mkdir()
    view = View(str(main), "learn", 2, 0, None, prints[0], {str(more): prints[1]})
    view.save(tmp_path / "note")
    faces = open_faces(tmp_path / "note")
    assert faces.classes == PEOPLE - 2 + PEOPLE

    facts = json.loads((tmp_path / "note" / "view.json").read_text())
    facts["extra"][str(more)] = "other"
    (tmp_path / "note" / "view.json").write_text(json.dumps(facts))
    with pytest.raises(EmbedgeError, match="E-DATA-CHANGED"):
        open_faces(tmp_path / "note")
