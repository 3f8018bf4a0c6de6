import numpy as np

from embedge.calibration.people.splits import roles_of
from embedge.pipeline.proving.faults import faults_of, picture_digests, thresholds_on
from embedge.train.data import FaceSet

PEOPLE, EACH = 12, 3


def faces_of(images: np.ndarray) -> FaceSet:
    labels = np.repeat(np.arange(PEOPLE), EACH)
    return FaceSet("f", images, labels, tuple(f"p{n}" for n in range(PEOPLE)), "f" * 64)


def some_images() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (PEOPLE * EACH, 8, 8, 3)).astype(np.uint8)


def rows_like_people() -> np.ndarray:
    rng = np.random.default_rng(1)
    rows = np.repeat(rng.normal(size=(PEOPLE, 32)), EACH, axis=0)
    rows += 0.1 * rng.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_other_people_until_one_picture_has_two_roles() -> None:
    images = some_images()
    roles = roles_of(faces_of(images).labels, 0, choosing=True)
    assert thresholds_on(picture_digests(faces_of(images)), roles) == "other people"
    images[np.flatnonzero(roles.judge)[0]] = images[np.flatnonzero(roles.choose)[0]]
    assert thresholds_on(picture_digests(faces_of(images)), roles) == "the same people"


def test_a_copy_under_two_names_and_a_wrong_name_are_found() -> None:
    images, rows = some_images(), rows_like_people()
    sound = faces_of(images)
    assert list(faults_of(sound, picture_digests(sound), rows)) == []
    images[0] = images[EACH]
    copied = faces_of(images)
    codes = [one.code for one in faults_of(copied, picture_digests(copied), rows)]
    assert codes == ["duplicate-picture"]
    rows[[0, EACH]] = rows[[EACH, 0]]  # each looks like the other
    assert list(faults_of(sound, picture_digests(sound), rows))
