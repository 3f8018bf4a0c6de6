import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_face import smooth_pictures

from embedge.errors import EmbedgeError
from embedge.export.int8.calibration_set import (
    CalibrationSet,
    _gridded,
    choose,
    chosen_from_folder,
    comparable,
    decoded_pictures,
    person_of,
    picture_features,
    picture_files,
)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    """900 ordinary pictures and 100 that are dark and blurred."""
    rng = np.random.default_rng(0)
    ordinary = rng.normal([120, 0.2, 0], [10, 0.02, 5], (900, 3))
    odd = rng.normal([30, 0.05, 60], [5, 0.01, 5], (100, 3))
    return np.concatenate([ordinary, odd])


PEOPLE = [f"p{i // 10}" for i in range(1000)]


def test_a_set_is_repeatable_and_the_seed_matters(features: np.ndarray) -> None:
    first = choose(features, PEOPLE, 100, seed=3)
    assert np.array_equal(first, choose(features, PEOPLE, 100, seed=3))
    assert not np.array_equal(first, choose(features, PEOPLE, 100, seed=4))
    assert len(set(first.tolist())) == 100


def test_rare_conditions_are_represented(features: np.ndarray) -> None:
    chosen = choose(features, PEOPLE, 100)
    assert np.count_nonzero(chosen >= 900) > 1.5 * 100 * 100 / 1000


def test_people_take_turns() -> None:
    rng = np.random.default_rng(0)
    people = ["famous"] * 900 + [f"p{i}" for i in range(100)]
    chosen = choose(rng.normal(size=(1000, 3)), people, 100)
    assert Counter(people[i] for i in chosen)["famous"] < 60


@pytest.mark.parametrize("seed", range(5))
def test_without_features_it_is_one_of_everybody_before_a_second_of_any(seed: int) -> None:
    """Against the plain way: number each picture by how many of its person came before it."""
    rng = np.random.default_rng(100 + seed)
    people = rng.zipf(1.5, 400).clip(0, 60).tolist()
    order, seen = np.random.default_rng(seed).permutation(400), Counter[int]()
    turn = np.empty(400, int)
    for row in order:
        turn[row] = seen[people[row]]
        seen[people[row]] += 1
    expected = np.sort(order[np.argsort(turn[order], kind="stable")][:150])
    np.testing.assert_array_equal(choose(None, people, 150, seed=seed), expected)


