"""A small exported student, and pictures to try it on."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from small_face import DIM, SmallFace, small_face, smooth_pictures

from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract


@pytest.fixture(scope="session")
def net() -> SmallFace:
    return small_face()


@pytest.fixture(scope="session")
def contract() -> EmbeddingContract:
    return EmbeddingContract(space="s" * 64, model="m" * 64, dim=DIM)


@pytest.fixture(scope="session")
def pictures() -> NDArray[np.uint8]:
    return smooth_pictures(24)


@pytest.fixture(scope="session")
def student_file(
    net: SmallFace, contract: EmbeddingContract, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("student") / "student.fp32.onnx"
    onnx_from_student(net, contract, path)
    return path
