"""A float graph in torch answers as the file does, or names what torch cannot be told."""

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import helper
from small_face import small_face, smooth_pictures

from embedge.errors import EmbedgeError
from embedge.export.graph.surgery import Graph
from embedge.export.student import onnx_from_student
from embedge.pipeline.targets.torch_network import torch_network
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import OrtEncoder

CONTRACT = EmbeddingContract("s", "m", 16)
PICTURES = smooth_pictures(6)


@pytest.fixture
def student(tmp_path: Path) -> Path:
    onnx_from_student(small_face("prelu"), CONTRACT, tmp_path / "s.onnx")
    return tmp_path / "s.onnx"


def test_it_answers_as_the_file_does(student: Path) -> None:
    network = torch_network(Graph.read(student))
    with OrtEncoder(student) as encoder, torch.no_grad():
        known = encoder.features(PICTURES)
        fed = (PICTURES.astype(np.float32).transpose(0, 3, 1, 2) - 127.5) / 127.5
        found = network(torch.from_numpy(np.ascontiguousarray(fed))).numpy()
    np.testing.assert_allclose(found, known, atol=1e-4)


def test_what_torch_cannot_be_told_is_named(student: Path) -> None:
    graph = Graph.read(student)
    graph.nodes.append(helper.make_node("Asinh", [graph.outputs[0].name], ["odd"], name="odd"))
    graph.outputs[0].name = "odd"
    with pytest.raises(EmbedgeError, match=r"E-TARGET.*cannot be written in torch.*Asinh"):
        torch_network(graph)
