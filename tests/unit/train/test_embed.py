"""Whole face sets: every row is that of its picture, and corrupt records leave no hole."""

from pathlib import Path

import numpy as np
import pytest
import torch
from face_sets import face_folder, face_set
from torch import nn

from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.train import embed as module
from embedge.train.data.feeding.batches import pixels
from embedge.train.data.sources.folder import ImageFolder
from embedge.train.embed import embed_faces, rows_of

QUIET = Progress(quiet=True)


def levels(images: np.ndarray) -> np.ndarray:
    return images.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)


def test_rows_are_in_order_however_many_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = face_set()
    monkeypatch.setattr(module, "BATCH", 3)
    found = rows_of(faces, levels, what="levels", progress=QUIET)
    np.testing.assert_array_equal(found, levels(faces.images))


def test_a_network_is_asked_as_it_will_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without dropout, without statistics of the batch, and it learns nothing from being asked."""
    monkeypatch.setattr(module, "BATCH", 7)
    faces = face_set()
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.BatchNorm1d(12), nn.Dropout())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = embed_faces(network, faces, what="toy", progress=QUIET)
    with torch.inference_mode():
        expected = network.eval()(pixels(faces.images)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_row_of_a_corrupt_record_is_that_of_another_of_the_person(tmp_path: Path) -> None:
    face_folder(tmp_path)
    (tmp_path / "p1" / "3.jpg").write_bytes(b"spoilt")
    found = rows_of(ImageFolder(tmp_path), levels, what="levels", progress=QUIET)
    np.testing.assert_array_equal(found[7], found[4])
    assert len(np.unique(found, axis=0)) == len(found) - 1


def test_too_many_corrupt_records_stop_it(tmp_path: Path) -> None:
    face_folder(tmp_path)
    for number in range(6):
        (tmp_path / f"p{number // 2}" / f"{number % 2}.jpg").write_bytes(b"spoilt")
    with pytest.raises(EmbedgeError, match="E-DATA-CORRUPT"):
        rows_of(ImageFolder(tmp_path), levels, what="levels", progress=QUIET)