@pytest.mark.parametrize("seed", range(5))
def test_turns_among_cells_are_those_of_the_plain_way(features: np.ndarray, seed: int) -> None:
    """Cell by cell the first picture of whoever was taken least; all of them in the end."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(1000)[:300]
    people = [f"p{i}" for i in rng.integers(0, 40, 300)]
    cells = defaultdict(list)
    for index in np.random.default_rng(seed).permutation(300):
        cells[int(_gridded(features[rows])[index])].append(index)
    seen = Counter[str]()
    taken: list[int] = []
    while len(taken) < 200:
        for cell in sorted(cells):
            if cells[cell] and len(taken) < 200:
                best = min(cells[cell], key=lambda index: seen[people[index]])
                cells[cell].remove(best)
                seen[people[best]] += 1
                taken.append(best)
    found = choose(features[rows], people, 200, seed=seed)
    np.testing.assert_array_equal(found, sorted(taken))


def test_features_see_light_blur_and_turn() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 255, (112, 112, 3), dtype=np.uint8)
    dark = sharp // 4
    flat = np.full_like(sharp, 127)
    lit_left = flat.copy()
    lit_left[:, :56] = 255
    bright, sharpness, turn = picture_features(np.stack([sharp, dark, flat, lit_left])).T
    assert bright[0] > 3 * bright[1]
    assert sharpness[2] == 0 < sharpness[0]
    assert turn[3] == pytest.approx(128)


def test_the_record_names_pictures_and_digests(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/2.jpg", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    Image.new("RGB", (4, 4)).save(tmp_path / "a/1.png")
    names = picture_files(tmp_path)
    assert names == ["a/1.png", "b/2.jpg"]
    CalibrationSet(tmp_path, tuple(names), 2, 7).write(tmp_path / "set.json")
    record = json.loads((tmp_path / "set.json").read_text())
    assert record["seed"] == 7
    assert [p["name"] for p in record["pictures"]] == names
    before = record["digest"]
    (tmp_path / "b/2.jpg").write_bytes(b"y")
    assert CalibrationSet(tmp_path, tuple(names), 2, 7).to_json()["digest"] != before


def test_nothing_to_choose_from_is_said(tmp_path: Path, features: np.ndarray) -> None:
    with pytest.raises(EmbedgeError, match="E-CALIBRATION"):
        picture_files(tmp_path / "absent")
    with pytest.raises(EmbedgeError, match="E-CALIBRATION"):
        choose(features, PEOPLE, 0)
    with pytest.raises(EmbedgeError, match="E-CALIBRATION"):
        choose(features, PEOPLE[:-1], 10)


def test_comparable_pictures_are_whole_people_with_two_or_more() -> None:
    names = [f"p{person}/{i}.jpg" for person in range(30) for i in range(1 + person % 12)]
    found = comparable(names, 40, each=8, seed=3)
    counts = Counter(person_of(name) for name in found)
    assert 40 <= len(found) < 48
    assert all(count == min(8, 1 + int(person[1:]) % 12) for person, count in counts.items())
    assert min(counts.values()) >= 2
    assert found == comparable(reversed(names), 40, each=8, seed=3)
    assert found != comparable(names, 40, each=8, seed=4)


def test_people_with_one_picture_each_compare_nothing() -> None:
    with pytest.raises(EmbedgeError, match="E-CALIBRATION"):
        comparable([f"p{person}/0.jpg" for person in range(9)] + ["p0/1.jpg"], 5)


def test_a_folder_gives_a_set_and_others_to_spare(tmp_path: Path) -> None:
    for number, image in enumerate(smooth_pictures(20)):
        path = tmp_path / f"p{number // 4}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    found = chosen_from_folder(tmp_path, 6, seed=1)
    assert (len(found.names), found.offered) == (6, 8)
    sides = [
        {person_of(name) for name in side} for side in (found.names, found.spare, found.choose)
    ]
    assert all(sides)
    assert sum(map(len, sides)) == len(set().union(*sides))  # nobody has two roles
    assert decoded_pictures(tmp_path, found.names).shape == (6, 112, 112, 3)


def test_of_a_flat_folder_other_pictures_are_spare(tmp_path: Path) -> None:
    for number, image in enumerate(smooth_pictures(20)):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    found = chosen_from_folder(tmp_path, 12, seed=1)
    assert (len(found.names), found.offered, len(found.spare)) == (12, 20, 8)
    assert not set(found.names) & set(found.spare)
    everything = chosen_from_folder(tmp_path, 100)
    assert everything.spare == everything.names  # nothing is left: the figures are of the same


def test_pictures_of_two_sizes_are_refused(tmp_path: Path) -> None:
    for name, size in (("a.png", 8), ("b.png", 9)):
        Image.new("RGB", (size, size)).save(tmp_path / name)
    with pytest.raises(EmbedgeError, match=r"E-CALIBRATION.*differ in size"):
        decoded_pictures(tmp_path, ["a.png", "b.png"])
    with pytest.raises(EmbedgeError, match=r"E-CALIBRATION.*no picture"):
        decoded_pictures(tmp_path, [])


def test_a_contact_sheet_beside_the_people_is_no_face(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("ann/1.png", "ben/1.png", "contact-sheet.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert picture_files(tmp_path) == ["ann/1.png", "ben/1.png"]
    for name in ("ann", "ben"):
        (tmp_path / name / "1.png").unlink()
    assert picture_files(tmp_path) == ["contact-sheet.jpg"]  # a flat folder is all faces
