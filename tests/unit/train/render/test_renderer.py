"""The renderer's promises: same numbers same bytes, aligned, and one person stays one person."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedge.runtime.contract import ARCFACE_112
from embedge.train.render import FaceRenderer
from embedge.train.render.surface.view import similarity

PEOPLE = np.array([0, 1, 2, 7, -3, 10**12, 10**18])
SAMPLES = np.array([0, 5, 1, 0, 2, 3, 10**9])


@pytest.fixture(scope="module")
def renderer() -> FaceRenderer:
    return FaceRenderer(seed=11)


@pytest.fixture(scope="module")
def batch(renderer: FaceRenderer) -> Any:
    return renderer.render(PEOPLE, SAMPLES)


def test_shapes_and_dtypes(batch: Any) -> None:
    assert batch.images.shape == (len(PEOPLE), 112, 112, 3)
    assert batch.images.dtype == np.uint8
    assert batch.landmarks.shape == (len(PEOPLE), 5, 2)
    assert batch.landmarks.dtype == np.float32


def test_a_picture_does_not_depend_on_its_batch(renderer: FaceRenderer, batch: Any) -> None:
    for row in range(len(PEOPLE)):
        alone = renderer.render(PEOPLE[row : row + 1], SAMPLES[row : row + 1])
        assert np.array_equal(alone.images[0], batch.images[row])
        assert np.array_equal(alone.landmarks[0], batch.landmarks[row])


def test_order_does_not_matter(batch: Any) -> None:
    backwards = FaceRenderer(seed=11).render(PEOPLE[::-1], SAMPLES[::-1])
    assert np.array_equal(backwards.images[::-1], batch.images)


@pytest.mark.parametrize("other", [FaceRenderer(seed=12), FaceRenderer(seed=11, hardness=0.5)])
def test_seed_and_hardness_change_the_picture(batch: Any, other: FaceRenderer) -> None:
    images = other.render(PEOPLE, SAMPLES).images
    assert all(not np.array_equal(a, b) for a, b in zip(images, batch.images))


def test_numbers_must_pair_up(renderer: FaceRenderer) -> None:
    with pytest.raises(ValueError, match="zip"):
        renderer.render(np.arange(3), np.arange(2))


def test_landmarks_are_near_the_template() -> None:
    faces = FaceRenderer(seed=3).render(np.arange(40), np.arange(40))
    error = np.linalg.norm(faces.landmarks - np.array(ARCFACE_112), axis=2)
    assert np.median(error) < 3.0
    assert error.max() < 16.0
    assert faces.landmarks.min() > 0
    assert faces.landmarks.max() < 111


def test_landmarks_sit_on_the_features() -> None:
    """In a studio portrait the pupils are darker than the cheek below them."""
    faces = FaceRenderer(seed=5, hardness=0.0).render(np.arange(30), np.zeros(30, int))
    darker = []
    for image, points in zip(faces.images, faces.landmarks):
        grey = image.mean(axis=2)
        for x, y in points[:2].round().astype(int):
            darker.append(
                grey[y - 2 : y + 3, x - 2 : x + 3].mean()
                < grey[y + 12 : y + 17, x - 2 : x + 3].mean()
            )
    assert np.mean(darker) > 0.9


def test_a_scene_aligned_by_its_landmarks_is_the_crop_without_detector_error() -> None:
    renderer = FaceRenderer(seed=4, hardness=0.0)
    scene = renderer.render_scene(3, 1, size=(240, 320))
    crop = renderer.render(np.array([3]), np.array([1]))
    assert scene.image.shape == (240, 320, 3)
    align = similarity(scene.landmarks.astype(float), np.array(ARCFACE_112))
    assert np.abs(align.pixels(scene.landmarks.astype(float)) - crop.landmarks[0]).max() < 0.01


def test_scene_landmarks_map_to_the_crop_through_a_similarity() -> None:
    renderer = FaceRenderer(seed=4)
    for sample in range(12):
        scene = renderer.render_scene(5, sample, size=(200, 260))
        crop = renderer.render(np.array([5]), np.array([sample])).landmarks[0]
        align = similarity(scene.landmarks.astype(float), crop.astype(float))
        assert np.abs(align.pixels(scene.landmarks.astype(float)) - crop).max() < 0.01


def test_scene_box_holds_the_landmarks_and_lies_in_the_picture() -> None:
    renderer = FaceRenderer(seed=9)
    for sample in range(10):
        scene = renderer.render_scene(1, sample, size=(180, 240))
        left, top, right, bottom = scene.box
        assert (scene.landmarks > [left, top]).all()
        assert (scene.landmarks < [right, bottom]).all()
        assert left >= 0
        assert right <= 240
        assert bottom <= 180 * 1.1


def test_raw_pixels_do_not_tell_people_apart() -> None:
    people = np.repeat(np.arange(40), 5)
    images = FaceRenderer(seed=6).render(people, np.tile(np.arange(5), 40)).images
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    scores = flat @ flat.T
    np.fill_diagonal(scores, -1)
    rank1 = (people[scores.argmax(axis=1)] == people).mean()
    assert 0.03 < rank1 < 0.5  # chance is 0.02


def test_raw_pixels_do_tell_studio_portraits_apart() -> None:
    """Without nuisance nothing but the person is left, and people differ."""
    studio = FaceRenderer(seed=6, hardness=0.0).render(np.arange(60), np.zeros(60, int)).images
    again = FaceRenderer(seed=6, hardness=0.05).render(np.arange(60), np.ones(60, int)).images
    middle = np.s_[:, 24:100, 24:88]
    one, two = (a[middle].mean(axis=3).reshape(60, -1) for a in (studio, again))
    one, two = (v - v.mean(axis=1, keepdims=True) for v in (one, two))
    one, two = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (one, two))
    assert ((one @ two.T).argmax(axis=1) == np.arange(60)).mean() > 0.85


def test_nobody_reaches_past_the_renderers_facade() -> None:
    """Products ask `embedge.train.render`; what is behind it may change with every picture."""
    root = Path(__file__).parents[4]
    rooms = ("src/embedge", "train", "export", "runtime", "calibration", "examples", "benchmarks")
    files = {path.resolve() for room in rooms for path in (root / room).rglob("*.py")}
    outside = {path for path in files if root / "train" / "render" not in path.parents}
    assert len(outside) > 200
    inner = re.compile(r"embedge\.train\.render\.\w+ import")
    assert [path for path in outside if inner.search(path.read_text())] == []
