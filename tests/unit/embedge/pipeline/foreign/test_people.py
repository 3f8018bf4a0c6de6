from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embedge.errors import EmbedgeError
from embedge.pipeline.foreign.people import people_of


def folder_of(root: Path, people: int, pictures: int = 2) -> Path:
    rng = np.random.default_rng(0)
    for number in range(people):
        for turn in range(pictures):
            path = root / f"p{number:02}" / f"{turn}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (112, 112, 3)).astype(np.uint8)).save(path)
    return root


def test_nobody_has_two_roles_and_those_who_choose_calibrate(tmp_path: Path) -> None:
    found = people_of(folder_of(tmp_path, 24), most=1000, count=6, seed=3)
    labels, roles = found.faces.labels, found.roles
    parts = [set(labels[mask]) for mask in (roles.choose, roles.threshold, roles.judge)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 24
    choosers = {picture.tobytes() for picture in found.faces.images[roles.choose]}
    assert {picture.tobytes() for picture in found.calibration} <= choosers
    assert {picture.tobytes() for picture in found.confirming.images} <= choosers


def test_a_bound_on_pictures_takes_whole_people(tmp_path: Path) -> None:
    found = people_of(folder_of(tmp_path, 30), most=40, count=4, seed=0)
    assert len(found.faces) == 40
    assert set(np.bincount(found.faces.labels)) == {2}


def test_too_few_people_are_told_with_how_many_it_takes(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match=r"E-FACES-FEW: 5 people .* at least 18"):
        people_of(folder_of(tmp_path, 5), most=100, count=4, seed=0)
