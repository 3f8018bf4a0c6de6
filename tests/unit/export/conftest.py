"""A small exported student, and pictures to try it on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_face import DIM, SIZE, SmallFace, small_face
from torch import nn

from embedge.export.student_graph import onnx_from_student
from embedge.runtime.contract import EmbeddingContract


@pytest.fixture(scope="session")
def net() -> SmallFace:
    return small_face()


@pytest.fixture(scope="session")
def contract() -> EmbeddingContract:
    return EmbeddingContract(space="s" * 64, model="m" * 64, dim=DIM)


@pytest.fixture(scope="session")
def pictures() -> NDArray[np.uint8]:
    """Smooth random pictures: neighbouring pixels agree, as in faces."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0, 255, (24, 3, 7, 7)).astype(np.float32))
    smooth = nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bicubic").clamp(0, 255)
    return smooth.numpy().astype(np.uint8).transpose(0, 2, 3, 1)


@pytest.fixture(scope="session")
def student_file(
    net: SmallFace, contract: EmbeddingContract, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("student") / "student.fp32.onnx"
    onnx_from_student(net, contract, path)
    return path
