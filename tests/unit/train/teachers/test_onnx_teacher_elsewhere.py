"""An ONNX teacher on another device, or in half precision: torch answers in its place."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from pretend_device import PRETEND, waits

from embedge.errors import EmbedgeError
from embedge.train.models import from_onnx
from embedge.train.models.from_onnx import NotUnderstood, network_from_onnx
from embedge.train.models.iresnet import iresnet
from embedge.train.seeds import seeded
from embedge.train.teachers import OnnxTeacher
from embedge.train.teachers.teacher import Placement

IMAGES = np.random.default_rng(1).integers(0, 256, (5, 112, 112, 3), np.uint8)
THERE = Placement(str(PRETEND), batch=3)
Node = tuple[str, list[str], str, dict[str, Any]]


def graph_of(
    path: Path,
    nodes: Sequence[Node],
    constants: dict[str, Any],
) -> Path:
    made = helper.make_graph(
        [
            helper.make_node(op, inputs, [out], **attributes)
            for op, inputs, out, attributes in nodes
        ],
        "face",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 112, 112])],
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, ["n", 6])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(made, opset_imports=opset, ir_version=9), path)
    return path


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def small(path: Path, *, middle: tuple[str, dict[str, Any]] = ("Relu", {}), rows: int = -1) -> Path:
    """Every operator that published recognisers are made of; pads on two sides alone."""
    op, attributes = middle
    nodes: list[Node] = [
        ("Slice", ["image", "last", "before", "channel", "back"], "bgr", {}),
        ("Sub", ["bgr", "centre"], "a", {}),
        ("Mul", ["a", "step"], "b", {}),
        ("Conv", ["b", "w", "wb"], "c", {"strides": [4, 4], "pads": [1, 0, 2, 1]}),
        ("BatchNormalization", ["c", "g", "h", "m", "v"], "d", {"epsilon": 1e-3}),
        ("PRelu", ["d", "slope"], "e", {}),
        ("Conv", ["e", "dw"], "f", {"group": 4, "pads": [1, 1, 1, 1]}),
        ("Add", ["e", "f"], "g0", {}),
        ("Clip", ["g0", "", "six"], "g1", {}),
        ("Slice", ["g1", "from", "to", "along"], "g2", {}),
        (op, ["g2"], "g3", attributes),
        ("GlobalAveragePool", ["g3"], "i", {}),
        ("Reshape", ["i", "shape"], "j", {}),
        ("Dropout", ["j"], "k", {}),
        ("Gemm", ["k", "full", "bias"], "row", {"transB": 1}),
    ]
    constants = {
        "centre": np.float32(127.5),
        "step": np.float32(1 / 127.5),
        "w": drawn(4, 3, 3, 3),
        "wb": drawn(4),
        "dw": drawn(4, 1, 3, 3),
        "g": drawn(4),
        "h": drawn(4),
        "m": drawn(4),
        "v": np.abs(drawn(4)) + 1,
        "slope": drawn(4, 1, 1),
        "full": drawn(6, 4),
        "bias": drawn(6),
        "six": np.float32(0.8),
        "last": np.array([-1]),
        "before": np.array([-(2**63) + 1]),
        "channel": np.array([1]),
        "back": np.array([-1]),
        "from": np.array([1, 2]),
        "to": np.array([99, -1]),
        "along": np.array([2, 3]),
        "shape": np.array([rows, 4], np.int64),
    }
    return graph_of(path, nodes, constants)


@pytest.mark.parametrize("fed", ["rgb-plain", "bgr-plain", "bgr-scaled"])
def test_it_answers_there_as_it_does_here(tmp_path: Path, fed: str) -> None:
    path = small(tmp_path / "m.onnx")
    here, there = OnnxTeacher(path, fed), OnnxTeacher(path, fed).placed(THERE)
    waits.clear()
    found = there.features(IMAGES)
    assert sum(waits.values()) == 0
    assert (there.device, there.batch, there.digest) == (str(PRETEND), 3, here.digest)
    np.testing.assert_allclose(found, here.features(IMAGES), rtol=1e-4, atol=1e-4)


def test_an_iresnet_from_a_file_answers_there_and_in_half_precision(tmp_path: Path) -> None:
    with seeded(0):
        network = iresnet(18, 32, channels=(16, 16, 16, 16)).eval()
    example = torch.zeros(2, 3, 112, 112)
    path, batch = tmp_path / "r18.onnx", {"x": {0: "n"}}
    torch.onnx.export(
        network, (example,), path, dynamo=False, input_names=["x"], dynamic_axes=batch
    )
    here = OnnxTeacher(path, "rgb-scaled")
    rows = here.features(IMAGES)
    there = OnnxTeacher(path, "rgb-scaled").placed(THERE).features(IMAGES)
    np.testing.assert_allclose(there, rows, rtol=1e-3, atol=1e-3 * np.abs(rows).max())
    half = here.placed(Placement(amp="bf16")).features(IMAGES)
    cosine = (half * rows).sum(1) / np.linalg.norm(half, axis=1) / np.linalg.norm(rows, axis=1)
    assert 0.99 < cosine.min() < 1 - 1e-7, "it rounded, a little"
    np.testing.assert_array_equal(here.placed(Placement()).features(IMAGES), rows)


@pytest.mark.parametrize(
    ("middle", "why"),
    [(("Tanh", {}), "the operators Tanh"), (("Softsign", {}), "the operators Softsign")],
)
def test_a_graph_that_torch_does_not_understand_stays_here(
    tmp_path: Path, middle: tuple[str, dict[str, Any]], why: str
) -> None:
    teacher = OnnxTeacher(small(tmp_path / "m.onnx", middle=middle), "rgb-plain")
    rows = teacher.features(IMAGES)
    for where in (THERE, Placement("cuda"), Placement(amp="bf16")):
        with pytest.raises(EmbedgeError, match=rf"E-TEACHER-DEVICE: .*{why}"):
            teacher.placed(where)
    np.testing.assert_array_equal(teacher.placed(Placement(batch=2)).features(IMAGES), rows)


def test_another_answer_is_never_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = OnnxTeacher(small(tmp_path / "m.onnx"), "rgb-plain")
    monkeypatch.setitem(from_onnx._OPERATORS, "Relu", lambda x: x.clamp_min(-0.01))
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-DEVICE: .*torch answers otherwise"):
        teacher.placed(THERE)


def test_a_shape_that_is_computed_is_not_guessed(tmp_path: Path) -> None:
    nodes: list[Node] = [("Shape", ["image"], "s", {}), ("Reshape", ["image", "s"], "row", {})]
    with pytest.raises(NotUnderstood, match="Shape"):
        network_from_onnx(graph_of(tmp_path / "m.onnx", nodes, {}))
    path = graph_of(tmp_path / "n.onnx", [("Reshape", ["image", "image"], "row", {})], {})
    with pytest.raises(NotUnderstood, match="Reshape, whose shape is computed"):
        network_from_onnx(path)
