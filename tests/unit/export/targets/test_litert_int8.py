"""LiteRT computes in INT8 what the portable Q/DQ graph says."""

from pathlib import Path

import numpy as np
import pytest
from small_face import small_face, smooth_pictures

from embedge.calibration.evaluation.judge import cosines_of
from embedge.export.graph.surgery import Graph
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import OrtEncoder

pytest.importorskip("ai_edge_litert", reason="pip install 'embedge[litert]'")

from embedge.export.targets.litert import litert_from_onnx, litert_int8_from_graph
from embedge.runtime.encoders.litert import LiteRtEncoder

PICTURES = smooth_pictures(12)
CONTRACT = EmbeddingContract("s", "m", 16)


@pytest.mark.parametrize("activation", ["relu", "relu6", "prelu"])
def test_it_answers_as_the_portable_graph(activation: str, tmp_path: Path) -> None:
    onnx_from_student(small_face(activation), CONTRACT, tmp_path / "s.onnx")
    graph = Graph.read(tmp_path / "s.onnx")
    (data,) = litert_int8_from_graph(graph, PICTURES).files.values()
    (floats,) = litert_from_onnx((tmp_path / "s.onnx").read_bytes(), half=False).files.values()
    qdq_from_onnx(graph, PICTURES, tmp_path / "q.onnx", target="qdq")
    with (
        LiteRtEncoder(data, CONTRACT, threads=1) as found,
        LiteRtEncoder(floats, CONTRACT, threads=1) as whole,
        OrtEncoder(tmp_path / "q.onnx", threads=1) as portable,
    ):
        rows = found.embed(PICTURES)
        same = cosines_of(portable.embed(PICTURES), rows)
        near = cosines_of(whole.embed(PICTURES), rows)
    assert same.min > 0.9995
    assert 0.97 < near.min < 0.99999  # it is INT8, and it is not another network


def test_most_operators_compute_in_codes(tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    onnx_from_student(small_face("relu"), CONTRACT, tmp_path / "s.onnx")
    graph = Graph.read(tmp_path / "s.onnx")
    (data,) = litert_int8_from_graph(graph, PICTURES).files.values()
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=_plain())
    kinds = {tensor["index"]: tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    convolutions = [
        kinds[op["outputs"][0]] for op in interpreter._get_ops_details() if "CONV" in op["op_name"]
    ]
    assert convolutions.count(np.int8) >= len(convolutions) - 1  # the last one may be float


def _plain() -> object:
    from ai_edge_litert.interpreter import OpResolverType

    return OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
