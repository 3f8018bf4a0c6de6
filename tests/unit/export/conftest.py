"""A small exported student, and pictures to try it on."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from small_face import CONTRACT, DIM, SmallFace, small_face, smooth_pictures

from embedge.export.graph.canonical import canonical
from embedge.export.graph.surgery import Graph
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops


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


@pytest.fixture
def student(student_file: Path) -> Graph:
    return canonical(Graph.read(student_file))


@pytest.fixture
def tensor(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return tensor_from_crops(pictures[:4], CONTRACT)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
