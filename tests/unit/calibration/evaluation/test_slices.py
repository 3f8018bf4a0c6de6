"""Groups are measured by themselves, at everybody's threshold."""

from pathlib import Path

import numpy as np
import pytest

from embedge.calibration.evaluation.slices import GroupLabels, group_labels, sliced
from embedge.errors import EmbedgeError

LABELS = np.repeat(np.arange(30), 4)
NAMES = [f"p{label}/{number}.jpg" for number, label in enumerate(LABELS)]


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """People 0-14 resemble each other, people 15-29 do not."""
    generator = np.random.default_rng(0)
    people = generator.normal(size=(30, 32))
    people[:15] += 1.2 * generator.normal(size=32)
    values = np.repeat(people, 4, 0) + 0.7 * generator.normal(size=(120, 32))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def test_rates_of_each_group_are_counted_within_it(rows: np.ndarray) -> None:
    groups = GroupLabels({"likeness": ["alike" if n < 15 else "unlike" for n in LABELS]})
    result = sliced(rows, LABELS, groups, 0.5)
    cosine, same = rows @ rows.T, LABELS[:, None] == LABELS
    upper = np.triu(np.ones_like(same), 1)
    for part, chosen in zip(result.slices, (LABELS < 15, LABELS >= 15)):
        within = upper & chosen[:, None] & chosen
        assert part.fmr == pytest.approx((cosine > 0.5)[within & ~same].mean())
        assert part.fnmr == pytest.approx((cosine <= 0.5)[within & same].mean())
        assert part.fmr_low <= part.fmr <= part.fmr_high
        assert (part.images, part.subjects) == (60, 15)
    worst = result.worst[0]
    assert (worst.rate, worst.worst, worst.best) == ("fmr", "alike", "unlike")
    assert worst.words.startswith("FMR of likeness alike is at least ")
    alike, unlike = result.slices
    assert worst.ratio == pytest.approx(alike.fmr / unlike.fmr)
    assert 1 < worst.at_least < worst.ratio


def test_equal_groups_are_not_accused(rows: np.ndarray) -> None:
    groups = GroupLabels({"half": ["odd" if n % 2 else "even" for n in LABELS]})
    worst = sliced(rows, LABELS, groups, 0.5).worst
    assert [(row.at_least, row.words) for row in worst] == [(1, None), (1, None)]


def test_a_group_without_comparisons_has_no_rate(rows: np.ndarray) -> None:
    groups = GroupLabels({"only": ["one" if n == 0 else "" for n in LABELS]})
    (part,) = sliced(rows, LABELS, groups, 0.5).slices
    assert (part.fmr, part.impostor, part.genuine) == (None, 0, 6)
    assert (part.fmr_low, part.fmr_high) == (None, None)


def test_who_is_in_no_group_is_counted_with_the_errors_that_no_group_tells(
    rows: np.ndarray,
) -> None:
    groups = GroupLabels({"half": ["" if n < 15 else "known" for n in LABELS]})
    cosine, same = rows @ rows.T, LABELS[:, None] == LABELS
    wrong = np.triu(same & (cosine <= 0.8), 1)
    inside, every = int(wrong[:, LABELS >= 15].sum()), int(wrong.sum())
    (found,) = sliced(rows, LABELS, groups, 0.8, rejected=every).ungrouped
    assert (found.people, found.pictures) == (15, 60)
    assert (found.rejected, found.of_rejected) == (every - inside, every)
    assert 0 < inside < every
    assert found.words.startswith("In no group of half: 15 people, 60 pictures, and ")
    whole = GroupLabels({"half": ["known"] * len(LABELS)})
    assert sliced(rows, LABELS, whole, 0.8, rejected=every).ungrouped == ()


def test_a_picture_without_a_value_is_told_though_its_person_is_in_a_group(
    rows: np.ndarray,
) -> None:
    groups = GroupLabels({"pose": ["" if n % 4 == 0 else "frontal" for n in range(len(LABELS))]})
    (found,) = sliced(rows, LABELS, groups, 0.6).ungrouped
    assert (found.people, found.pictures) == (0, 30)


def test_people_and_pictures_can_be_labelled(tmp_path: Path) -> None:
    path = tmp_path / "groups.tsv"
    path.write_text("name\tsex\tpose\np0\tf\t\np1\tm\tfrontal\np0/2.jpg\tf\tprofile\n")
    groups = group_labels(path, NAMES)
    assert groups.values["sex"][:9] == ["f"] * 4 + ["m"] * 4 + [""]
    assert groups.values["pose"][:5] == ["", "", "profile", "", "frontal"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "first line"),
        ("name\n", "first line"),
        ("name\tsex\np0\n", "line 2 has 0 values"),
        ("name\tsex\nnobody\tf\n", "names none"),
    ],
)
def test_damaged_files_are_one_sentence(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "groups.tsv").write_text(text)
    with pytest.raises(EmbedgeError, match="E-SLICES") as caught:
        group_labels(tmp_path / "groups.tsv", NAMES)
    assert what in str(caught.value)
