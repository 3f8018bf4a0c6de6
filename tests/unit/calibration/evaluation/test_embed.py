"""Embedding many faces: failures apart, chunks cached and resumed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_contract

from embedge.calibration.evaluation import embed as module
from embedge.calibration.evaluation.embed import embedded
from embedge.calibration.evaluation.faces import FaceBytes, FaceFiles
from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract


class CountingEncoder:
    """Embeds a crop as the mean of its colours, and counts what it was asked."""

    contract = EmbeddingContract("space", "0" * 64, 3)
    provider = "test"

    def __init__(self, stop_after: int | None = None) -> None:
        self.seen = 0
        self.stop_after = stop_after

    def features(self, images: np.ndarray) -> np.ndarray:
        if self.stop_after is not None and self.seen >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += len(images)
        return images.mean(axis=(1, 2)).astype(np.float32)


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaceFiles:
    monkeypatch.setattr(module, "_CHUNK", 4)
    generator = np.random.default_rng(0)
    for number in range(10):
        colour = tuple(int(value) for value in generator.integers(1, 255, 3))
        Image.new("RGB", (112, 112), colour).save(tmp_path / f"{number}.png")
    return FaceFiles(tmp_path, [f"{number}.png" for number in range(10)])


def test_rows_are_of_length_one_and_in_order(faces: FaceFiles) -> None:
    rows = embedded(faces, CountingEncoder())
    colour = np.asarray(Image.open(faces.root / "6.png"))[0, 0].astype(float)
    np.testing.assert_allclose(rows.embeddings[6], colour / np.linalg.norm(colour), rtol=1e-5)
    assert rows.acquired.all()


def test_a_broken_picture_is_a_failure_to_acquire(faces: FaceFiles) -> None:
    (faces.root / "3.png").write_bytes(b"no picture")
    (faces.root / "5.png").unlink()
    rows = embedded(faces, CountingEncoder())
    assert rows.acquired.tolist() == [n not in (3, 5) for n in range(10)]
    assert set(rows.failures) == {"3.png", "5.png"}
    assert rows.failures["3.png"].startswith("E-IMAGE")
    assert rows.failures["5.png"].startswith("E-IMAGE-MISSING")


def test_a_picture_of_another_size_is_a_mistake_not_a_failure(faces: FaceFiles) -> None:
    Image.new("RGB", (200, 250)).save(faces.root / "3.png")
    with pytest.raises(EmbedgeError, match="E-NOT-ALIGNED"):
        embedded(faces, CountingEncoder())


def test_all_broken_is_an_error(faces: FaceFiles) -> None:
    for path in faces.root.iterdir():
        path.write_bytes(b"")
    with pytest.raises(EmbedgeError, match="E-NO-FACES"):
        embedded(faces, CountingEncoder())


def test_a_second_run_reads_the_cache_and_a_stopped_one_resumes(
    faces: FaceFiles, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    (faces.root / "1.png").write_bytes(b"broken")
    with pytest.raises(KeyboardInterrupt):
        embedded(faces, CountingEncoder(stop_after=3), cache=cache)
    assert len(list(cache.iterdir())) == 1
    second = CountingEncoder()
    rows = embedded(faces, second, cache=cache)
    assert second.seen == 6
    third = CountingEncoder()
    again = embedded(faces, third, cache=cache)
    assert third.seen == 0
    np.testing.assert_array_equal(again.embeddings, rows.embeddings)
    assert again.failures == rows.failures != {}


def test_a_changed_picture_is_embedded_again(
    faces: FaceFiles, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    embedded(faces, CountingEncoder(), cache=cache)
    Image.new("RGB", (112, 112), (250, 1, 1)).save(faces.root / "9.png", compress_level=0)
    encoder = CountingEncoder()
    rows = embedded(faces, encoder, cache=cache)
    assert encoder.seen == 2
    assert rows.embeddings[9, 0] > 0.99


def test_pictures_in_memory(faces: FaceFiles) -> None:
    blobs = [(faces.root / name).read_bytes() for name in faces.names]
    memory = FaceBytes(blobs, [str(n) for n in range(10)], list(faces.names))
    np.testing.assert_array_equal(
        embedded(memory, CountingEncoder()).embeddings,
        embedded(faces, CountingEncoder()).embeddings,
    )


def test_crops_of_another_size_are_read_as_a_network_wants_them(tmp_path: Path) -> None:
    Image.fromarray(face_like(0, 160)).save(tmp_path / "0.png")
    faces = FaceFiles(tmp_path, ["0.png"])
    assert faces.read(0).shape == (160, 160, 3)
    assert faces.aligned_for(tiny_contract(size=160)).read(0).shape == (160, 160, 3)
    with pytest.raises(EmbedgeError, match=r"E-NOT-ALIGNED.*160x160.*112x112"):
        faces.aligned_for(tiny_contract()).read(0)
