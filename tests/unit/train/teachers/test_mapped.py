from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from embedge.errors import EmbedgeError
from embedge.train.models.cost import NetworkCost
from embedge.train.seeds import seeded
from embedge.train.teachers import MappedTeacher, Teacher, save_map
from embedge.train.teachers.mapped import principal_map


class Rows(Teacher):
    """Answers with what it was given."""

    kind, digest, dim = "rows", "d" * 64, 12

    def __init__(self, rows: np.ndarray, head: torch.Tensor) -> None:
        self.rows, self.head = rows, head

    def features(self, images: np.ndarray) -> np.ndarray:
        return self.rows[: len(images)]

    def cost(self) -> NetworkCost:
        return NetworkCost(0, macs=None)


@pytest.fixture
def teacher() -> Rows:
    with seeded(0):
        low = torch.randn(30, 4) @ torch.randn(4, 12)
        return Rows((low[:9] * 3).numpy(), normalize(low))


def test_principal_directions_of_a_flat_head_lose_nothing(teacher: Rows, tmp_path: Path) -> None:
    directions, held = principal_map(teacher.head, 4)
    assert held == pytest.approx(1.0, abs=1e-6)
    save_map(tmp_path, teacher, directions)
    mapped = MappedTeacher.load(teacher, tmp_path / "map.bridge")
    rows = mapped.features(np.zeros((9, 1), np.uint8))
    assert rows.shape == (9, 4)
    before = normalize(torch.from_numpy(teacher.rows)) @ teacher.head.T
    after = normalize(torch.from_numpy(rows)) @ mapped.head.T
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)
    assert mapped.space != teacher.space


def test_a_gallery_is_carried_over_by_the_map(teacher: Rows, tmp_path: Path) -> None:
    save_map(tmp_path, teacher, torch.eye(12)[:5])
    mapped = MappedTeacher.load(teacher, tmp_path / "map.bridge")
    assert np.array_equal(mapped.carried(teacher.rows), mapped.features(np.zeros((9, 1), np.uint8)))


def test_a_map_is_bound_to_the_teacher_it_was_made_for(teacher: Rows, tmp_path: Path) -> None:
    save_map(tmp_path, teacher, torch.eye(12)[:5])
    teacher.digest = "e" * 64
    with pytest.raises(EmbedgeError, match="not of this teacher"):
        MappedTeacher.load(teacher, tmp_path / "map.bridge")


def test_more_directions_than_there_are_is_refused(teacher: Rows) -> None:
    with pytest.raises(EmbedgeError, match="E-DIMS"):
        principal_map(teacher.head, 13)
