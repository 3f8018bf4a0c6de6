"""Any number of models in both roles; foreign spaces are refused."""

from dataclasses import replace

import numpy as np
import pytest

from embedge.calibration.evaluation.crossspace import compare
from embedge.calibration.evaluation.matrix import InSpace, cross_space_matrix
from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract

FMRS = (1e-1, 1e-2, 1e-5)
LABELS = np.repeat(np.arange(15), 4)
CONTRACT = EmbeddingContract("space", "0" * 64, 24)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def models() -> list[InSpace]:
    generator = np.random.default_rng(1)
    centres = np.repeat(generator.normal(size=(15, 24)), 4, 0)
    teacher = unit(centres + 0.6 * generator.normal(size=(60, 24)))
    student = unit(teacher + 0.1 * generator.normal(size=teacher.shape))
    artifact = unit(student + 0.02 * generator.normal(size=teacher.shape))
    names = ("teacher", "student", "int8")
    return [
        InSpace(name, replace(CONTRACT, model=f"{number}" * 64), rows)
        for number, (name, rows) in enumerate(zip(names, (teacher, student, artifact)))
    ]


def test_every_cell_is_the_comparison_of_its_pair(models):
    matrix = cross_space_matrix(models, LABELS, FMRS)
    for row, gallery in enumerate(models):
        for column, probe in enumerate(models):
            cell = compare("x", gallery.embeddings, probe.embeddings, LABELS, FMRS)
            found = matrix.comparisons[row][column]
            assert (found.gallery, found.probe) == (gallery.name, probe.name)
            assert found.tar == cell.tar
            assert matrix.table(1e-2)[row][column] == cell.tar_at(1e-2).point.tar
    assert matrix.comparisons[0][0].drift is None
    assert matrix.comparisons[1][2].drift.reference == "teacher"


def test_insufficient_cells_are_none_and_json_is_square(models):
    value = cross_space_matrix(models, LABELS, FMRS).to_json()
    assert value["models"] == ["teacher", "student", "int8"]
    assert value["tar"][2] == {"fmr": 1e-5, "table": [[None] * 3] * 3}
    assert len(value["comparisons"]) == 9


def test_another_space_is_refused_with_both_names(models):
    stranger = replace(models[1], contract=replace(CONTRACT, space="elsewhere"))
    with pytest.raises(EmbedgeError, match=r"E-SPACE.*space.*elsewhere"):
        cross_space_matrix([models[0], stranger], LABELS, FMRS)
