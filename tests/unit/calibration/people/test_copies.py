"""One picture saved twice is told, and so is one person who supplies most comparisons."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from embedge.calibration.intervals.people import Mates
from embedge.calibration.pairs import pairs_within
from embedge.calibration.people.copies import one_person, saved_again

RNG = np.random.default_rng(3)


def picture() -> np.ndarray:
    return RNG.integers(0, 256, (7, 7, 3), np.uint8).repeat(16, 0).repeat(16, 1)


def again(image: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=80)
    return np.asarray(Image.open(stream))


@pytest.mark.parametrize(
    ("labels", "code"), [([0, 0, 1, 1], "copied-picture"), ([0, 1, 2, 2], "copied-across")]
)
def test_another_quality_of_one_file_is_a_copy_and_a_likeness_is_none(
    labels: list[int], code: str
) -> None:
    first = picture()
    images = [first, again(first), picture(), picture()]
    rows = np.zeros((4, 8), np.float32)
    rows[:2, 0], rows[2:, 1] = 1, 1  # the last two look alike to the model, and are two pictures
    names = [f"{number}.png" for number in range(4)]
    (found,) = saved_again(names, pairs_within(rows, labels), images.__getitem__)
    assert (found.code, found.severity, found.count) == (code, "error", 1)
    assert found.examples == ("0.png = 1.png",) or found.examples == ("1.png = 0.png",)


def lighter(image: np.ndarray) -> np.ndarray:
    return np.clip(image.astype(int) // 2 + 60, 0, 255).astype(np.uint8)


def darker(image: np.ndarray) -> np.ndarray:
    return (image * 0.6).astype(np.uint8)


def mirrored(image: np.ndarray) -> np.ndarray:
    return image[:, ::-1]


@pytest.mark.parametrize("changed", [lighter, darker, mirrored])
def test_in_another_light_or_mirrored_it_is_that_picture_still(
    changed: Callable[[np.ndarray], np.ndarray],
) -> None:
    first = picture()
    images = [first, again(changed(first)), picture(), picture()]
    rows = np.repeat(np.eye(2, 8, dtype=np.float32), 2, 0)
    names = [f"{number}.png" for number in range(4)]
    (found,) = saved_again(names, pairs_within(rows, [0, 0, 1, 1]), images.__getitem__)
    assert (found.code, found.count) == ("copied-picture", 1)


def face(seed: int) -> Image.Image:
    """Soft patches, as a face has: one of them, or another photograph."""
    parts = np.random.default_rng(seed).integers(0, 256, (14, 14, 3), np.uint8)
    return Image.fromarray(parts).resize((112, 112), Image.Resampling.BICUBIC)


def turned(image: Image.Image) -> Image.Image:
    return image.rotate(2, Image.Resampling.BICUBIC)


def cut(image: Image.Image) -> Image.Image:
    return image.crop((3, 3, 109, 109)).resize((112, 112), Image.Resampling.BICUBIC)


def compressed(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=25)
    return Image.open(stream)


@pytest.mark.parametrize("changed", [turned, cut, compressed])
def test_turned_cut_or_compressed_it_is_that_picture_though_its_embedding_moved(
    changed: Callable[[Image.Image], Image.Image],
) -> None:
    first = face(1)
    images = [np.asarray(one) for one in (first, changed(first), face(2), face(3))]
    away = np.array([0.97, np.sqrt(1 - 0.97**2)], np.float32)
    rows = np.zeros((4, 8), np.float32)
    rows[[0, 2], [0, 2]] = 1
    rows[1, :2] = rows[3, 2:4] = away  # all within 0.97 of their mates
    names = [f"{number}.png" for number in range(4)]
    (found,) = saved_again(names, pairs_within(rows, [0, 0, 1, 1]), images.__getitem__)
    assert (found.code, found.count) == ("copied-picture", 1)
    assert set(found.examples[0].split(" = ")) == {"0.png", "1.png"}
    rows[1, :2] = 0.9, np.sqrt(1 - 0.9**2)
    assert saved_again(names, pairs_within(rows, [0, 0, 1, 1]), images.__getitem__) == []


def test_one_person_with_most_comparisons_is_told() -> None:
    rows = np.eye(50, dtype=np.float32)
    many = pairs_within(rows, [0] * 12 + [1 + n // 2 for n in range(38)])
    (found,) = one_person(many)
    assert "one person supplies 78 % of the genuine comparisons" in found.what
    assert one_person(pairs_within(rows, np.arange(50) // 2)) == []


def test_who_dominates_widens_the_interval_and_equals_do_not() -> None:
    """66 comparisons of one person are no 66 people."""
    few = Mates.of(np.repeat(np.arange(20), [66] + [1] * 19))
    even = Mates.of(np.repeat(np.arange(20), 4))
    assert few.interval(0).high > 0.5
    assert even.interval(0).high == pytest.approx(1 - 0.025 ** (1 / 20))
