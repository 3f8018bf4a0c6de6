"""Every graph a student is exported to, through NVIDIA's real parser and builder on a CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.export.engines import EngineOptions, engine_from_onnx
from embedge.export.fp16 import fp16_from_onnx
from embedge.export.int8.placement import Target
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.runtime.encoders.tensorrt.card import EngineCard

pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed: pip install -e .[rtx]")

Pictures = NDArray[np.uint8]


def built(graph: Path, precision: str, **options: Any) -> EngineCard:
    wanted = EngineOptions(precision, **{"target": "rtx", "sms": (86,), **options})
    return engine_from_onnx(graph, graph.with_suffix(".plan"), wanted)


@pytest.mark.parametrize("batches", [(1, 1, 1), (1, 8, 32)])
def test_fp32(student_file: Path, batches: tuple[int, int, int]) -> None:
    card = built(student_file, "fp32", batches=batches)
    assert card.batches == batches
    assert set(card.graph_tensors) <= {"FLOAT", "INT64"}


def test_fp16(student_file: Path, pictures: Pictures, tmp_path: Path) -> None:
    fp16_from_onnx(student_file, tmp_path / "fp16.onnx", images=pictures)
    card = built(tmp_path / "fp16.onnx", "fp16")
    assert card.graph_tensors["HALF"] > 10 * card.graph_tensors["FLOAT"]


@pytest.mark.parametrize("target", ["trt", "trt8"])
@pytest.mark.parametrize("remainder", ["fp16", "fp32"])
def test_int8(
    student_file: Path, pictures: Pictures, tmp_path: Path, target: Target, remainder: str
) -> None:
    graph = tmp_path / "int8.onnx"
    qdq_from_onnx(student_file, pictures, graph, target=target)
    card = built(graph, "int8", remainder=remainder)
    assert card.graph_tensors["INT8"] > 10
    assert ("HALF" in card.graph_tensors) == (remainder == "fp16")


def test_the_graph_for_cpus_is_refused(
    student_file: Path, pictures: Pictures, tmp_path: Path
) -> None:
    graph = tmp_path / "int8-cpu.onnx"
    qdq_from_onnx(student_file, pictures, graph, target="cpu")
    with pytest.raises(EmbedgeError):
        built(graph, "int8", remainder="fp32")
